"""Model cards: a file of Markdown beside each exported network. What it says is so, and odd names stay texts."""

import json
import re
import shutil

import pytest
from run_helpers import SMALL

from minigan.__main__ import main
from minigan.experiments import EXPERIMENTS, find
from minigan.gan.latent import Uniform
from minigan.report.card import block, escaped
from minigan.training.gallery import Gallery
from minigan.training.loop import start_run


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The folder of a run of two steps."""
    folder = tmp_path_factory.mktemp("original")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gallery, "finish", lambda *arguments: [])
        start_run(SMALL, folder / "run", seed=5, steps=2).run(quiet=True)
    return folder / "run"


@pytest.fixture
def run(original, tmp_path, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    shutil.copytree(original, tmp_path / "run")
    return tmp_path / "run"


def export(run, *options):
    with pytest.raises(SystemExit) as end:
        main(["export", str(run), "--format", "safetensors", *map(str, options)])
    return end.value.code


def test_what_a_card_says(run, capsys):
    assert not export(run)
    card = (run / "generator.safetensors.md").read_text()
    assert str(run / "generator.safetensors.md") in capsys.readouterr().out
    for text in (
        "# Small generator\n",
        "a GAN that was trained on digits for 2 steps",
        "| input x | (n, 100): latents, Normal(100) |",
        "| output y | (n, 28, 28, 1): an image in [-1, 1], (n, h, w, c) |".replace("[", "\\[").replace("]", "\\]"),
        "| seed | 5 |",
        "10,000 images of the data set digits. Their licence: CC BY-SA 3.0",
        "python -m minigan train Small --dataset=digits",
        "Not judged yet: `python -m minigan evaluate RUN`.",
        "Dense",
        "## Limits",
        "a moving average",
    ):
        assert text in card, text
    assert "data-dir" not in card and str(run) not in card, "nothing about the machine"
    assert not export(run, "--network", "discriminator", "--out", run / "d.safetensors")
    card = (run / "d.safetensors.md").read_text()
    assert "# Small discriminator" in card and "no detector" in card and "a logit" in card


def python_of(card):
    return re.search(r"```python\n(.*?)```", card, re.S)[1]


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_the_lines_that_use_the_network_run(run, network, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(run)
    assert not export(run, "--network", network, "--out", run / "odd 'na\"me`.safetensors")
    text = (run / "odd 'na\"me`.safetensors.md").read_text()
    names = {}
    exec(python_of(text), names)
    assert names["y"].shape == ((5, 1) if network == "discriminator" else (5, 28, 28, 1))
    said = capsys.readouterr().out
    assert f"({', '.join(map(str, names['y'].shape))})" in said


def test_the_lines_for_onnxruntime_run(run, monkeypatch):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(run)
    with pytest.raises(SystemExit):
        main(["export", "."])
    names = {}
    lines = python_of((run / "generator.onnx.md").read_text())
    exec(lines, names)
    assert names["y"].shape == (5, 28, 28, 1) and len([line for line in lines.split("\n") if line]) == 5


def test_labels_and_uniform_latents(tmp_path, monkeypatch, no_pictures):
    experiment = find("conditional-mlp+g_widths=8+d_widths=8").but(
        "labelled", latent=Uniform(100, low=0.5), batch_size=100
    )
    monkeypatch.setitem(EXPERIMENTS, "labelled", experiment)
    start_run(experiment, tmp_path / "run", steps=1).run(quiet=True)
    assert not export(tmp_path / "run", "--raw")
    text = (tmp_path / "run" / "generator_raw.safetensors.md").read_text()
    assert (
        "| labels | (n,), integers from 0 to 9 |" in text
        and "uniform(0.5, 1, (5, 100))" in text
        and "labels=np.arange(5)" in text
    )
    monkeypatch.chdir(tmp_path / "run")
    exec(python_of(text), {})


def test_the_metrics_are_those_of_evaluate(run):
    scores = {"step": 2, "samples": 10_000, "nfd": 1.5, "score": 8.125, "coverage": None, "class_shares": [0.1] * 10}
    (run / "evaluation.json").write_text(json.dumps(scores))
    export(run)
    card = (run / "generator.safetensors.md").read_text()
    assert "Of 10,000 samples after 2 steps." in card and "| nFD | 1.50 % |" in card and "| score | 8.12 |" in card
    assert "coverage |" not in card and "another step" not in card
    (run / "evaluation.json").write_text(json.dumps({**scores, "step": 1}))
    export(run)
    assert "That is another step than that of this network" in (run / "generator.safetensors.md").read_text()
    export(run, "--raw")
    assert "`python -m minigan evaluate RUN --raw`" in (run / "generator_raw.safetensors.md").read_text()
    for damaged in ("[1]", "{", '{"step": "</p>", "nfd": "<b>", "samples": {}}', '{"nfd": NaN}'):
        (run / "evaluation.json").write_text(damaged)
        assert not export(run)
        assert "<" not in (run / "generator.safetensors.md").read_text().replace("\\<", "")


def test_pages_have_no_card(run):
    with pytest.raises(SystemExit):
        main(["export", str(run), "--format", "html"])
    assert (run / "generator.html").exists() and not (run / "generator.html.md").exists()


HOSTILE = (
    "x](http://e.org) ![p](http://e.org/p.png) <script>alert(1)</script> `c` | a | www.e.org **b** $m$ # h ~~s~~ &lt;"
)


def test_hostile_names_are_texts(run, monkeypatch):
    """Rendered as GitHub does: no link, no picture, no HTML comes out of a name."""
    markdown_it = pytest.importorskip("markdown_it")
    monkeypatch.setitem(EXPERIMENTS, HOSTILE, SMALL.but(HOSTILE))
    shutil.rmtree(run)
    monkeypatch.setattr(Gallery, "finish", lambda *arguments: [])
    start_run(SMALL.but(HOSTILE), run, steps=1).run(quiet=True)
    assert not export(run)
    card = (run / "generator.safetensors.md").read_text()
    html = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(card)
    html = re.sub(r"<(pre|code)[^>]*>.*?</\1>", "", html, flags=re.S)
    assert not re.search(r"<(a|img|script|b|strong|s|em)\b", html)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html and "&amp;lt;" in html
    assert html.count("<h1>") == 1 and len(re.findall(r"<h2>", html)) == 6


def test_texts_are_escaped():
    assert escaped("a\nb\x1b") == "a\\\\nb\\\\x1b" and escaped("https://a www.b") == "https:\\/\\/a www\\.b"
    for text in ("plain", "```", "a ```` b", "`"):
        lines = block(text).split("\n")
        assert lines[1] == text and set(lines[0]) == {"`"} and lines[0] not in text
