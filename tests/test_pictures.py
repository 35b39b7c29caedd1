"""Grids, PNG, GIF and plots: the pixels where they belong, complete files or none."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from report_helpers import config_of

from minigan import GAN, Sequential, backend, pictures
from minigan.errors import DtypeError, FileError, MiniganError, NonFiniteError, OptionError, ShapeError, TooLargeError
from minigan.files import atomic_write, make_folder
from minigan.gan import objectives
from minigan.layers import Dense, Flatten, Reshape
from minigan.report.plots import undecided
from minigan.training.gallery import Gallery

FRAME = np.zeros((4, 4, 1), "uint8")


def test_to_uint8_rounds_and_clips():
    x = np.array([-2, -1, 0, 0.5, 1, 3.0])
    assert pictures.to_uint8(x).tolist() == [0, 0, 128, 191, 255, 255]
    assert pictures.to_uint8(np.array([0.0, 0.5, 1.0]), low=0).tolist() == [0, 128, 255]


def test_grid_puts_each_image_in_its_place():
    images = np.stack([np.full((2, 3, 1), value) for value in (-1, 1, -1, 1, 1.0)])
    picture = pictures.grid(images)
    assert picture.shape == (2 * 4 + 2, 3 * 5 + 2, 1)
    assert (picture[2:4, 2:5] == 0).all() and (picture[2:4, 7:10] == 255).all() and (picture[6:8, 7:10] == 255).all()
    assert (picture[6:8, 12:15] == 128).all() and (picture[:2] == 128).all()
    with pytest.raises(ShapeError, match="n, h, w, c"):
        pictures.grid(images[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_notebook_can_show_images(rng, channels):
    images = rng.uniform(-1, 1, (6, 4, 5, channels))
    picture = pictures.show(images, columns=3, zoom=2)
    assert picture.size == ((3 * 7 + 2) * 2, (2 * 6 + 2) * 2)
    pixels = np.asarray(picture).reshape(*picture.size[::-1], channels)
    np.testing.assert_array_equal(pixels[::2, ::2], pictures.grid(images, columns=3))
    assert picture._repr_png_().startswith(b"\x89PNG"), "this is what Jupyter asks a value for"


@pytest.mark.parametrize("channels", [1, 3])
def test_files_can_be_read_again(tmp_path, rng, channels):
    frames = [pictures.grid(rng.uniform(-1, 1, (4, 5, 5, channels))) for _ in range(3)]
    pictures.save_png(tmp_path / "a.png", frames[0], zoom=2)
    pictures.save_gif(tmp_path / "a.gif", frames)
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image).reshape(*image.size[::-1], channels)
        np.testing.assert_array_equal(pixels[::2, ::2], frames[0])
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 3 and gif.info["loop"] == 0
    pictures.save_loss_curves(tmp_path / "l.png", [1.0, 0.9], [0.7, 0.8])
    pictures.save_real_beside_generated(tmp_path / "r.png", *(rng.uniform(-1, 1, (2, 9, 5, 5, channels))))
    for name in ("l.png", "r.png"):
        with Image.open(tmp_path / name) as image:
            image.verify()


def test_atomic_write_leaves_all_or_nothing(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_folders(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir() and not list((tmp_path / "a" / "b").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="--out"):
        make_folder(tmp_path / "file" / "b")


# odd arguments


def test_bytes_are_pictures_already(rng):
    images = rng.integers(0, 256, (4, 5, 6, 3), "uint8")
    np.testing.assert_array_equal(pictures.to_uint8(images), images)
    np.testing.assert_array_equal(pictures.grid(images)[2:7, 2:8], images[0])


@pytest.mark.parametrize(
    ("images", "error", "match"),
    [
        ([[1, 2]], DtypeError, r"grid: expected images as an array, got \[\[1, 2\]\]"),
        (None, DtypeError, "grid: expected images as an array, got None"),
        (np.zeros((4, 2, 2, 1), "int64"), DtypeError, r"expected bytes \(uint8\) or floating-point"),
        (np.zeros((4, 2, 2, 1), bool), DtypeError, r"expected bytes \(uint8\) or floating-point"),
        (np.full((4, 2, 2, 1), None), DtypeError, "as an array of numbers"),
        (np.zeros((4, 2, 2, 5)), ShapeError, r"1 channel \(grey\), 3 \(colour\) or 4"),
        (np.zeros((4, 2, 0, 1)), ShapeError, r"got \(4, 2, 0, 1\)"),
        (np.full((4, 2, 2, 1), np.nan), NonFiniteError, "the images hold NaN"),
    ],
)
def test_grid_of_what_is_no_images(images, error, match):
    with pytest.raises(error, match=match):
        pictures.grid(images)


@pytest.mark.parametrize("columns", [-1, 0, True, 2.0, "3", np.ones(2)])
def test_columns_are_counted(columns):
    with pytest.raises(OptionError, match="grid: expected columns as an integer of at least 1"):
        pictures.grid(np.zeros((4, 2, 2, 1)), columns=columns)


def test_a_picture_that_fits_nowhere():
    with pytest.raises(TooLargeError, match="grid: a picture of 6 x 4000000000000002 pixels would need"):
        pictures.grid(np.zeros((4, 2, 2, 1)), columns=10**15)
    with pytest.raises(TooLargeError, match=r"picture: \d+ x \d+ pixels would need"):
        pictures.save_png("never.png", np.zeros((4, 4, 1), "uint8"), zoom=10**9)


@pytest.mark.parametrize(("low", "high"), [(1, -1), (0, 0), (float("nan"), 1), (0, float("inf")), ("0", 1), (True, 2)])
def test_the_range_is_two_numbers(low, high):
    for make in (pictures.to_uint8, pictures.grid):
        with pytest.raises(OptionError, match="expected finite numbers low < high"):
            make(np.zeros((4, 2, 2, 1)), low=low, high=high)


@pytest.mark.parametrize("picture", [None, [[0]], np.zeros((4, 4)), np.zeros((4, 4, 1)), np.zeros((4, 4, 2), "uint8")])
def test_only_pictures_of_bytes_become_files(tmp_path, picture):
    for save in (pictures.save_png, lambda path, picture: pictures.save_gif(path, [picture])):
        with pytest.raises((ShapeError, DtypeError), match="picture: expected"):
            save(tmp_path / "file", picture)
    assert not list(tmp_path.iterdir())


def test_a_name_of_another_format_is_refused(tmp_path):
    """A PNG named x.jpg, and the like: other programs go by the name."""
    curve, images = {"a": ([1, 2], [3, 4])}, np.zeros((4, 2, 2, 1))
    for save, name, right in (
        (lambda path: pictures.save_png(path, FRAME), "x.jpg", "x.png"),
        (lambda path: pictures.save_gif(path, [FRAME]), "x.png", "x.gif"),
        (lambda path: pictures.save_curves(path, curve, "x", "y"), "x.svg", "x.png"),
        (lambda path: pictures.save_loss_curves(path, [1.0], [1.0]), "x.pdf", "x.png"),
        (lambda path: pictures.save_side_by_side(path, {"a": images}), "x.jpeg", "x.png"),
    ):
        with pytest.raises(OptionError, match=rf"ends in \.\w+, got '{name}'\. .* Name it '{right}'"):
            save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    for name in ("x.PNG", "x"):
        pictures.save_png(tmp_path / name, FRAME)


@pytest.mark.parametrize(
    ("frames", "options", "match"),
    [
        ([], {}, "at least one frame"),
        (None, {}, "frames as a list of pictures"),
        ([FRAME, FRAME[:2]], {}, "frames of one shape"),
        ([FRAME], {"milliseconds": 0}, "milliseconds as an integer"),
        ([FRAME], {"hold": 10**9}, "655,350 milliseconds at most"),
        ([FRAME], {"zoom": 1.5}, "zoom as an integer"),
        ([FRAME], {"zoom": 20_000}, "65,535 pixels a side at most"),
    ],
)
def test_odd_animations(tmp_path, frames, options, match):
    with pytest.raises(MiniganError, match=match):
        pictures.save_gif(tmp_path / "a.gif", frames, **options)
    assert not list(tmp_path.iterdir())


def test_odd_curves_and_evaluations(tmp_path):
    images = np.zeros((2, 4, 4, 1))
    for losses in (None, "abc", [[1], [2, 3]], [None], np.ones((2, 2)), 3):
        with pytest.raises(OptionError, match="expected d_losses as a list of numbers"):
            pictures.save_loss_curves(tmp_path / "l.png", losses, [1.0])
    with pytest.raises(ShapeError, match="as many losses of one network"):
        pictures.save_loss_curves(tmp_path / "l.png", [1.0, 2.0], [1.0])
    with pytest.raises(OptionError, match="xlabel as a text"):
        pictures.save_loss_curves(tmp_path / "l.png", [1.0], [1.0], xlabel=None)
    pictures.save_loss_curves(tmp_path / "l.png", np.ones(2), [np.nan, 1])
    for lines in (["a"], {1: 2.0}, {"a": "b"}, {"a": [1]}):
        with pytest.raises(OptionError, match="expected lines as a"):
            pictures.save_loss_curves(tmp_path / "l.png", [1.0], [1.0], lines=lines)
    for classes in (None, ["a"], ["a", 1], "ab"):
        with pytest.raises(ShapeError, match="the names of as many classes"):
            pictures.save_evaluation(tmp_path / "e.png", images, [0.5, 0.5], classes, images, images)
    with pytest.raises(ShapeError, match="at least one class, got none"):
        pictures.save_evaluation(tmp_path / "e.png", images, [], (), images, images)
    with pytest.raises(ShapeError, match="searched and nearest in one shape"):
        pictures.save_evaluation(tmp_path / "e.png", images, [0.5, 0.5], ["a", "b"], images, images[:1])
    assert [path.name for path in tmp_path.iterdir()] == ["l.png"]


def test_names_with_dollars_are_no_formulas(tmp_path, monkeypatch):
    images, name = np.zeros((2, 4, 4, 1)), "$_$"
    figures, savefig = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: figures.append(figure) or savefig(figure, *a, **k))
    pictures.save_evaluation(tmp_path / "e.png", images, [0.5, 0.5], [name, r"$\no$"], images, images)
    pictures.save_side_by_side(tmp_path / "s.png", {name: images})
    pictures.save_curves(tmp_path / "c.png", {f"curve {name}": ([1, 2], [3, 4])}, name, name)
    pictures.save_loss_curves(tmp_path / "l.png", [1.0, 2.0], [1.0, 2.0], xlabel=name, lines={f"line {name}": 1})
    for figure in figures:  # after drawing: these are the texts in the file
        drawn = [text for text in figure.findobj(Text) if "$" in text.get_text()]
        assert drawn and not any(text.get_parse_math() for text in drawn)


def test_the_numbers_of_a_logarithmic_axis_are_formulas(tmp_path):
    """matplotlib writes 10 to the power of 3 as one: its source must not be what stands in the picture."""
    figure = pictures._figure(3, 2)
    axes = figure.add_subplot(xscale="symlog", yscale="log", title="$_$")
    axes.plot([0, 1000], [1, 1000])
    pictures.save_figure(tmp_path / "l.png", figure)
    ticks = [label for label in (*axes.get_xticklabels(), *axes.get_yticklabels()) if "$" in label.get_text()]
    assert ticks and all(label.get_parse_math() for label in ticks) and not axes.title.get_parse_math()


def test_pictures_of_arrays_on_a_gpu(gpu):
    images = backend.to_device(np.zeros((4, 2, 2, 1), "float32"), gpu)
    np.testing.assert_array_equal(pictures.grid(images), pictures.grid(backend.to_cpu(images)))


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (objectives.NonSaturating(), ["2 log 2: D cannot tell", "log 2: G's loss then"]),
        (objectives.Minimax(), ["2 log 2: D cannot tell"]),
        (objectives.Wasserstein(), []),
        (objectives.Hinge(), []),
        (objectives.LeastSquares(), []),
    ],
)
def test_the_losses_of_a_run_have_the_lines_of_its_objective(objective, expected, tmp_path, monkeypatch):
    """They are those of the page of the run, and the losses of both networks where D answers 1/2 everywhere."""
    figures, config = {}, config_of(settings={"objective": {"class": type(objective).__name__}})
    monkeypatch.setattr(pictures, "save_figure", lambda path, figure: figures.update({path.name: figure}))
    layers = [Dense(1), Reshape((1, 1, 1))], [Flatten(), Dense(1)]
    gan = GAN(Sequential(layers[0], (2,), seed=0), Sequential(layers[1], (1, 1, 1), seed=1), objective=objective)
    Gallery(tmp_path, gan, np.zeros((64, 1, 1, 1), np.uint8), seed=0).finish([(1.0, 1.0)])
    lines = {line.get_label(): line.get_ydata()[0] for line in figures["losses.png"].axes[0].lines[2:]}
    assert list(lines) == expected
    assert [{"y": loss, "name": name} for name, loss in lines.items()] == undecided(SimpleNamespace(config=config))
    rng, logits = np.random.default_rng(0), np.zeros((2, 1))
    losses = objective.real(logits, rng)[0] + objective.fake(logits, rng)[0], objective.generator(logits)[0]
    assert list(lines.values()) == pytest.approx(list(losses[: len(lines)]))
