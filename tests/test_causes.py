"""The programs of docs/causes.md run, their measures measure, and the page holds what their files say."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from test_study import row

import minigan
from minigan import Sequential, data, metrics
from minigan.data import dataset
from minigan.experiments import find
from minigan.layers import LSTM
from minigan.metrics.classifier import make_classifier
from minigan.ops.sigmoid import sigmoid
from minigan.study.results import read_csv, write_result
from minigan.training.loop import start_run
from minigan.training.trained import load_trained

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import causes  # noqa: E402
import dropout_in_g  # noqa: E402
import gradient_norms  # noqa: E402
import grey_background  # noqa: E402
import losses_and_samples  # noqa: E402
import memory_of_d  # noqa: E402
import one_picture  # noqa: E402
import ranges  # noqa: E402
import rare_classes  # noqa: E402
import valley  # noqa: E402

PAGE = (DOCS / "causes.md").read_text(encoding="utf-8")


def test_the_page_holds_what_the_files_say():
    assert causes.filled(PAGE) == PAGE, "python docs/causes.py"
    used = {source.strip() for source in re.findall(r"<!-- measured: (.*?);", PAGE)}
    assert used == {path.name for path in causes.RESULTS.glob("*.csv")}


def test_the_page_shows_every_picture_and_names_every_program():
    assert {*re.findall(r"images/causes/(\w+\.png)", PAGE)} == {path.name for path in causes.PICTURES.glob("*.png")}
    for program in re.findall(r"python (docs/\w+\.py)", PAGE):
        assert (DOCS.parent / program).exists(), program


def test_the_share_over_samples(rng):
    same = np.repeat(rng.standard_normal((1, 5)), 200, axis=0)
    assert causes.share_over_samples(same) == pytest.approx(0, abs=1e-12)
    assert causes.share_over_samples(rng.standard_normal((2000, 5))) == pytest.approx(1, abs=0.01)
    assert causes.share_over_samples(1 + 2 * rng.standard_normal((2000, 5))) == pytest.approx(0.8, abs=0.05)
    assert causes.share_over_samples(np.zeros((3, 2))) == 0


def test_tables_and_numbers_of_a_page(tmp_path):
    causes.write_rows(tmp_path / "a.csv", [{"step": step, "norm": step / 3} for step in (0, 1, 2)])
    table = "<!-- measured: a.csv; columns: step, norm as length; rows: step=0,2 --><!-- measured end -->"
    number = "<!-- measured: a.csv; columns: norm; rows: step=1; in a sentence -->9<!-- measured end -->"
    text = causes.filled(f"{table} It is {number}.", tmp_path)
    assert "\n| step | length |\n| --- | --- |\n| 0 | 0 |\n| 2 | 0.6667 |\n<!-- measured end -->" in text
    assert "-->0.3333<!-- measured end -->." in text and causes.filled(text, tmp_path) == text
    assert causes.filled(text.replace("0.6667", "0.7"), tmp_path) == text


def test_the_gradients_of_an_lstm_gan(tmp_path, no_pictures):
    gradient_norms.measure("D4", tmp_path / "run", 0, tmp_path, tmp_path, dataset="digits", steps=2, batch_size=16)
    (start,) = causes.read_rows(tmp_path / "d4_gradients.csv")  # before the first step
    steps = causes.read_rows(tmp_path / "d4_steps.csv")
    assert float(start["D grad"]) > 1 and float(start["G grad"]) > 0.1
    layers = [float(start[f"G {name} grad"]) for name in ("1.LSTM", "3.LSTM", "5.Dense")]
    assert np.linalg.norm(layers) == pytest.approx(float(start["G grad"]), rel=1e-3)
    assert [row["layer"] for row in steps] == ["1.LSTM", "3.LSTM"] * 2
    along = [float(steps[1][f"t={t}"]) for t in range(1, 29)]
    assert along == sorted(along) and steps[2]["t=11"] == ""  # D reads 28 rows, G makes 10 steps
    assert np.linalg.norm(along) == pytest.approx(float(start["D 3.LSTM dx"]), rel=0.5)
    # of a fresh LSTM: cells near 0, gates half open (the forget gate at sigmoid(1))
    slopes = [float(start[f"G 3.LSTM slope of {name}"]) for name in "cifgo"]
    assert slopes == pytest.approx([0.95, 0.25, 0.197, 0.95, 0.25], abs=0.03)


def test_the_slopes_of_an_lstm_are_the_factors_of_its_backward():
    """With one step and one unit, the gradient of each block of b is dy times the slopes on its way: (2) and (3)."""
    layer = LSTM(1)
    net = Sequential([layer], input_shape=(1, 1), dtype="float64")
    layer.params["b"][...] = 0.7, 0.2, -1.1, 1.9
    (view,) = minigan.microscope(net, np.array([[[0.4]]]), np.ones_like).layers
    slopes = gradient_norms.slopes_of_lstm(view)
    a_i, _, a_g, a_o = 0.4 * view.params["W"][0] + view.params["b"]
    i, g, o = sigmoid(a_i), np.tanh(a_g), sigmoid(a_o)
    expected = [o * slopes["c"] * g * slopes["i"], 0, o * slopes["c"] * i * slopes["g"], np.tanh(i * g) * slopes["o"]]
    np.testing.assert_allclose(view.grads["b"], expected, rtol=1e-12)


def test_what_is_left_of_the_latent(tmp_path, no_pictures, monkeypatch):
    monkeypatch.setattr(metrics, "trained_classifier", lambda dataset, quiet: make_classifier((28, 28, 1), 10))
    monkeypatch.setattr(one_picture, "JUDGED", 8)
    monkeypatch.setattr(one_picture, "LATENTS", 16)
    one_picture.measure(tmp_path, tmp_path, tmp_path, [("E1", 0, 1), ("E2", 0, 1)], steps=2, batch_size=4)
    layers = {(row["experiment"], row["layer"]): row for row in causes.read_rows(tmp_path / "one_picture_layers.csv")}
    start = {layer: float(row["step 0"]) for layer, row in layers.items()}
    assert start["E1", "6.Dense"] < 0.7 < 0.9 < start["E2", "0.Dense"]
    steps = {row["experiment"]: float(row["ratio"]) for row in causes.read_rows(tmp_path / "one_picture_steps.csv")}
    assert steps["E1"] > 2 * steps["E2"]


def test_the_background(tmp_path, no_pictures, monkeypatch):
    monkeypatch.setattr(grey_background, "SAMPLES", 8)
    grey_background.measure(tmp_path, tmp_path, tmp_path, {"8": "E3+batch_size=8"}, steps=2)
    rows = causes.read_rows(tmp_path / "grey_background.csv")
    assert float(rows[0]["background"]) == pytest.approx(0.5, abs=0.05)  # an untrained generator is grey


def test_the_background_of_the_runs_of_a_study(tmp_path):
    from minigan.experiments import find
    from minigan.training.loop import start_run

    for name, batch in (("E3", 4), ("E4-batch32", 2)):
        options = {"dataset": "digits", "steps": 1, "batch_size": batch, "workers": 1}
        start_run(find(name), tmp_path / f"{name}-seed0", **options).run(quiet=True)
    # of the two rows that are there already, the first has an equal run in the study, the second has not
    before = "batch,epochs,steps,seed,background in %\n4,0.0004,1,0,99\n4,3,7500,0,1.5\n"
    (tmp_path / "grey_background_batches.csv").write_text(before)
    grey_background.measure_study(tmp_path, tmp_path)
    rows = causes.read_rows(tmp_path / "grey_background_batches.csv")
    assert [(row["batch"], row["epochs"], row["steps"], row["seed"]) for row in rows] == [
        ("2", "0.0002", "1", "0"),
        ("4", "0.0004", "1", "0"),
        ("4", "3", "7500", "0"),
    ]
    assert [float(row["background in %"]) for row in rows] == pytest.approx([50, 50, 1.5], abs=5)


def test_a_table_can_have_means_over_seeds(tmp_path):
    (tmp_path / "a.csv").write_text("batch,seed,grey\n2,0,1\n2,1,3\n4,0,5\n")
    words = "<!-- measured: a.csv; columns: batch, grey as how grey; averaged: grey --><!-- measured end -->"
    assert "| batch | how grey |\n| --- | --- |\n| 2 | 2 ± 1.4 |\n| 4 | 5 |\n" in causes.filled(words, tmp_path)


def test_the_background_of_ranges(tmp_path, no_pictures):
    from minigan.experiments import find
    from minigan.training.loop import start_run

    for name in ("E3", "E6-upsampling01"):
        options = {"dataset": "digits", "steps": 1, "batch_size": 4, "workers": 1}
        start_run(find(name), tmp_path / f"{name}-seed0", **options).run(quiet=True)
        write_result(tmp_path / f"{name}-seed0", row(name))
    ranges.main(tmp_path, tmp_path, tmp_path, tmp_path / "copy.csv", steps=1, batch_size=4)
    at_minus_1, at_0, sigmoid, _, real = causes.read_rows(tmp_path / "ranges.csv")
    assert (at_minus_1["images"], at_0["images"]) == ("-1 to 1", "0 to 1")
    # an untrained generator makes numbers near 0: grey in one range, black in the other
    assert float(at_minus_1["background"]) == pytest.approx(0.5, abs=0.05) and float(at_0["background"]) < 0.1
    assert float(at_minus_1["grey"]) > 0.99 and 0.05 < float(real["grey"]) < 0.15
    assert float(sigmoid["background"]) > 0.1 and float(sigmoid["below black"]) == 0
    assert 0.05 < float(at_0["below black"]) < 0.95
    assert [row["experiment"] for row in read_csv(tmp_path / "copy.csv")] == ["E6-upsampling", "E6-upsampling01"]


def test_what_d_answers_for_images_that_it_has_seen_and_for_others(tmp_path, monkeypatch, no_pictures):
    """Here the others are negatives, which D accepts less after some steps."""
    load = dataset.LOADERS["digits"]

    def in_two_parts(directory, split):
        digits = load(directory, "train")
        images = digits.images[:100] if split == "train" else 255 - digits.images[100:200]
        return dataset.Dataset("digits", split, images, digits.labels[:100], digits.classes)

    for name in ("digits", "mnist"):  # the test images of the built-in digits are MNIST's
        monkeypatch.setitem(dataset.LOADERS, name, in_two_parts)
    for name, epochs in (("few", 1), ("many", 20)):
        options = dict(dataset="digits", batch_size=50, epochs=epochs, every=epochs, workers=1)
        start_run(find("A1"), tmp_path / name, **options).run(quiet=True)
        memory_of_d.main([tmp_path / name], results=tmp_path, images=100)
    few, many = causes.read_rows(tmp_path / "memory_of_d.csv")
    assert float(many["D(training images)"]) > 0.9 > float(many["D(test images)"]) + 0.1 > float(many["D(samples)"])
    gap = float(many["D(training images)"]) - float(many["D(test images)"])
    assert float(many["training - test"]) == pytest.approx(gap, abs=2e-4) and few["epoch"] == "1"
    memory_of_d.main([tmp_path / "many"], results=tmp_path, images=100)
    rows = causes.read_rows(tmp_path / "memory_of_d.csv")
    assert [(row["experiment"], row["epoch"]) for row in rows] == [("A1", "1"), ("A1", "20")], "replaced"
    odd = dict(dataset="digits", data_options={"image_size": 12}, batch_size=33, steps=4, workers=1)
    start_run(find("A1"), tmp_path / "odd", **odd).run(quiet=True)
    for _ in range(2):
        memory_of_d.main([tmp_path / "odd"], results=tmp_path, images=100)
    rows = causes.read_rows(tmp_path / "memory_of_d.csv")
    assert [row["epoch"] for row in rows] == ["1", "1.333", "20"], "small images, and 4 of 3 steps an epoch"


def run_samples(gan, n):
    return gan.generator.predict(gan.latent.sample(n, np.random.default_rng(1), "float32"))


def test_what_d_answers_for_the_classes_that_g_seldom_makes(tmp_path, monkeypatch):
    """The classifier here takes all samples for a 0 or a 1; the test images are the training images, but the 0s."""
    load = dataset.LOADERS["digits"]

    def in_two_parts(directory, split):
        digits = load(directory, "train") if split == "train" else load(None, "train")
        images = digits.images[:60]
        if split == "test":
            images = np.where((digits.labels[:60] == 0)[:, None, None, None], 255 - images, images)
        return dataset.Dataset("digits", split, images, digits.labels[:60], digits.classes)

    class Classifier:
        def predict(self, images):
            zeros = np.arange(len(images)) % 4 == 0
            return np.eye(10)[np.where(zeros, 0, 1)]

    for name in ("digits", "mnist"):
        monkeypatch.setitem(dataset.LOADERS, name, in_two_parts)
    monkeypatch.setattr(rare_classes, "trained_classifier", lambda train: Classifier())
    for seed in (1, 0):
        options = dict(dataset="digits", batch_size=30, epochs=4, seed=seed, every=4, workers=1)
        start_run(find("A1"), tmp_path / str(seed), **options).run(quiet=True)
        rare_classes.main([tmp_path / str(seed)], results=tmp_path, samples=40)
    rare_classes.main([tmp_path / "1"], data_dir=tmp_path, results=tmp_path, samples=40)  # the folder is MNIST's
    rows = causes.read_rows(tmp_path / "rare_classes.csv")
    assert [(row["seed"], row["class"]) for row in rows] == [(seed, str(c)) for seed in "01" for c in range(10)]
    zeros, ones, *others = rows[:10]
    assert (zeros["share"], ones["share"]) == ("0.25", "0.75") and {row["share"] for row in others} == {"0"}
    labels = load(None, "train").labels[:60]
    p = (labels == 1).mean()
    assert float(ones["p / (p + share)"]) == pytest.approx(p / (p + 0.75), abs=1e-4)
    assert {row["p / (p + share)"] for row in others} == {"1"}, "what G never makes is real"
    assert zeros["D(samples)"] and ones["D(samples)"] and {row["D(samples)"] for row in others} == {""}
    assert zeros["D(training images)"] != zeros["D(test images)"]
    assert all(row["D(training images)"] == row["D(test images)"] for row in (ones, *others))
    gan = load_trained(tmp_path / "0").gan
    answer = memory_of_d.mean_answer(gan, data.scale(load(None, "train").images[:60][labels == 1]))
    assert float(ones["D(training images)"]) == pytest.approx(answer, abs=1e-4)

    valley.main([tmp_path / "0"], results=tmp_path, images=tmp_path, samples=40)
    assert (tmp_path / "valley.png").stat().st_size > 1000
    way = causes.read_rows(tmp_path / "valley.csv")
    assert [row["w"] for row in way] == ["0", *(f"0.{tenth}" for tenth in range(1, 10)), "1"]
    assert {(row["from"], row["to"]) for row in way} == {("1", "2")}, "2 is the first class without samples"
    twos = data.scale(load(None, "train").images[:60][labels == 2])
    assert float(way[-1]["logit"]) == pytest.approx(gan.discriminator.predict(twos).mean(), rel=1e-3)
    made = run_samples(gan, 40)[np.arange(40) % 4 != 0][: len(twos)]
    assert float(way[0]["logit"]) == pytest.approx(gan.discriminator.predict(made).mean(), rel=1e-3)
    half = gan.discriminator.predict((made + twos) / 2)
    assert float(way[5]["logit"]) == pytest.approx(half.mean(), rel=1e-3)
    assert float(way[5]["D"]) == pytest.approx(sigmoid(half).mean(), abs=1e-4)


def test_samples_with_and_without_the_dropout_of_g(tmp_path, monkeypatch):
    """Here the metrics are the mean and the spread of the samples of the same latent."""

    def evaluate(samples, reference):
        assert reference == "the reference" and len(samples) == 1200
        return dict.fromkeys(dropout_in_g.METRICS, float(samples.std()))

    monkeypatch.setattr(dropout_in_g, "evaluate", evaluate)
    monkeypatch.setattr(dropout_in_g, "load_reference", lambda train, directory, samples: "the reference")
    start_run(find("B3"), tmp_path / "run", dataset="digits", batch_size=50, steps=3, workers=1).run(quiet=True)
    for _ in range(2):
        dropout_in_g.main([tmp_path / "run"], results=tmp_path, samples=1200)
    off, on = causes.read_rows(tmp_path / "dropout_in_g.csv")
    assert (off["experiment"], off["dropout"], on["dropout"]) == ("B3", "off", "on")
    run = load_trained(tmp_path / "run")
    samples = run.gan.generator.predict(run.latents(1200, 0))
    assert float(off["nfd"]) == pytest.approx(samples.std(), rel=1e-3)
    assert float(on["nfd"]) > 1.05 * float(off["nfd"]), "the masks add to what differs"


def test_the_order_of_the_losses_and_of_the_samples(tmp_path, no_pictures):
    assert losses_and_samples.ranks([30, 10, 10, 20]).tolist() == [3, 0.5, 0.5, 2]
    assert losses_and_samples.rank_correlation([1, 2, 3, 4, 5], [1, 4, 9, 16, 25]) == pytest.approx(1)
    assert losses_and_samples.rank_correlation([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) == pytest.approx(-1)
    swapped = losses_and_samples.rank_correlation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])
    assert swapped == pytest.approx(1 - 6 * 4 / (5 * 24)), "1 - 6 sum d^2 / (n (n^2 - 1))"
    losses_and_samples.main(results=tmp_path, images=tmp_path)
    new, old = (causes.read_rows(folder / losses_and_samples.FILE) for folder in (tmp_path, causes.RESULTS))
    assert new == old, "python docs/losses_and_samples.py"
