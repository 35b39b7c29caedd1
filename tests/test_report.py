"""The page of a run: what it shows of whole, half, damaged and hostile folders, and how it stays small."""

import json
import re
import shlex
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from report_helpers import NOTES, config_of, make_run, rows_of_history
from test_pages import HOSTILE, Tags

from minigan import pictures
from minigan.__main__ import main, make_parser
from minigan.cli.arguments import data_options
from minigan.data.dataset import OPTION_NAMES
from minigan.errors import CheckpointError
from minigan.pages.markup import data_uri
from minigan.report import grids, words, write_comparison, write_report
from minigan.report.reading import read_record
from minigan.report.run_pictures import Room, samples_part
from minigan.training.folder import RunFolder
from minigan.training.watchers.health import roughness, spread

LIMIT = 5_000_000  # bytes of a page


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="module")
def page(run):
    return read_page(write_report(run))


def read_page(path):
    assert path.stat().st_size < LIMIT
    return Tags(path.read_text("utf-8"))


def text_of(page):
    return " ".join("".join(page.texts).split())


def report(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["report", *map(str, arguments)])
    return end.value.code


def test_the_page_shows_all_that_the_folder_holds(run, page):
    text = text_of(page)
    for part in ("Samples", "Curves", "Health", "Evaluation", "Recipe", "Repeat it", "Notes"):
        assert part in text
    for found in (
        "mlp-gan on digits, seed 0",
        "Finished: 60 steps, 3 epochs",
        "1 min 5 s",
        "NonSaturating(label_noise=False, smoothing=0)",
        "Adam(lr=0.0005, beta1=0.5, beta2=0.999, epsilon=1e-08)",
        "3.Dense",
        "the discriminator wins",
        "nFD",
        "1.62 %",
        "docs/evaluation.md",
        "No metrics of memorisation: there is no split test",
        "The average beside the raw generator",
        "a processor",
        "1083.3",  # ms per step: 65 s for 60 steps
    ):
        assert found in text, found
    data = json.loads(page.data["data-plots"])
    history = rows_of_history(3)
    losses, norms = data["losses"]["curves"], data["norms"]["curves"]
    assert [curve["y"] for curve in losses] == [[row[name] for row in history] for name in ("d_loss", "g_loss")]
    assert norms[1]["y"] == [row["g_grad_norm"] for row in history] and norms[0]["x"] == [1.0, 2.0, 3.0]
    assert [(mark["x"], mark["over"]) for mark in data["losses"]["marks"]] == [(1.0, False), (2.0, True)]
    assert [slide["epoch"] for slide in json.loads(page.data["data-grids"])] == [1, 2, 3]


