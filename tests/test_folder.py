"""data.load("folder"): pictures as people have them, and folders with broken, tiny, mixed-size or no images."""

import os
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from data_helpers import md5
from PIL import Image

from minigan import data
from minigan.data import decoding
from minigan.errors import DataError, MisuseWarning, OptionError, TooLargeError

COLOURS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def write(path, image, **options):
    """Write an array as a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path


@pytest.fixture
def photos(tmp_path):
    """Three classes with two pictures each, of 8 x 8 pixels."""
    folder = tmp_path / "photos"
    for number, image in enumerate(COLOURS):
        write(folder / ("cats", "birds", "dogs")[number % 3] / f"{number}.png", image)
    return folder


def refused(folder, *words, error=DataError, **options):
    with pytest.raises(error) as caught:
        data.load("folder", folder, **options)
    for word in words:
        assert word in str(caught.value), (word, str(caught.value))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def only(folder, **options):
    """The pixels of the only picture in a folder, without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (image,) = data.load("folder", folder, **options).images
    return image


# --- what is loaded ------------------------------------------------------------------------------------------------


def test_pictures_labels_and_order(photos):
    loaded = data.load("folder", photos)
    assert loaded.classes == ("birds", "cats", "dogs") and loaded.labels.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(loaded.images, COLOURS[[1, 4, 0, 3, 2, 5]])
    assert not loaded.images.flags.writeable and loaded.labels.dtype == np.uint8
    assert loaded.options == {} and (loaded.name, loaded.split) == ("folder", "train")


def test_the_order_is_that_of_the_names_wherever_they_lie(tmp_path):
    for name in ("b/2.png", "b/1.png", "a/z/9.png", "a/1.png", "A/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), int(name[-5])).save(tmp_path / name)
    loaded = data.load("folder", tmp_path)
    assert loaded.images[:, 0, 0, 0].tolist() == [3, 1, 9, 1, 2]
    assert loaded.classes == ("A", "a", "b") and loaded.labels.tolist() == [0, 1, 1, 2, 2]


def test_one_subfolder_or_none_is_no_class(tmp_path):
    write(tmp_path / "all" / "1.png", COLOURS[0])
    assert data.load("folder", tmp_path).labels is None
    assert data.load("folder", tmp_path / "all").classes == ()


def test_pictures_beside_the_subfolders_take_the_labels_away(photos):
    write(photos / "7.png", COLOURS[0])
    with pytest.warns(data.PartialDataWarning, match=r"get no labels, because 1 of them lie in no subfolder: 7\.png"):
        assert data.load("folder", photos).labels is None


def test_train_and_test_are_the_splits(photos, tmp_path):
    for split, number in (("train", 0), ("test", 1)):
        for name in ("a", "b"):
            write(tmp_path / "both" / split / name / "1.png", COLOURS[number])
    for split, number in (("train", 0), ("test", 1)):
        loaded = data.load("folder", tmp_path / "both", split)
        assert loaded.classes == ("a", "b") and (loaded.images == COLOURS[number]).all()
    refused(photos, 'only the split "train"', "two subfolders, train and test", split="test")


@pytest.mark.parametrize(
    ("in_train", "in_test", "classes"),
    [
        ("ab", "bc", ("a", "b", "c")),
        ("bc", "ab", ("a", "b", "c")),
        ("abc", "b", ("a", "b", "c")),
        ("b", "abc", ("a", "b", "c")),
        ("abc", "abc", ("a", "b", "c")),
        ("abc", "", ("a", "b", "c")),
        ("a", "b", ()),
    ],
)
def test_a_class_has_one_number_in_both_splits(tmp_path, in_train, in_test, classes, monkeypatch):
    for split, names in (("train", in_train), ("test", in_test)):
        (tmp_path / split).mkdir()
        for name in names:
            write(tmp_path / split / name / "1.png", COLOURS[0])
    opened = []
    decode = decoding.decode
    monkeypatch.setattr(decoding, "decode", lambda path, *more: opened.append(path) or decode(path, *more))
    for split, names in (("train", in_train), ("test", in_test)):
        if names:
            loaded = data.load("folder", tmp_path, split)
            assert loaded.classes == classes
            assert not classes or [classes[label] for label in loaded.labels] == list(names)
            assert {path.parent.parent.name for path in opened} == {split}
            opened.clear()


def test_pictures_without_a_class_in_the_other_split_change_nothing(tmp_path):
    for name in ("train/b/1.png", "train/c/1.png", "test/a/1.png", "test/2.png"):
        write(tmp_path / name, COLOURS[0])
    assert data.load("folder", tmp_path).classes == ("b", "c")
    with pytest.warns(data.PartialDataWarning, match="get no labels"):
        assert data.load("folder", tmp_path, "test").labels is None
    write(tmp_path / "flat" / "train" / "1.png", COLOURS[0])
    write(tmp_path / "flat" / "test" / "a" / "1.png", COLOURS[0])
    write(tmp_path / "flat" / "test" / "b" / "1.png", COLOURS[0])
    assert data.load("folder", tmp_path / "flat").labels is None


def test_grey_or_colour_as_most_of_them_are(tmp_path):
    for number in range(3):
        Image.new("L", (4, 4), 100).save(tmp_path / f"{number}.png")
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    assert data.load("folder", tmp_path).images.shape == (4, 4, 4, 1)
    colour = data.load("folder", tmp_path, channels=3)
    assert colour.images.shape == (4, 4, 4, 3) and colour.options == {"channels": 3}
    assert colour.images[3, 0, 0].tolist() == [255, 0, 0] and colour.images[0, 0, 0].tolist() == [100] * 3
    for number in range(3):
        Image.new("RGB", (4, 4)).save(tmp_path / f"colour {number}.png")
    assert data.load("folder", tmp_path).images.shape == (7, 4, 4, 3)


def test_the_middle_is_cut_out(tmp_path):
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:12] = 200
    write(tmp_path / "wide.png", wide)
    assert (only(tmp_path, image_size=8) == 200).all()
    assert only(tmp_path).shape == (8, 16, 3) and only(tmp_path, image_size=(4, 8)).shape == (4, 8, 3)
    assert (only(tmp_path, image_size=(4, 8))[:, :1] == 0).all()


