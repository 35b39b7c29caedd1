"""The page of a generator: what Python writes; in Chromium, that it draws what `predict` computes, and reacts."""

import json
import re
from dataclasses import replace

import javascript
import numpy as np
import pytest
from test_commands import run
from test_network_js import needs_node

from minigan import Sequential
from minigan.errors import NonFiniteError, OptionError, ShapeError
from minigan.experiments import EXPERIMENTS, Experiment
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.gan import latent
from minigan.layers import ConcatenateLabel, Dense, Reshape, Tanh
from minigan.pages.generator import SCRIPTS, generator_data, write_generator
from minigan.pages.network_data import network_data

HOSTILE = "<img src=x onerror=alert(1)></script>\"'&"


def small(shape=(4, 3, 1), classes=None, seed=0):
    """A generator of few numbers, from latents of 5."""
    first = [] if classes is None else [ConcatenateLabel(classes)]
    layers = [*first, Dense(int(np.prod(shape))), Reshape(shape), Tanh()]
    return Sequential(layers, input_shape=(5,), seed=seed)


def data_of(page):
    """The data of a page that was written."""
    block = re.search(r'<script type="application/json" id="data-generator">(.*?)</script>', page, re.S)[1]
    return json.loads(block)


# what Python writes


def test_the_page_holds_the_generator(tmp_path):
    net = small(classes=3)
    write_generator(tmp_path / "g.html", net, latent.Uniform(5), "A name", data_range=(0, 1), command="python x")
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    data = data_of(text)
    assert data["network"] == network_data(net)
    assert (data["shape"], data["latent"], data["range"], data["classes"]) == ([4, 3, 1], "uniform", [0, 1], 3)
    assert data["latentRange"] == [-1, 1]
    assert data["labels"] == [0] * 10 + [1] * 10 + [2] * 10 and data["columns"] == 10 and data["command"] == "python x"
    assert "<h1><bdi>A name</bdi></h1>" in text and "http://" not in text and "https://" not in text


def test_names_from_strangers_are_mere_text(tmp_path):
    write_generator(tmp_path / "g.html", small(), latent.Normal(5), HOSTILE, lead=HOSTILE, command=HOSTILE)
    text = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert "<img" not in text and text.count("</script>") == 2 + len(SCRIPTS)
    assert data_of(text)["command"] == HOSTILE


class Cauchy(latent.Latent):
    def draw(self, shape, rng):
        return rng.standard_cauchy(shape)


@pytest.mark.parametrize(
    ("net", "drawn", "error", "words"),
    [
        (small(), Cauchy(5), OptionError, "Normal or Uniform"),
        (small(), latent.Normal(4), OptionError, r"of shape \(5,\), got Normal\(4\)"),
        (small((4, 3, 2)), latent.Normal(5), ShapeError, r"1, 3 or 4 channels, got one that makes \(n, 4, 3, 2\)"),
        (Sequential([Dense(3)], input_shape=(5,)), latent.Normal(5), ShapeError, "makes images"),
    ],
)
def test_what_a_page_cannot_show_is_refused(net, drawn, error, words, tmp_path):
    with pytest.raises(error, match=words):
        write_generator(tmp_path / "g.html", net, drawn)
    assert not list(tmp_path.iterdir())


def test_a_generator_that_diverged_is_refused():
    net = small()
    net.layers[0].params["b"][1] = np.nan
    with pytest.raises(NonFiniteError, match=r"0.Dense.b holds NaN"):
        generator_data(net, latent.Normal(5))
    net = small().astype("float64")
    net.layers[0].params["W"][0, 0] = 1e300
    with pytest.raises(NonFiniteError, match=r"0.Dense.W holds NaN, infinity, or numbers beyond float32"):
        generator_data(net, latent.Normal(5))


TINY = Experiment(
    "tiny-page", "for these tests", claim="-", generator=mlp_generator(8), discriminator=mlp_discriminator(8), ema=0.9
)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of two steps, with an average of the generator."""
    folder = tmp_path_factory.mktemp("page") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPERIMENTS, TINY.name, replace(TINY, dataset="digits"))
        patch.setattr("minigan.training.gallery.Gallery.draw", lambda *arguments: None)
        patch.setattr("minigan.training.gallery.Gallery.finish", lambda *arguments: [])
        assert run("train", TINY.name, "--steps", 2, "--quiet", "--out", folder) == 0
        yield folder


@pytest.mark.parametrize(("options", "name"), [((), "generator.html"), (("--raw",), "generator_raw.html")])
def test_export_writes_the_page_of_a_run(options, name, run_folder, capsys):
    assert run("export", run_folder, "--format", "html", *options) == 0
    assert name in capsys.readouterr().out
    text = (run_folder / name).read_text(encoding="utf-8")
    assert data_of(text)["command"] == " ".join(["python -m minigan sample RUN", *options])
    assert "The generator of tiny-page" in text and "Licence of the images it learned from: CC BY-SA 3.0" in text
    assert str(run_folder) not in text, "nothing about the machine"


def test_a_page_holds_no_discriminator(run_folder, capsys):
    assert run("export", run_folder, "--format", "html", "--network", "discriminator") == 2
    assert "a page can hold the generator only" in capsys.readouterr().err


# latents, under Node

LATENTS = """
for (const file of JSON.parse(process.argv[1])) {
  require("vm").runInThisContext(require("fs").readFileSync(file, "utf8"), file);
}
for (const [kind, seed, range] of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  const z = drawLatents(kind, 20, 50, seed, range);
  const [start, end] = [z.subarray(0, 50), z.subarray(50, 100)];
  const paths = [0, 0.3, 1].map((t) => [slerp, lerp].map((path) => Array.from(path(start, end, t))));
  console.log(JSON.stringify([Array.from(z), paths]));
}
"""

KINDS = (("normal", ()), ("uniform", (-1, 1)), ("uniform", (0, 1)), ("uniform", (-0.3, 2)))


@needs_node
def test_a_seed_stands_for_the_latents_that_numpy_draws():
    seeds = (0, 1, 12345, 2**32 - 1, 2**32, 2**53 - 1)
    cases = [(kind, seed, bounds) for kind, bounds in KINDS for seed in seeds]
    results = javascript.run(LATENTS, [cases], ("random.js", "latents.js"))
    for (kind, seed, bounds), (z, paths) in zip(cases, results, strict=True):
        drawn = latent.Normal(50) if kind == "normal" else latent.Uniform(50, *bounds)
        expected = drawn.sample(20, np.random.default_rng(seed))
        assert np.array_equal(np.float32(z), expected.reshape(-1)), (kind, seed, bounds)
        for t, by_path in zip((0, 3, 10), paths, strict=True):
            for path, found in zip((latent.slerp, latent.lerp), by_path, strict=True):
                np.testing.assert_allclose(found, path(expected[0], expected[1], 11)[t], rtol=1e-6, atol=1e-7)


@needs_node
def test_a_path_between_latents_of_one_direction_is_the_line():
    program = LATENTS[: LATENTS.index("for (const [kind")] + (
        "console.log(JSON.stringify([[1, 2], [-1, -2], [2, 4]].map((end) => Array.from(slerp([1, 2], end, 0.25)))))"
    )
    (found,) = javascript.run(program, (), ("random.js", "latents.js"))
    np.testing.assert_allclose(found, [[1, 2], [0.5, 1], [1.25, 2.5]], rtol=1e-6)