def test_the_page_can_be_used_without_eyes_and_without_a_script(page):
    """Landmarks, one h1, headings in order, a text for every picture, names for what can be moved, tables behind."""
    names = [tag for tag, _ in page.tags]
    assert names.count("h1") == names.count("main") == names.count("header") == names.count("footer") == 1
    assert "nav" in names and names.count("section") == 7
    for tag, attributes in page.tags:
        assert tag != "img" or "alt" in attributes
        assert tag != "div" or "data-plot" not in attributes or {"aria-label", "tabindex", "role"} <= set(attributes)
    assert {"label", "output", "caption", "details"} <= set(names) and ("html", ("lang",)) in page.tags
    levels = [int(name[1]) for name in names if re.fullmatch(r"h\d", name)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    assert "1.35" not in page.texts and "1.33704" in page.texts, "the table has the numbers of history.csv"


def test_the_measures_of_the_grids_are_those_of_health(run):
    record = read_record(run)
    found = grids.read_grids(record, print)
    rows, relative = grids.measured(found, found[0][1], [28, 28, 1])
    images = grids.images_of(found[1][1], [28, 28, 1])
    assert images.shape == (9, 28, 28, 1) and relative
    first = grids.images_of(found[0][1], [28, 28, 1])
    assert rows[0]["difference"] == pytest.approx(1) and "change" not in rows[0]
    assert rows[1]["noise"] == roughness(images) and rows[1]["difference"] == spread(images) / spread(first)
    expected = np.sqrt(np.mean((images / 255.0 - first / 255.0) ** 2))
    assert rows[1]["change"] == pytest.approx(expected, rel=1e-12)
    alone, relative = grids.measured(found, None, [28, 28, 1])
    assert alone[0]["difference"] == pytest.approx(spread(first) * 2**0.5 / 255) and not relative
    assert grids.measured(found, None, [27, 28, 1]) == ([], False)


def test_grey_samples_are_samples():
    """A generator that has collapsed to grey makes what an empty place of a grid looks like, and has curves, too."""
    shape, rng = (4, 4, 1), np.random.default_rng(0)
    noise, grey = rng.integers(0, 256, (100, *shape), dtype=np.uint8), np.full((100, *shape), 128, np.uint8)
    some = np.where(np.arange(100)[:, None, None, None] % 3, noise, grey)
    found = [(k, Image.fromarray(pictures.grid(images)[..., 0])) for k, images in enumerate((noise, some, grey), 1)]
    for (_, grid), images in zip(found, (noise, some, grey), strict=True):
        assert (grids.images_of(grid, shape) == images).all()
    few = Image.fromarray(pictures.grid(noise[:7])[..., 0])  # a small data set: its grid has two empty places
    rows, relative = grids.measured(found, few, shape)
    assert [row["difference"] for row in rows] == [spread(images) / spread(noise[:7]) for images in (noise, some, grey)]
    assert relative and [("change" in row) for row in rows] == [False, True, True]


def test_learning_rates_that_change_are_a_plot(tmp_path):
    run = make_run(tmp_path / "run")
    RunFolder(run).write_history([row | {"d_lr": 0.1 / row["step"], "g_lr": 0.2} for row in rows_of_history(3)])
    data = json.loads(read_page(write_report(run)).data["data-plots"])
    assert data["rates"]["curves"][0]["y"] == [0.1 / 20, 0.1 / 40, 0.1 / 60] and len(data) == 4
    RunFolder(run).write_history([*rows_of_history(2), rows_of_history(3)[2] | {"d_lr": 0.1, "g_lr": 0.2}])
    data = json.loads(read_page(write_report(run)).data["data-plots"])  # resumed by a newer version
    assert data["rates"]["curves"][0]["y"] == ["NaN", "NaN", 0.1]


# the command that repeats the run


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"experiment": "A4+d_dropout=0.3", "steps": 7, "every": 5, "tensorboard": True, "workers": 2},
        {"judge_every": 5, "judge_samples": 500},
        {"data_dir": "/x y/it's $(rm) ;", "dataset": "folder",
         "data_options": {"image_size": [48, 64], "channels": 3, "skip_broken": True, "background": "black"}},
        {"dataset": "array", "data_dir": "-x", "data_options": {"value_range": [-1.0, 1.0]}},
    ],
)  # fmt: skip
def test_the_command_gives_the_same_settings_back(changes):
    config = config_of(**changes)
    command, note = words.command_of(config)
    environment, *program = shlex.split(command)
    assert environment == "OPENBLAS_NUM_THREADS=1" and program[:3] == ["python", "-m", "minigan"] and note is None
    args = make_parser().parse_args(program[3:])
    for name in ("dataset", "epochs", "steps", "batch_size", "seed", "device", "workers", "every", "tensorboard"):
        assert getattr(args, name) == getattr(config, name), name
    judged = (config.judge_every, config.judge_samples) if config.judge_every else (None, None)
    assert (args.judge_every, args.judge_samples) == judged
    assert args.name == config.experiment and str(args.data_dir) == str(config.data_dir)
    for name, value in config.data_options.items():
        given = getattr(args, name)
        assert (list(given) if isinstance(value, list) else given) == value


DATA_OPTIONS = {
    "image_size": [[48, 64]],
    "channels": [1, 3],
    "background": ["white", "black"],
    "skip_broken": [True, False],
    "value_range": [[-1, 1], [0.0, 0.5]],
    "transpose": [True, False],
}


@pytest.mark.parametrize("name", sorted(OPTION_NAMES))
def test_the_command_reads_the_images_as_the_run_did_or_there_is_none(name):
    for value in (*DATA_OPTIONS[name], None):
        command, note = words.command_of(config_of(data_options={name: value}))
        if command is None:
            assert name == "transpose" and f"transpose={value}" in note and "data_options=" in note
            continue
        given = data_options(make_parser().parse_args(shlex.split(command)[4:]))
        default = value is None or (name == "skip_broken" and not value)
        assert given == ({} if default else {name: tuple(value) if isinstance(value, list) else value})


