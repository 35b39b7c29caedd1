"""The page of the microscope: it holds the arrays' own numbers, and its script computes the sums that made them."""

import base64
import json
import re
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
from browser_helpers import overflows
from layer_cases import LAYERS, labels_for

import minigan
from minigan import Sequential, models
from minigan.__main__ import main
from minigan.analysis.microscope import crops, page
from minigan.analysis.microscope.explain import SUMS
from minigan.analysis.microscope.measuring import measured_crop
from minigan.data import dataset
from minigan.errors import CheckpointError, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.parts import conditional, mlp_discriminator, mlp_generator
from minigan.gan import penalties
from minigan.layers import (
    LSTM,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Tanh,
)
from minigan.layers.base import Layer
from minigan.optimizers import Adam
from minigan.training import checkpoints
from minigan.training.loop import start_run
from minigan.training.microscope import microscope_of_run
from minigan.training.trained import load_trained

KINDS = {"f4": "<f4", "f8": "<f8", "u1": "u1"}


def data_of(path):
    """The layers of the first network at its last checkpoint, and all arrays."""
    text = path.read_text(encoding="utf-8")
    networks, store = (
        json.loads(re.search(rf'id="data-{n}">(.*?)</script>', text, re.S)[1]) for n in ("networks", "store")
    )
    return networks, [np.frombuffer(base64.b64decode(text[3:]), KINDS[text[:2]]) for text in store]


def crop_of(crop, store):
    """The indices and the numbers of a crop in a page."""
    axes = [np.arange(axis) if isinstance(axis, int) else np.array(axis) for axis in crop["axes"]]
    return np.ix_(*axes), store[crop["data"]].reshape([len(axis) for axis in axes])


def images_net():
    layers = [
        *(Conv2D(6, 3, 2), BatchNorm(), LeakyReLU(), MaxPool2D(2), Conv2DTranspose(4, 3, 2, groups=2), ReLU()),
        *(AveragePool2D(2), Conv2D(4, 3, padding="valid", dilation=(1, 2), groups=2), Flatten(), Dropout(0.3)),
        *(Dense(20), Tanh(), Reshape((5, 4)), LSTM(6, return_sequences=True), LSTM(3), LayerNorm(), Dense(1)),
    ]
    return Sequential(layers, (16, 20, 2))