def test_fine_patterns_turn_grey_when_shrunk(tmp_path):
    """Without a wide filter, taking every eighth pixel of a chessboard would give all black or all white."""
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    write(tmp_path / "board.png", board.astype(np.uint8))
    image = only(tmp_path, image_size=8)
    assert image.min() > 120 and image.max() < 135


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation, tmp_path):
    upright = np.zeros((8, 16, 3), np.uint8)
    upright[:4, :4] = 255  # the top left corner
    turns = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright), 7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[decoding.ORIENTATION] = orientation
    write(tmp_path / "photo.jpg", np.ascontiguousarray(turns[orientation]), exif=exif, quality=100)
    image = only(tmp_path)
    assert image.shape == (8, 16, 3)
    assert (np.abs(image.astype(int) - upright) < 60).all()


def test_transparent_pictures_lie_on_a_background(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:, :2] = (200, 0, 0, 255)
    pixels[:, 2:] = (9, 9, 9, 0)
    write(tmp_path / "sprite.png", pixels)
    white, black = only(tmp_path), only(tmp_path, background="black")
    assert white[0, 0].tolist() == black[0, 0].tolist() == [200, 0, 0]
    assert white[0, 3].tolist() == [255] * 3 and black[0, 3].tolist() == [0] * 3


def test_palettes_and_their_transparent_colour(tmp_path):
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([1, 2, 3, 200, 100, 50])
    picture.putpixel((0, 0), 1)
    picture.save(tmp_path / "one.png")
    assert only(tmp_path)[0, 0].tolist() == [200, 100, 50] and only(tmp_path)[3, 3].tolist() == [1, 2, 3]
    picture.save(tmp_path / "one.png", transparency=0)
    assert only(tmp_path)[3, 3].tolist() == [255] * 3


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_become_eight(name, tmp_path):
    deep = np.array([[0, 257], [128 * 257, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / name)
    assert only(tmp_path)[..., 0].tolist() == [[0, 1], [128, 255]]


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.bmp", "RGB"), ("a.gif", "P"), ("a.webp", "RGB"), ("a.tiff", "RGB"), ("a.JPG", "CMYK"), ("a.pgm", "L"),
     ("a.png", "1"), ("a.png", "LA"), ("a.jpeg", "L")],
)  # fmt: skip
def test_kinds_of_files(name, mode, tmp_path):
    Image.new("RGB", (4, 6), (255, 255, 255)).convert(mode).save(tmp_path / name)
    assert only(tmp_path).shape == (6, 4, 1 if mode in ("1", "L", "LA") else 3) and only(tmp_path).min() > 250