def test_what_no_command_repeats_is_said():
    assert words.command_of(config_of(experiment="my own"))[0] is None
    command, note = words.command_of(config_of(lr_steps=600))
    assert command and "until step 600" in note
    source = {"file": "-my gan.py", "name": "MINE", "changes": "d_lr=0.1", "sha256": "0" * 64}
    command, note = words.command_of(config_of(experiment="mine", source=source))
    assert shlex.split(command)[5] == "./-my gan.py:MINE+d_lr=0.1" and "runs the code in -my gan.py" in note
    assert words.command_of(config_of(processes=4))[0].startswith("OPENBLAS_NUM_THREADS=1 mpirun -n 4 python")


# runs that are not whole

UNFINISHED = NOTES[: NOTES.index("2026-03-01 10:01")]
TWICE = NOTES.replace("finished after 60", "stopped by signal 2 after 45") + NOTES.replace("step 0", "step 45")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": 0, "notes": "", "scores": None}, ["Not trained yet", "no pictures of samples", "no curves yet"]),
        ({"epochs": 1}, ["one epoch, so each curve is one point", "the only one with a picture"]),
        ({"epochs": 2, "notes": NOTES.replace("finished after 60", "stopped by signal 2 after 45")},
         ["Stopped after 45 of 60 steps", "stopped by signal 2"]),
        ({"epochs": 2, "notes": NOTES.replace("finished after 60 steps", "stopped at step 41: in the generator, NaN.")},
         ["Stopped by an error after 40 of 60 steps", "in the generator, NaN"]),
        ({"notes": TWICE}, ["Finished: 60 steps", "stopped by signal 2", "45"]),
        ({"scores": None}, ["not judged yet", "python -m minigan evaluate"]),
        ({"notes": ""}, ["does not say when this run trained", "no notes"]),
        ({"settings": None}, ["minigan 0.1"]),
        ({"experiment": "my own"}, ["no command repeats it"]),
    ],
)  # fmt: skip
def test_a_run_that_is_not_whole_is_told_in_words(options, said, tmp_path):
    text = text_of(read_page(write_report(make_run(tmp_path / "run", **options))))
    for words_ in said:
        assert words_ in text, words_


@pytest.mark.parametrize("host", ["here", "a host with ö", "long" * 25, ""])
def test_a_run_that_trains_and_one_that_was_killed(host, tmp_path, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: host)
    run = make_run(tmp_path / "run", epochs=2, notes=UNFINISHED)  # its lock names this process
    assert "Training now: 40 of 60 steps" in text_of(read_page(write_report(run)))
    lock = (run / ".lock").read_text()
    (run / ".lock").write_text(re.sub(r"process \d+", "process 999999999", lock))
    text = text_of(read_page(write_report(run)))
    assert "40 of 60 steps. Its process has ended without a word. To continue: python -m minigan resume" in text
    for other in ("process 1 on elsewhere since 2026-03-01 10:00:00\n", "<script>", ""):
        (run / ".lock").write_text(other)
        assert "It trains elsewhere, or was killed" in text_of(read_page(write_report(run)))