def scope_of(net, rng, n=5, **options):
    net.flat_params += 0.05 * rng.standard_normal(net.flat_params.size).astype(net.dtype)
    x = rng.standard_normal((n, *net.input_shape)).astype(net.dtype)
    return minigan.microscope(net, x, lambda y: np.cos(7 * y), **labels_for(net, n), **options)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A page of a network with all kinds of layers, and its Microscope."""
    net = images_net()
    scope = scope_of(net, np.random.default_rng(3), optimizer=Adam(net))
    path = tmp_path_factory.mktemp("page") / "microscope.html"
    scope.save(path)
    return path, scope


def test_the_numbers_in_the_page_are_those_of_the_arrays(saved):
    path, scope = saved
    networks, store = data_of(path)
    layers = networks[0]["checkpoints"][0]["layers"]
    assert [layer["name"] for layer in layers] == [view.name for view in scope.layers]
    count = 0
    for layer, view in zip(layers, scope.layers, strict=True):
        assert layer["formula"] and layer["kept"] == view.kept_bytes and layer["x"] == list(view.x.shape)
        for name, array in view.arrays.items():
            for crop in layer["arrays"][name]["crops"]:
                place, numbers = crop_of(crop, store)
                assert numbers.dtype == array.dtype
                np.testing.assert_array_equal(numbers, array[place])
                count += 1
    assert count > 150 and path.stat().st_size < 600_000


QUICK = (
    *("dense", "dense of one unit, no bias", "conv, strides and any padding", "conv in groups", "depthwise conv"),
    *("transposed conv", "transposed conv in groups", "lstm", "batch norm of vectors", "dropout", "projection"),
    *("layer norm of vectors", "residual block"),
)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in LAYERS]
)
def test_what_is_measured_for_the_page(name, rng):
    """Many differences at once are those of one number at a time, for every layer."""
    make, shape = LAYERS[name]
    scope = scope_of(Sequential([make()], shape), rng, n=4)
    view = scope.layers[-1]
    found = crops.crops_of(view, crops.LEVELS[0])
    for what in ("dx", *(f"d{name}" for name in view.params)):
        measured = measured_crop(view, what, found[what][0])
        wanted = view.arrays[what][np.ix_(*found[what][0])]
        known = np.isfinite(measured)
        np.testing.assert_allclose(measured[known], wanted[known], rtol=1e-3, atol=2e-4 * max(1, abs(wanted).max()))
        assert known.any() or type(view.layer) in SUMS, "the page has neither a sum nor a difference"


def test_measured_by_a_wrong_layer(rng, monkeypatch):
    """A difference is one of forward alone: a backward that is wrong does not change it."""
    right = Dense.backward
    monkeypatch.setattr(Dense, "backward", lambda self, dy, *options: 2 * right(self, dy, *options))
    view = scope_of(Sequential([Dense(3)], (4,)), rng)[0]
    axes = crops.crops_of(view, crops.LEVELS[0])["dx"][0]
    np.testing.assert_allclose(2 * measured_crop(view, "dx", axes), view.dx[np.ix_(*axes)], rtol=1e-3, atol=1e-4)


def test_large_networks_are_cut(tmp_path, rng, monkeypatch):
    """The page shows less, until it is small enough; the last level is taken in any case."""
    net = Sequential([Conv2D(8, 3), LeakyReLU(), Flatten(), Dense(60), Dense(20)], (8, 8, 2))
    scope, sizes = scope_of(net, rng, n=3), []
    for limit in (5_000_000, 140_000, 1):
        monkeypatch.setattr(page, "LARGEST", limit)
        scope.save(tmp_path / "page.html")
        sizes.append((tmp_path / "page.html").stat().st_size)
    assert sizes[0] > 140_000 > sizes[1] > sizes[2], sizes
    networks, store = data_of(tmp_path / "page.html")
    crop = networks[0]["checkpoints"][0]["layers"][0]["arrays"]["y"]["crops"][0]
    place, numbers = crop_of(crop, store)
    np.testing.assert_array_equal(numbers, scope[0].y[place])


class Odd(Layer):
    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward()
        return 2 * x

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return 2 * dy


def test_own_layers_nan_and_hostile_names(tmp_path, rng):
    hostile = "<script>alert(1)</script>"
    net = Sequential([Dense(3), type(hostile, (Odd,), {})(), BatchNorm(), LSTM_of(), Dense(1)], (4,))
    net.layers[0].params["W"][0, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scope = scope_of(net, rng, optimizer=0.1)
        scope.save(tmp_path / "page.html", title=hostile)
    text = (tmp_path / "page.html").read_text()
    assert hostile not in text and "\\u003cscript" in text and "&lt;script&gt;alert(1)" in text
    layers = data_of(tmp_path / "page.html")[0][0]["checkpoints"][0]["layers"]
    assert layers[1]["formula"] == [] and layers[1]["kind"] == "" and layers[0]["histograms"]["y"]["odd"] > 0
    assert layers[0]["ratios"]["W"] == "NaN"


def LSTM_of():
    return Sequential([Reshape((3, 1)), LSTM(2)])


# pages of runs

SMALL = find("A5").but(
    "Small", generator=mlp_generator(6, batch_norm=True), discriminator=mlp_discriminator(5, dropout=0.4)
)
MIXING = find("A5").but(
    "Mixing",
    generator=mlp_generator(6),
    discriminator=lambda shape: [Flatten(), Dense(4), BatchNorm(), ReLU(), Dense(1)],
)
ASKED = find("cgan").but(
    "Asked",
    generator=conditional(models.conditional_mlp_generator, widths=(8,)),
    discriminator=conditional(models.conditional_mlp_discriminator, widths=(8,)),
    penalties=(penalties.R1(),),
)


@pytest.fixture(scope="module", autouse=True)
def small_world(tmp_path_factory):
    def small_digits(directory, split):
        digits = dataset._load_digits(directory, split)
        return replace(digits, images=digits.images[:200], labels=digits.labels[:200])

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setitem(dataset.LOADERS, "digits", small_digits)
        for experiment in (SMALL, MIXING, ASKED):
            patch.setitem(EXPERIMENTS, experiment.name, experiment)
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory, small_world):
    """A run of each experiment: three epochs of four steps."""
    from minigan.training.gallery import Gallery

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gallery, "draw", lambda *arguments: None)
        patch.setattr(Gallery, "finish", lambda *arguments: [])
        folder = tmp_path_factory.mktemp("runs")
        for experiment in (SMALL, MIXING, ASKED):
            options = {"dataset": "digits", "batch_size": 50, "workers": 1}
            start_run(experiment, folder / experiment.name, epochs=3, **options).run(quiet=True)
    return folder


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code or 0


def test_a_page_of_a_run(runs, capsys):
    assert command("microscope", runs / "Small") == 0
    path = runs / "Small" / "microscope.html"
    assert re.search(r"microscope\.html: 0\.\d MB\. Open it in a browser", capsys.readouterr().out)
    networks, store = data_of(path)
    assert [network["name"] for network in networks] == ["generator", "discriminator"]
    labels = [checkpoint["label"] for checkpoint in networks[0]["checkpoints"]]
    assert labels == ["step 4, epoch 1", "step 8, epoch 2", "step 12, epoch 3"]
    gan = load_trained(runs / "Small").gan
    for network, net in zip(networks, (gan.generator, gan.discriminator), strict=True):
        for layer, own in zip(network["checkpoints"][-1]["layers"], net.layers, strict=True):
            for name, value in own.params.items():
                place, numbers = crop_of(layer["arrays"][name]["crops"][0], store)
                np.testing.assert_array_equal(numbers, value[place])
        first = network["checkpoints"][0]["layers"][1]["arrays"]
        assert crop_of(first["y"]["crops"][0], store)[1].size
    weights = [checkpoint["layers"][0]["arrays"]["W"]["crops"][0] for checkpoint in networks[0]["checkpoints"]]
    assert len({crop["data"] for crop in weights}) == 3, "every checkpoint has its own weights"


def test_the_update_in_the_page_is_that_of_the_optimizer_of_the_run(runs):
    run = load_trained(runs / "Small")
    from minigan.training.microscope import passes, real_images

    scopes = passes(run.gan, real_images(run, 4, None), 8, ("generator", "discriminator"))
    view = scopes["generator"][0]
    gan = load_trained(runs / "Small").gan
    gan.generator.flat_grads = np.concatenate(
        [v.grads[n].ravel() for v in scopes["generator"].layers for n in v.params]
    )
    before = gan.generator.flat_params.copy()
    gan.g_optimizer.step()
    change = gan.generator.flat_params - before
    np.testing.assert_array_equal(view.updates["W"].ravel(), change[: view.updates["W"].size])
    np.testing.assert_array_equal(run.gan.generator.flat_params, before)
    assert scopes["discriminator"].x.shape[0] == 8 and scopes["generator"].dy.any()


@pytest.mark.parametrize("name", ["Mixing", "Asked"])
def test_other_runs(runs, name, tmp_path):
    path, size = microscope_of_run(load_trained(runs / name), checkpoint=12, images=6, path=tmp_path / "page.html")
    networks, _ = data_of(path)
    assert size == path.stat().st_size and [len(network["checkpoints"]) for network in networks] == [1, 1]
    shape = networks[1]["checkpoints"][0]["layers"][0]["x"]
    assert shape[0] == (3 if name == "Mixing" else 6)
    assert ("without the penalties" in path.read_text()) == (name == "Asked")


def test_the_generator_alone_needs_no_data(runs, tmp_path, monkeypatch, capsys):
    fewer = dataset.Dataset(
        "digits", "train", np.zeros((9, 28, 28, 1), "uint8"), np.zeros(9, "uint8"), tuple("0123456789")
    )
    monkeypatch.setitem(dataset.LOADERS, "digits", lambda directory, split: fewer)
    out = tmp_path / "page.html"
    assert command("microscope", runs / "Small", "--out", out) == 2 and not out.exists()
    assert "trained on other images of digits" in capsys.readouterr().err
    assert command("microscope", runs / "Small", "--out", out, "--network", "generator") == 0
    assert [network["name"] for network in data_of(out)[0]] == ["generator"]


def test_damaged_and_missing_checkpoints(runs, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(runs / "Small", copy)
    path = copy / "checkpoints" / "step_00000004.checkpoint"
    path.write_bytes(path.read_bytes()[:-100])
    assert command("microscope", copy) == 0
    text = (copy / "microscope.html").read_text()
    assert (
        "The checkpoint of step 4 is left out" in text
        and len(data_of(copy / "microscope.html")[0][0]["checkpoints"]) == 2
    )
    assert command("microscope", copy, "--checkpoint", 4) == 2
    assert "The checkpoint of step 4 is left out" in capsys.readouterr().err
    assert command("microscope", copy, "--checkpoint", 5) == 2
    assert "has no checkpoint of step 5. It keeps the newest: steps 4, 8, 12." in capsys.readouterr().err
    for path in (copy / "checkpoints").iterdir():
        path.unlink()
    assert command("microscope", copy) == 2
    assert "holds no checkpoint" in capsys.readouterr().err


def test_an_older_checkpoint_of_another_run_is_named(runs, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(runs / "Small", copy)
    arrays, values = checkpoints.read(copy / "checkpoints" / "step_00000004.checkpoint")
    values["config"]["seed"] = 99
    checkpoints.write(copy / "checkpoints", 4, arrays, values)
    assert command("microscope", copy) == 2
    assert "the checkpoint of step 4 in" in capsys.readouterr().err


def test_mistakes(runs):
    run = load_trained(runs / "Small")
    for options in ({"network": "D"}, {"images": 1}, {"images": 0}):
        with pytest.raises(OptionError, match="microscope_of_run: expected"):
            microscope_of_run(run, **options)
    with pytest.raises(CheckpointError, match="no checkpoint of step 1"):
        microscope_of_run(run, checkpoint=1)


# in a browser

ALL_SUMS = """() => networks.flatMap((network) => network.checkpoints.flatMap((checkpoint) => checkpoint.layers.flatMap(
  (layer) => ["y", "dx", ...layer.parameterNames.map((name) => "d" + name)].map((what) => {
    const arrays = new LayerArrays(layer, store);
    const axes = layer.arrays[what].crops[0].axes.map((axis) => (typeof axis === "number" ? range(axis) : axis));
    const all = indices(axes.map((axis) => axis.length)).map((index) => index.map((i, k) => axes[k][i]));
    const found = { kind: layer.kind, what, size: 0, sum: 0, difference: 0, sums: 0, differences: 0 };
    const chosen = all.filter((_, k) => k % Math.ceil(all.length / 25) === 0);
    for (const index of chosen) {
      const value = arrays.value(what, ...index);
      const sum = sumOf(arrays, what, index);
      const difference = what === "y" ? null : measuredOf(arrays, what, index);
      found.size = Math.max(found.size, Math.abs(value));
      if (sum) {
        found.sums += 1;
        found.size = Math.max(found.size, sum.products.reduce((size, { value }) => size + Math.abs(value), 0));
        found.sum = Math.max(found.sum, Math.abs(total(sum.products) - value));
      }
      if (difference !== null) {
        found.differences += 1;
        found.difference = Math.max(found.difference, Math.abs(difference - value));
      }
    }
    return { ...found, chosen: chosen.length };
  }))))"""


@pytest.mark.browser
def test_sums_and_differences_of_all_layers(saved, open_page):
    """For every array of every layer: all sums that the script computes are the arrays' numbers."""
    for found in open_page(saved[0]).evaluate(ALL_SUMS):
        size = max(found["size"], 1e-6)  # of the terms: where they cancel, rounding is left
        if found["kind"] != "LayerNorm":
            assert found["sums"] == found["chosen"] and found["sum"] < 1e-5 * size, found
        if found["what"] != "y":
            assert found["differences"] and found["difference"] < 1e-4 * size, found
            if found["kind"] not in ("LSTM", "LayerNorm"):
                assert found["differences"] == found["chosen"], found


