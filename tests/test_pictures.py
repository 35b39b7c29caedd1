"""Grids, PNG, GIF and plots: the pixels where they belong, complete files or none."""

import numpy as np
import pytest
from PIL import Image

from minigan import pictures
from minigan.errors import FileError, ShapeError
from minigan.files import atomic_write, make_folder


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