def test_large_jpegs_are_shrunk_while_they_are_decoded(tmp_path, monkeypatch):
    ramp = np.repeat(np.linspace(0, 255, 1024).astype(np.uint8)[None], 1024, axis=0)
    write(tmp_path / "photo.jpg", np.stack([ramp] * 3, axis=2), quality=95)
    quick = only(tmp_path, image_size=32)
    monkeypatch.setattr(Image.Image, "draft", lambda *arguments: None)
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.draft", lambda *arguments: None)
    assert np.abs(quick.astype(int) - only(tmp_path, image_size=32)).max() <= 2


def test_what_is_hidden_or_no_picture_is_left_out(photos):
    before = data.load("folder", photos).images
    (photos / "cats" / "._0.png").write_bytes(b"of a Mac")
    (photos / ".DS_Store").write_bytes(b"")
    (photos / "cats" / "Thumbs.db").write_bytes(b"")
    (photos / "notes.txt").write_text("mine")
    write(photos / ".thumbnails" / "1.png", COLOURS[0])
    write(photos / "__MACOSX" / "cats" / "1.png", COLOURS[0])
    np.testing.assert_array_equal(data.load("folder", photos).images, before)


def test_two_loads_give_the_same_bytes(photos):
    one, other = (data.load("folder", photos, image_size=5).images for _ in range(2))
    assert md5(one.tobytes()) == md5(other.tobytes())


# --- what is wrong, in words ---------------------------------------------------------------------------------------


def test_no_directory_no_folder_no_pictures(tmp_path):
    with pytest.raises(OptionError, match=r"give the folder of your pictures: .*--data-dir"):
        data.load("folder")
    refused(tmp_path / "nowhere", "cannot read the folder")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    refused(tmp_path, "no pictures in it or in its subfolders", "It holds empty/, notes.txt", "--data-dir")
    (tmp_path / "photos.zip").write_bytes(b"PK")
    refused(tmp_path / "photos.zip", "this is a file. Unpack an archive first")


def damaged(photos):
    """Break the folder in every way. Returns the names of the files that cannot be read."""
    whole = (photos / "cats" / "0.png").read_bytes()
    (photos / "cats" / "cut.png").write_bytes(whole[:-60])
    (photos / "cats" / "empty.jpg").write_bytes(b"")
    (photos / "cats" / "page.png").write_text("<html>404</html>")
    (photos / "cats" / "phone.HEIC").write_bytes(b"ftypheic")
    os.symlink("nowhere.png", photos / "cats" / "link.png")
    os.symlink(photos, photos / "cats" / "circle")
    os.mkfifo(photos / "cats" / "pipe.png")
    write_bomb(photos / "cats" / "bomb.png")
    Image.fromarray(np.ones((8, 8), np.float32)).save(photos / "cats" / "floats.tif")
    flipped = bytearray(whole)
    flipped[60] ^= 0xFF
    (photos / "cats" / "flipped.png").write_bytes(flipped)
    return 10


def write_bomb(path, width=60_000, height=60_000):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))


def test_pictures_that_cannot_be_read_are_named_and_counted(photos):
    count = damaged(photos)
    text = refused(
        photos, "pictures cannot be read: cats/bomb.png (it has more than 100,000,000 pixels)", "--skip-broken"
    )
    for name in ("cats/circle (a link to a folder that it lies in)", "cats/empty.jpg (not a picture"):
        assert name in text, text
    assert text.count("of 16 pictures") == 1
    with pytest.warns(data.PartialDataWarning, match=rf"{count} pictures were left out: .*and 5 more\. 6 are used"):
        loaded = data.load("folder", photos, skip_broken=True)
    np.testing.assert_array_equal(loaded.images, COLOURS[[1, 4, 0, 3, 2, 5]])
    assert loaded.labels.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cut.png", "truncated"), ("empty.jpg", "damaged at its start"), ("page.png", "not a picture"),
        ("phone.HEIC", "HEIC is not read: make a JPEG or PNG of it"), ("link.png", "a link that leads nowhere"),
        ("circle", "a link to a folder that it lies in"), ("pipe.png", "no regular file"), ("flipped.png", ""),
        ("floats.tif", "their range is unknown"),
    ],
)  # fmt: skip
def test_each_says_what_is_wrong_with_it(photos, name, reason):
    damaged(photos)
    for path in (photos / "cats").iterdir():
        if path.name not in (name, "0.png", "3.png"):
            path.unlink()
    refused(photos, f"1 of 7 pictures cannot be read: cats/{name} (", reason)