@pytest.mark.browser
def test_a_broken_sum_shows(saved, open_page):
    opened = open_page(saved[0])
    opened.evaluate("() => { dense.dx = (a, [n, i]) => ({ term: '(3)', products: [product(a.factor('dy', n, 0))] }); }")
    wrong = [found for found in opened.evaluate(ALL_SUMS) if found["sum"] > 1e-3 * found["size"]]
    assert wrong and {(found["kind"], found["what"]) for found in wrong} == {("Dense", "dx")}


def number(opened, name):
    return float(opened.locator(f"#{name}").inner_text())


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_click_shows_the_sum(saved, open_page, width, dark):
    path, scope = saved
    opened = open_page(path, width=width, dark=dark)
    assert not overflows(opened)
    opened.get_by_role("button", name="10.Dense").click()
    canvas = opened.locator("canvas[data-array=dW]")
    canvas.scroll_into_view_if_needed()
    canvas.click(position={"x": 8, "y": 8})
    index = tuple(map(int, re.findall(r"\d+", opened.locator("#sum-heading code").inner_text())))
    value = scope["10.Dense"].grads["W"][index]
    assert np.float32(number(opened, "value")) == value, "nine digits are the float32 itself"
    assert number(opened, "total") == pytest.approx(value, abs=1e-6)
    assert number(opened, "measured") == pytest.approx(value, abs=1e-5)
    assert "(1) dW[i,o] = sum_n x[n,i] dy[n,o]" in opened.locator("pre.formula mark").inner_text()
    assert opened.locator("#sum tbody tr").count() == 2 + len(scope.x)
    assert not overflows(opened)