def test_nan_is_a_gap_and_is_told(tmp_path):
    run = make_run(tmp_path / "run")
    lines = (run / "history.csv").read_text().splitlines()
    cells = lines[2].split(",")
    (run / "history.csv").write_text(
        "\n".join([lines[0], lines[1], ",".join([*cells[:3], "nan", "inf", cells[5]]), lines[3]])
    )
    page = read_page(write_report(run))
    data = json.loads(page.data["data-plots"])
    assert data["losses"]["curves"][1]["y"][1] == "NaN" and data["norms"]["curves"][0]["y"][1] == "Infinity"
    assert "1 numbers are NaN" in text_of(page) and "NaN" in page.texts


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("history.csv", b"step,epoch\n1,2\n", "history.csv is damaged"),
        ("history.csv", b"\xff\xfe", "history.csv is damaged"),
        ("history.csv", b"step,epoch,d_loss,g_loss,d_grad_norm,g_grad_norm\n20,1.0,1,1,1,1\n10,0.5,1,1,1,1\n",
         "damaged in line 3; only the 1 rows before it"),
        ("history.csv", b"step,epoch,d_loss,g_loss,d_grad_norm,g_grad_norm\n20,1.0,1,1,1,<b>\n", "line 2"),
        ("evaluation.json", b"[1, 2]", "evaluation.json is damaged"),
        ("evaluation.json", b"[" * 100_000, "evaluation.json is damaged"),
        ("evaluation.json", b'{"nfd": "<script>", "score": [1], "samples": {}}', "No grid"),
        ("sharpness.csv", b"step,epoch,network,rank,eigenvalue\n0,0,nobody,1,2\n", "damaged in line 2"),
        ("notes.txt", b"\x00\xff\xff", "notes.txt is damaged"),
        ("samples/epoch_002.png", b"GIF89a", "left out: 2"),
        ("samples/epoch_001.png", None, "left out: 1"),
        ("samples/real.png", b"", "real.png: damaged"),
        ("samples/nearest.png", b"\x89PNG\r\n\x1a\n", "nearest.png: damaged"),
    ],
)  # fmt: skip
def test_damaged_files_are_left_out_and_named(name, content, said, tmp_path):
    run = make_run(tmp_path / "run")
    if content is None:  # cut short
        content = (run / name).read_bytes()[:-200]
    (run / name).write_bytes(content)
    text = text_of(read_page(write_report(run)))
    assert said in text or said == "No grid"


def test_a_picture_of_another_size_is_not_a_grid_of_the_run(tmp_path):
    run = make_run(tmp_path / "run")
    Image.new("L", (64, 64)).save(run / "samples" / "epoch_003.png")
    page = read_page(write_report(run))
    assert [slide["epoch"] for slide in json.loads(page.data["data-grids"])] == [1, 2]
    assert "left out: 3" in text_of(page)


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.isprintable() and len(text) < 4000])
def test_hostile_names_are_mere_text(text, tmp_path, page):
    run = make_run(
        tmp_path / "run",
        notes=NOTES + f"2026-03-01 10:01:05  {text}\n",
        experiment=text,
        dataset=text,
        data_dir=text,
        images_md5=text,
        machine={"processor": text, text: text},
        scores={"nfd": 1.0, "memorisation_note": text, text: text},
    )
    (run / "evaluation_raw.json").write_text(json.dumps({"class_shares": [text, 2], "samples": text, "step": text}))
    found = read_page(write_report(run))
    assert "".join(found.texts).count(text) >= 6
    assert [tag for tag, _ in found.tags].count("script") == [tag for tag, _ in page.tags].count("script")
    assert not any(name.startswith("on") for _, names in found.tags for name in names)
    write_comparison([run, run], tmp_path / "both.html")
    read_page(tmp_path / "both.html")


def test_hostile_settings_are_mere_text_and_fill_no_memory(tmp_path):
    deep = {"class": "x"}
    for _ in range(50):
        deep = {"<b>": deep}
    settings = {
        "generator": {"input_shape": [4], "dtype": "float32", "layers": [{"layer": "Dense", "units": 10**9}]},
        "discriminator": [1, "<script>"],
        "latent": deep,
        "objective": "<img src=x>" * 10_000,
        "<i>": ["</script>"],
        "ema": {"<b>": 1},
    }
    text = (write_report(make_run(tmp_path / "run", settings=settings))).read_text("utf-8")
    assert "<img src=x" not in text and "<b>" not in text and "<i>" not in text and len(text) < 300_000
    assert "No summary of the generator" in text and "No summary of the discriminator" in text


def test_right_to_left_and_very_long_names(tmp_path):
    name = "\u05e9\u05dc\u05d5\u05dd " * 700
    page = read_page(write_report(make_run(tmp_path / "run", experiment=name.strip())))
    assert f"{name.strip()} on digits, seed 0" in page.texts and ("bdi", ()) in page.tags


# size


def grids_of(n, size, seed=0):
    rng = np.random.default_rng(seed)
    return [(k, Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8))) for k in range(1, n + 1)]