def test_links_between_folders_are_followed_but_not_in_circles(photos, tmp_path):
    os.symlink(photos / "dogs", photos / "wolves")
    loaded = data.load("folder", photos)
    assert loaded.classes == ("birds", "cats", "dogs", "wolves") and len(loaded) == 8
    os.symlink(photos / "birds", photos / "cats" / "to birds")
    os.symlink(photos / "cats", photos / "birds" / "to cats")
    refused(photos, "cannot be read", "a link to a folder that it lies in")


def test_a_folder_that_may_not_be_read(photos, monkeypatch):
    listdir = os.listdir

    def refuse(path):
        if os.fspath(path).endswith("dogs"):
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    refused(photos, "1 of 5 pictures cannot be read: dogs (Permission denied)")


def test_when_none_is_left(tmp_path):
    (tmp_path / "a.png").write_text("no")
    refused(tmp_path, "1 of 1 pictures cannot be read", "No picture is left", skip_broken=True)


def test_other_sizes_ask_for_one(photos):
    write(photos / "dogs" / "large.png", np.zeros((9, 9, 3), np.uint8))
    refused(photos, "2 different sizes: birds/1.png (8 x 8), dogs/large.png (9 x 9)", "--image-size 64")
    assert data.load("folder", photos, image_size=8).images.shape == (7, 8, 8, 3)


def test_pictures_that_are_too_small_are_enlarged_with_a_warning(photos):
    write(photos / "dogs" / "large.png", np.zeros((32, 32, 3), np.uint8))
    with pytest.warns(MisuseWarning, match=r"6 of 7 pictures are smaller than 16 x 16 and were enlarged.*birds/1\.png"):
        assert data.load("folder", photos, image_size=16).images.shape == (7, 16, 16, 3)


def test_more_than_the_memory_holds(photos):
    refused(photos, "6 images of 2000000 x 2000000 pixels", "would need 72", error=TooLargeError, image_size=2_000_000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_size": 0}, "image_size as an integer of at least 1"),
        ({"image_size": "64"}, "image_size as an integer of at least 1"),
        ({"channels": 4}, "channels as 1 (grey) or 3 (colour), got 4"),
        ({"channels": True}, "channels as 1 (grey) or 3 (colour), got True"),
        ({"background": "grey"}, 'background as "white" or "black"'),
        ({"skip_broken": 1}, "skip_broken as True or False"),
        ({"skip": True}, "no option 'skip': background, skip_broken"),
    ],
)
def test_odd_options(photos, options, words):
    refused(photos, words, error=OptionError, **options)


def test_options_of_a_folder_belong_to_folders():
    with pytest.raises(OptionError, match=r'"digits" has no option .background.: only image_size and channels'):
        data.load("digits", background="white")


def test_names_of_files_cannot_write_to_the_terminal(photos):
    (photos / "cats" / "red\x1b[31m\nx.png").write_bytes(b"no")
    assert "\\x1b[31m\\nx.png" in refused(photos)


@pytest.mark.skipif(sys.platform == "darwin", reason="such names cannot be made there")
def test_names_that_are_no_text(photos):
    os.rename(photos / "cats" / "0.png", os.path.join(os.fsencode(photos), b"cats", b"\xff.png"))
    assert len(data.load("folder", photos)) == 6


# --- the other data sets, in another size ----------------------------------------------------------------------------


def test_digits_in_another_size_and_in_colour():
    digits = data.load("digits", image_size=32, channels=3)
    assert digits.images.shape == (10_000, 32, 32, 3) and digits.options == {"image_size": (32, 32), "channels": 3}
    assert (digits.images[..., 0] == digits.images[..., 1]).all() and not digits.images.flags.writeable
    plain = data.load("digits")
    np.testing.assert_array_equal(digits.labels, plain.labels)
    assert abs(digits.images.mean() - plain.images.mean()) < 1
    assert data.load("digits", image_size=28).images is not None
