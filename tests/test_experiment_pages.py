"""docs/experiments.py collects the runs of studies: results, losses and pictures."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_study import row

from minigan import pictures
from minigan.experiments import find
from minigan.study.results import read_csv, write_result
from minigan.training.loop import start_run

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import experiments  # noqa: E402
import losses  # noqa: E402
import side_by_side  # noqa: E402
import tables  # noqa: E402


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Return the folder that the program writes its results to."""
    for name in ("RESULTS", "LOSSES", "IMAGES"):
        monkeypatch.setattr(experiments, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()
    return tmp_path / "results"


def make_run(study, name, seed, d_losses, **values):
    """Make a folder as a run of a study leaves it."""
    folder = study / f"{name}-seed{seed}"
    (folder / "samples").mkdir(parents=True)
    write_result(folder, row(name, seed=seed, **{"epochs": float(len(d_losses)), "steps": len(d_losses)} | values))
    lines = [f"{i},{i},{loss},0.5,1,1" for i, loss in enumerate(d_losses, 1)]
    (folder / "history.csv").write_text("step,epoch,d_loss,g_loss,d_grad_norm,g_grad_norm\n" + "\n".join(lines) + "\n")
    (folder / "config.json").write_text('{"image_shape": [28, 28, 1]}')
    grid = pictures.grid(np.zeros((64, 28, 28, 1), np.uint8))
    pictures.save_png(folder / "samples" / "epoch_001.png", grid)


def test_runs_of_studies_are_collected_and_replaced(results, tmp_path, capsys):
    make_run(tmp_path / "first", "B0", 0, [3, 2], nfd=9.0)
    make_run(tmp_path / "first", "A1", 0, [2, 1], nfd=4.0)
    make_run(tmp_path / "first", "A1", 1, [4, 2], nfd=6.0)
    (tmp_path / "first" / "A2-seed0").mkdir()  # begun, and not finished
    make_run(tmp_path / "second", "A1", 1, [4, 1], nfd=8.0)
    experiments.main([tmp_path / "first", tmp_path / "second"])
    assert "report A: 2 runs" in capsys.readouterr().out
    make_run(tmp_path / "third", "A3", 0, [2, 2], nfd=1.0)
    make_run(tmp_path / "third", "B0", 0, [3, 2], options="d_lr=1")
    experiments.main([tmp_path / "third"])
    (tmp_path / "images" / "B0.png").unlink()
    make_run(tmp_path / "fourth", "B0", 0, [3, 1], options="dataset=digits", dataset="digits")
    experiments.main([tmp_path / "fourth"])
    rows = read_csv(results / "report_a.csv")
    assert [(row["experiment"], row["seed"], row["nfd"]) for row in rows] == [("A1", 0, 4), ("A1", 1, 8), ("A3", 0, 1)]
    assert [row["options"] for row in read_csv(results / "report_b.csv")] == ["", "d_lr=1", "dataset=digits"]
    assert {path.name for path in (tmp_path / "images").iterdir()} == {"A1.png", "A3.png", "B0-digits.png"}


def test_a_run_that_was_judged_while_it_trained_has_a_row_for_each_moment(results, tmp_path):
    """The last moment is the end of the run: its row has the seconds, and no option."""
    make_run(tmp_path / "study", "A1", 0, [4, 3, 2], nfd=6.0, epochs=3.0, steps=3)
    metrics = tmp_path / "study" / "A1-seed0" / "metrics.csv"
    metrics.write_text("step,epoch,samples,nfd,coverage\n1,1.0,50,9.5,0.25\n2,2.0,50,,\n3,3.0,50,7,0.5\n")
    experiments.main([tmp_path / "study"])
    one, last = sorted(read_csv(results / "report_a.csv"), key=lambda row: row["steps"])
    names = ("options", "epochs", "steps", "nfd", "coverage", "d_loss", "samples")
    assert [one[name] for name in names] == ["epoch=1", 1, 1, 9.5, 0.25, 4, 50]
    assert (one["score"], one["seconds"], one["ms_per_step"]) == (None, None, last["ms_per_step"])
    assert (last["options"], last["nfd"], last["epochs"]) == ("", 6, 3)
    with Image.open(tmp_path / "images" / "A1.png") as picture:
        assert picture.height > 200
    make_run(tmp_path / "short", "A1", 0, [4], nfd=9.5, epochs=1.0, steps=1, options="epochs=1 d_lr=1")
    make_run(tmp_path / "again", "A1", 0, [4, 3], nfd=5.0, epochs=2.0, steps=2)
    experiments.main([tmp_path / "short"])
    experiments.main([tmp_path / "again"])
    options = [row["options"] for row in read_csv(results / "report_a.csv")]
    assert options == ["", "epochs=1 d_lr=1"], "the moments of the run before are gone, other runs stay"


def test_a_run_that_goes_on_is_left_out_until_its_new_end(results, tmp_path, capsys):
    """Its result is that of the shorter run, its history and its pictures are not."""
    make_run(tmp_path / "study", "A1", 0, [3, 2, 1], epochs=1.0, steps=1)
    make_run(tmp_path / "study", "A2", 0, [3, 2])
    make_run(tmp_path / "study", "mlp-gan", 0, [3, 2])
    make_run(tmp_path / "study", "mine", 0, [3, 2])
    experiments.main([tmp_path / "study"])
    said = capsys.readouterr().out
    assert "A1-seed0: left out, it was continued" in said
    assert said.count("left out, it is of none of the reports") == 2 and "report A: 1 runs" in said
    assert [found["experiment"] for found in read_csv(results / "report_a.csv")] == ["A2"]


def test_the_last_moment_is_not_there_twice_and_other_samples_are_not_in_the_curve(results, tmp_path, monkeypatch):
    make_run(tmp_path / "study", "A1", 0, [3, 2, 1], epochs=1.571429, steps=11)
    folder = tmp_path / "study" / "A1-seed0"
    lines = ["step,epoch,d_loss,g_loss,d_grad_norm,g_grad_norm", "7,1.0,1,1,1,1", f"11,{11 / 7},1,1,1,1"]
    (folder / "history.csv").write_text("\n".join(lines) + "\n")
    (folder / "metrics.csv").write_text(f"step,epoch,samples,nfd\n7,1.0,50,9.5\n11,{11 / 7},50,8\n")
    experiments.main([tmp_path / "study"])
    assert [found["options"] for found in read_csv(results / "report_a.csv")] == ["epoch=1", ""]
    (folder / "metrics.csv").write_text(f"step,epoch,samples,nfd\n7,1.0,{row('A1')['samples']},9.5\n")
    drawn = []
    monkeypatch.setattr(experiments.pictures, "save_figure", lambda path, figure: drawn.append(len(figure.axes)))
    monkeypatch.setattr(experiments, "reduce_colours", lambda path: None)
    experiments.main([tmp_path / "study"])
    assert drawn == [3], "samples, losses, and nFD"
    (folder / "metrics.csv").write_text("step,epoch,samples,nfd\n7,1.0,51,9.5\n")
    experiments.main([tmp_path / "study"])
    assert drawn == [3, 2]


def test_the_newest_picture():
    names = [Path(f"epoch_{epoch:03}.png") for epoch in (999, 1000, 2)]
    assert max(names, key=experiments.epoch_of).name == "epoch_1000.png"


def test_a_page_can_say_one_number_of_the_losses(tmp_path):
    names = {"experiment": "A1", "options": "d_lr=1"}
    numbers = dict.fromkeys(losses.NUMBERS, 0.0)
    rows = [
        names | numbers | {"seed": seed, "epoch": epoch, "d_loss": loss}
        for seed, pair in enumerate([(1.0, 4.0), (2.0, 3.0)])
        for epoch, loss in enumerate(pair, 1)
    ]
    losses.write_losses(tmp_path / "losses" / "a.csv", rows)
    assert losses.read_losses(tmp_path / "losses" / "a.csv") == rows
    mark = "<!-- loss: losses/a.csv; row: A1,d_lr=1; column: d_loss{}; of: {} -->"
    for style, summary, expected in (
        ("", "first", "1.50 ± 0.71"),
        (":.1f", "last", "3.5 ± 0.7"),
        ("", "range", "2.00 ± 1.41"),
    ):
        start = mark.format(style, summary)
        assert tables.filled(f"{start}old<!-- end -->", tmp_path) == f"{start}{expected}<!-- end -->"
    for wrong in (mark.format("", "median"), mark.format("", "last").replace("A1,", "A2,")):
        with pytest.raises(tables.PageError, match="expected a row"):
            tables.filled(f"{wrong}<!-- end -->", tmp_path)


def test_samples_of_runs_side_by_side(tmp_path):
    for name in ("A1", "A2"):
        run = start_run(find(name), tmp_path / name, dataset="digits", steps=1, batch_size=4, workers=1)
        run.run(quiet=True)
    side_by_side.main(tmp_path / "both.png", [tmp_path / "A1", tmp_path / "A2"])
    with Image.open(tmp_path / "both.png") as picture:
        assert picture.width > 1.5 * picture.height and len(picture.getcolors()) > 10