@pytest.mark.browser
def test_keyboard_and_form(saved, open_page):
    path, scope = saved
    opened = open_page(path)
    opened.get_by_role("button", name="0.Conv2D").press("Enter")
    canvas = opened.locator("canvas[data-array=y]")
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        canvas.press(key)
    assert opened.locator("#sum-heading code").inner_text() == "y[0, 1, 1, 0]"
    assert np.float32(number(opened, "value")) == scope[0].y[0, 1, 1, 0]
    assert opened.locator("#spoken").inner_text().startswith("y[0, 1, 1, 0] = ")
    opened.get_by_label("Array").select_option("dx")
    opened.get_by_label("Index").fill("0, 3, 2, 1")
    opened.get_by_role("button", name="Show", exact=True).click()
    assert np.float32(number(opened, "value")) == scope[0].dx[0, 3, 2, 1]
    opened.get_by_label("Index").fill("0, 99, 2, 1")
    opened.get_by_role("button", name="Show", exact=True).click()
    assert "4 numbers with commas" in opened.locator("#sum").inner_text()


@pytest.mark.browser
def test_the_slider_over_the_checkpoints_changes_the_numbers(runs, open_page, tmp_path):
    path, _ = microscope_of_run(load_trained(runs / "Small"), path=tmp_path / "page.html")
    opened, values, ratios = open_page(path), [], []
    slider = opened.get_by_role("slider")
    slider.focus()
    for _ in range(3):
        values.append(number(opened, "value"))
        ratios.append(opened.locator(".facts").inner_text())
        assert number(opened, "total") == pytest.approx(values[-1], abs=1e-5)
        slider.press("ArrowLeft")
    assert len(set(values)) == 3 and len(set(ratios)) == 3
    assert opened.locator("#checkpoint-name").inner_text() == "step 4, epoch 1"
    opened.get_by_label("Network").select_option("discriminator")
    assert "4 real images (first) and 4 generated ones" in opened.locator("#lead").inner_text()
    assert opened.get_by_role("button", name="1.Dense").get_attribute("aria-current") == "true"


@pytest.mark.browser
def test_pages_of_networks_that_are_broken(open_page, tmp_path, rng):
    hostile = "<img src=x onerror=alert(1)>"
    net = Sequential([Dense(3), type(hostile, (Odd,), {})(), BatchNorm(), Dense(1)], (4,))
    net.layers[0].params["W"][0, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scope_of(net, rng, optimizer=0.1).save(tmp_path / "page.html", title=hostile)
    opened = open_page(tmp_path / "page.html", width=390)
    assert opened.locator("#value").inner_text() == "NaN" and opened.locator("h1").inner_text() == hostile
    opened.get_by_role("button", name=hostile).click()
    assert "no formula" in opened.locator("#layer").inner_text() and not overflows(opened)
    assert opened.locator("img").count() == 0
    zero = Sequential([Dense(3), Dense(1)], (2,))
    minigan.microscope(zero, np.ones((2, 2), "float32"), np.zeros((2, 1), "float32")).save(tmp_path / "zero.html")
    opened = open_page(tmp_path / "zero.html")
    assert number(opened, "value") == number(opened, "total") == 0