def test_many_grids_are_thinned_out_evenly_and_that_is_told():
    found = grids_of(60, (100, 100))
    packed, sentence = grids.pack_grids(found, 300_000)
    assert 16 <= len(packed) < 60 and packed[-1].epoch == 60 and packed[0].epoch == 1
    assert sum(picture.characters for picture in packed) <= 300_000 and f"{len(packed)} of 60 epochs" in sentence
    gaps = np.diff([picture.epoch for picture in packed])
    assert gaps.max() - gaps.min() <= 1 and packed[0].kind == "image/png"
    assert grids.pack_grids(found[:3], 300_000)[1] is None


def test_large_grids_become_jpeg_and_that_is_told(monkeypatch):
    monkeypatch.setattr(grids, "WIDEST", 90)
    packed, sentence = grids.pack_grids(grids_of(20, (120, 120, 3)), 100_000)
    assert packed[-1].epoch == 20 and packed[0].kind == "image/jpeg" and packed[0].width == 90
    assert sum(picture.characters for picture in packed) <= 100_000 and "JPEG" in sentence


def test_the_newest_grid_is_shown_however_little_room_is_left(run):
    """A page counts the characters of an address, and not the bytes of a file: three lost the newest grid."""
    found, record = grids_of(30, (20, 20)), read_record(run)
    full = sum(len(data_uri(grids.as_png(image).content)) for _, image in found)
    for room, shown in ((full, 30), (full - 3, 29)):
        notes = []
        slides = samples_part(record, None, found, Room(room), notes)[1]
        assert all(slide["src"] for slide in slides) and slides[-1]["epoch"] == 30 and len(slides) == shown
        assert len(notes) == (shown < 30)


def test_a_page_without_room_for_a_grid_says_so(run):
    notes = []
    part, slides = samples_part(read_record(run), None, grids_of(3, (20, 20)), Room(100), notes)
    assert slides == [] and notes == ["This page has no room for a grid of samples. All are in the folder samples."]
    assert notes[0] in part[0]


@pytest.mark.slow
def test_a_long_run_of_large_colour_images_stays_below_the_limit(tmp_path):
    run = make_run(tmp_path / "run", epochs=40, size=(64, 64, 3))
    for k in range(1, 41):
        images = np.random.default_rng(k).integers(0, 256, (100, 64, 64, 3), dtype=np.uint8)
        pictures.save_png(run / "samples" / f"epoch_{k:03d}.png", pictures.grid(images))
    page = read_page(write_report(run))
    assert 3 < len(json.loads(page.data["data-grids"])) < 40  # five with the JPEGs of today's Pillow


def test_a_grid_is_stored_without_its_zoom_only_if_nothing_is_lost():
    small = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)
    zoomed = np.repeat(np.repeat(small, 2, 0), 2, 1)
    assert (np.asarray(grids.without_zoom(Image.fromarray(zoomed))) == small).all()
    zoomed[3, 3] ^= 1
    assert np.asarray(grids.without_zoom(Image.fromarray(zoomed))).shape == (12, 16)
    assert np.asarray(grids.without_zoom(Image.fromarray(zoomed[:-1]))).shape == (11, 16)


# errors


def test_what_is_no_run_gives_the_error_of_the_other_commands(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for path, said in ((tmp_path / "none", "no such folder"), (tmp_path / "empty", "config.json cannot be read")):
        assert report(path) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and said in error and "python -m minigan train NAME" in error
    assert [*tmp_path.iterdir()] == [tmp_path / "empty"]


def test_a_link_in_the_folder_is_refused(tmp_path):
    run = make_run(tmp_path / "run")
    (tmp_path / "secret.png").write_bytes((run / "samples" / "epoch_001.png").read_bytes())
    (run / "samples" / "epoch_001.png").unlink()
    (run / "samples" / "epoch_001.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(CheckpointError, match="is a symbolic link"):
        write_report(run)
    assert not (run / "report.html").exists()


def test_a_page_that_cannot_be_written(run, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert report(run, "--out", tmp_path / "file" / "a.html") == 2
    assert "cannot write to the folder" in capsys.readouterr().err


def test_the_same_folder_gives_the_same_page(run, tmp_path):
    one, other = write_report(run, tmp_path / "1.html"), write_report(run, tmp_path / "2.html")
    assert one.read_bytes() == other.read_bytes()
