"""Run folders that are shared, or come from somebody else: locks, links, leftovers, texts and pictures in them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_helpers import SMALL, in_child

from minigan import locks, pictures
from minigan.__main__ import main
from minigan.errors import CheckpointError, FileError, MiniganError, OptionError
from minigan.experiments import EXPERIMENTS
from minigan.files import append_line, atomic_write, make_folder, printable, remove_leftovers
from minigan.training.config import RunConfig
from minigan.training.folder import LOCK, RunFolder
from minigan.training.loop import resume_run, start_run
from minigan.training.stopping import StopRequest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
needs_links = pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs symbolic links without special rights")


@pytest.fixture(autouse=True)
def small_is_known(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The folder of a run that was stopped after its third step."""
    folder = tmp_path_factory.mktemp("original")
    start_run(SMALL, folder, seed=5, steps=3).run(quiet=True)
    return folder


@pytest.fixture
def begun(original, tmp_path):
    """A copy of it."""
    shutil.copytree(original, tmp_path / "run")
    return tmp_path / "run"


def content(folder):
    """Everything below a folder: path -> bytes, or where a link leads."""
    return {
        path.relative_to(folder): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


# one owner


def test_a_second_training_in_the_same_folder_is_refused(tmp_path, no_pictures):
    training = start_run(SMALL, tmp_path, seed=5)
    for attempt in (lambda: resume_run(tmp_path), lambda: start_run(SMALL, tmp_path)):
        with pytest.raises(FileError, match=rf"is in use: process {os.getpid()} on .* since .* trains there.*close"):
            attempt()
    training.close()
    again = resume_run(tmp_path)
    again.run(quiet=True)
    assert again.step == 15
    resume_run(tmp_path, epochs=4).close()  # the end of `run` gave the folder up


def test_a_failed_reopen_gives_the_folder_up(begun):
    for _ in range(2):
        with pytest.raises(OptionError, match="has already taken 3 steps, so it cannot end after 1"):
            resume_run(begun, steps=1)
    resume_run(begun).close()


def test_a_training_that_runs_twice_owns_the_folder_again(tmp_path, no_pictures):
    training = start_run(SMALL, tmp_path, steps=2)
    training.run(quiet=True)
    other = resume_run(tmp_path, steps=4)
    with pytest.raises(FileError, match="is in use"):
        training.run(quiet=True)
    other.run(quiet=True)
    with pytest.raises(
        CheckpointError, match=r"another process has trained .* to step 4, but this Training is at step 2"
    ):
        training.run(quiet=True)


@needs_fork
def test_a_lock_ends_with_its_process(tmp_path):
    def die():
        start_run(SMALL, tmp_path, seed=5)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die) == -signal.SIGKILL
    resume_run(tmp_path).close()


TWO = """
import sys
from minigan.__main__ import main
from minigan.experiments import EXPERIMENTS
from run_helpers import SMALL
EXPERIMENTS["Small"] = SMALL
print("ready", flush=True)
sys.stdin.readline()
main(["resume", sys.argv[1], "--steps", "150", "--quiet"])
"""


def test_of_two_resumes_at_once_one_goes_on_and_one_says_why_not(tmp_path):
    start_run(SMALL, tmp_path / "run", seed=5, epochs=30, steps=3, every=100).run(quiet=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, tmp_path / "run"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = []
    for process in processes:
        _, err = process.communicate(timeout=120)
        ends.append((process.returncode, err))
    codes = sorted(code for code, _ in ends)
    assert codes == [0, 2, 2], ends
    assert all("is in use: " in err and err.count("\n") == 1 for code, err in ends if code == 2)


class WindowsLocks:
    """What Python calls on Windows, which locks ranges of bytes."""

    LK_NBLCK = 2

    def __init__(self):
        self.held = set()

    def locking(self, descriptor, mode, count):
        place = (os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR), mode, count)
        if place in self.held:
            raise OSError(13, "Permission denied")
        self.held.add(place)


def test_locks_on_windows(tmp_path, monkeypatch):
    """One byte, far behind the text, which stays readable for those who find the folder owned."""
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", WindowsLocks(), raising=False)
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    assert first.lock() is True and first.lock() is False
    with pytest.raises(FileError, match=rf"is in use: process {os.getpid()} on "):
        second.lock()
    first.release()


def test_where_there_are_no_locks_a_run_goes_on(tmp_path, monkeypatch, no_pictures):
    def refuse(descriptor, operation):
        raise OSError(95, "Operation not supported")

    if locks.fcntl is None:
        pytest.skip("Windows always has locks")
    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    start_run(SMALL, tmp_path, steps=1).run(quiet=True)
    (tmp_path / ".x.part").touch()
    resume_run(tmp_path, steps=2).run(quiet=True)
    assert (tmp_path / ".x.part").exists(), "somebody may be writing it: nobody can tell"


def test_what_another_process_is_writing_is_left_alone(begun):
    """`sample` may write into a run's folder while `resume` clears it."""
    with atomic_write(begun / "sample.png") as file:
        file.write(b"half")
        file.flush()
        (begun / "samples" / ".epoch_003.png.0a1b2c3d.part").write_bytes(b"of a killed process")
        (begun / ".write-probe-123").touch()
        resume_run(begun).close()
    assert (begun / "sample.png").read_bytes() == b"half"
    assert not list(begun.rglob(".*.part")) and not list(begun.glob(".write-probe*"))


def test_leftovers_that_cannot_be_removed_are_no_obstacle(tmp_path):
    (tmp_path / ".a.part").mkdir()
    remove_leftovers(tmp_path)
    assert (tmp_path / ".a.part").exists()


def test_a_folder_with_leftovers_alone_counts_as_new(tmp_path):
    for name in (".config.json.0a1b2c3d.part", ".write-probe-77", ".write-probe-x1", LOCK):
        (tmp_path / name).touch()
    start_run(SMALL, tmp_path, steps=1).close()
    assert {path.name for path in tmp_path.iterdir()} == {LOCK, "config.json", "checkpoints", "samples"}


def test_a_folder_that_is_refused_stays_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OptionError, match="is not empty"):
        start_run(SMALL, tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_folder_that_another_process_fills_first_is_refused(tmp_path, monkeypatch):
    """Both found it empty. Whoever gets the lock later sees what is in it now."""
    lock = RunFolder.lock

    def lose(folder):
        (tmp_path / "config.json").write_text("of the other process")
        return lock(folder)

    monkeypatch.setattr(RunFolder, "lock", lose)
    for _ in range(2):  # and the folder is given up
        with pytest.raises(OptionError, match="is not empty"):
            start_run(SMALL, tmp_path)
    assert (tmp_path / "config.json").read_text() == "of the other process"


def test_a_folder_probe_leaves_nothing(tmp_path):
    make_folder(tmp_path / "a")
    assert not list((tmp_path / "a").iterdir())


# signals


def test_a_run_in_another_thread_needs_no_signals(tmp_path, no_pictures):
    results = []

    def work():
        training = start_run(SMALL, tmp_path, seed=5)
        results.append((training.run(quiet=True), training.step))

    thread = threading.Thread(target=work)
    handlers = [signal.getsignal(number) for number in StopRequest.SIGNALS]
    thread.start()
    thread.join()
    assert results == [(None, 15)]
    assert [signal.getsignal(number) for number in StopRequest.SIGNALS] == handlers


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in StopRequest.SIGNALS]
    with StopRequest() as stop:
        assert [signal.getsignal(number) for number in StopRequest.SIGNALS] == [stop.handle] * 2
    assert [signal.getsignal(number) for number in StopRequest.SIGNALS] == before


# links


COMMAND = "touch owned; #"
LINKS = (
    "notes.txt",
    "history.csv",
    "config.json",
    "losses.png",
    "learning.gif",
    "generator.npz",
    "evaluation.json",
    "metrics.csv",
    ".x.part",
    LOCK,
    "samples/epoch_001.png",
    "samples/epoch_002.png",
    "checkpoints/step_00000003.checkpoint",
    "checkpoints/step_00000005.checkpoint",
    "checkpoints/.step_00000005.checkpoint.0a1b2c3d.part",
    "samples",
    "checkpoints",
    "tensorboard",
)


@needs_links
@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_written_through_a_link(begun, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "profile").write_text("export PATH\n")
    place, target = begun / name, outside / "profile"
    if place.is_dir():
        place.rename(outside / "folder")
        target = outside / "folder"
    elif name == "tensorboard":
        (outside / "folder").mkdir()
        target = outside / "folder"
    elif place.exists():
        place.rename(outside / "moved")
        target = outside / "moved"
    place.symlink_to(target)
    before = content(outside)
    with pytest.raises(MiniganError, match="symbolic link"):
        resume_run(begun).run(quiet=True)
    assert content(outside) == before


@needs_links
def test_a_run_folder_cannot_write_a_command_into_a_start_file(begun, tmp_path):
    """notes.txt names a shell's start file, and config.json brings the line to be written there."""
    (tmp_path / ".bashrc").write_text("export PATH\n")
    (begun / "notes.txt").unlink()
    (begun / "notes.txt").symlink_to(tmp_path / ".bashrc")
    config = json.loads((begun / "config.json").read_text())
    config["versions"]["numpy"] = f"1\n{COMMAND}\n"
    (begun / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as caught:
        resume_run(begun)
    assert "\n" not in str(caught.value)
    (begun / "config.json").write_text(json.dumps({**config, "versions": {"numpy": "1"}}))
    with pytest.raises(CheckpointError, match=r"notes\.txt is a symbolic link"):
        resume_run(begun)
    with pytest.raises(FileError, match="symbolic link"):
        RunFolder(begun).note("hello")
    assert (tmp_path / ".bashrc").read_text() == "export PATH\n"


@needs_links
def test_pictures_and_reports_take_the_place_of_links(begun, tmp_path):
    """`sample`, `interpolate` and `evaluate` write into the folder of a run, too."""
    (tmp_path / "mine").write_text("mine")
    for name in ("sample_seed0.png", "slerp_seed0.png", "slerp_seed0.gif", "evaluation.json", "evaluation.png"):
        (begun / name).symlink_to(tmp_path / "mine")
    for arguments in (["sample"], ["interpolate", "--rows", "1"]):
        with pytest.raises(SystemExit) as end:
            main([arguments[0], str(begun), *arguments[1:]])
        assert end.value.code in (0, None)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (begun / "sample_seed0.png").is_symlink() and not (begun / "slerp_seed0.gif").is_symlink()


@needs_links
def test_the_name_of_a_link_is_printable(begun):
    (begun / "\x1b]0;title\x07").symlink_to(begun)
    with pytest.raises(CheckpointError, match=r"x1b\]0;title\\x07 is a symbolic link") as caught:
        resume_run(begun)
    assert printable(str(caught.value)) == str(caught.value)


@needs_links
def test_a_link_to_a_whole_run_folder_is_fine(begun, tmp_path, no_pictures):
    (tmp_path / "link").symlink_to(begun)
    training = resume_run(tmp_path / "link", steps=5)
    training.run(quiet=True)
    assert training.step == 5


@needs_links
def test_a_file_that_is_written_takes_the_place_of_a_link(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "target").read_text() == "mine" and (tmp_path / "link").read_bytes() == b"new"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("name", ["config.json", "notes.txt", LOCK, "samples/epoch_001.png"])
def test_a_pipe_in_the_place_of_a_file_does_not_wait_for_ever(begun, name):
    (begun / name).unlink()
    os.mkfifo(begun / name)
    errors = []

    def work():
        try:
            resume_run(begun).run(quiet=True)
        except MiniganError as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert errors or name.endswith(".png"), "a pipe is no picture: it is left out"


# texts


def test_control_characters_are_shown_and_not_obeyed(tmp_path):
    assert printable("a\x1b[2J\nb\r\u202e\ud800\té") == "a\\x1b[2J\\nb\\r\\u202e\\ud800\\té"
    append_line(tmp_path / "notes.txt", "one\ntwo \x1b]0;title\x07")
    append_line(tmp_path / "notes.txt", "three")
    assert (tmp_path / "notes.txt").read_text() == "one\\ntwo \\x1b]0;title\\x07\nthree\n"


DEEP = "[" * 200_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("images", "epochs", "batch_size", "every") for value in (0, -1, 1.5, "9", None)),
        *((name, value) for name in ("images", "steps") for value in (True, [], {}, 10**30, [[[[[[[[[]]]]]]]]])),
        *(("image_shape", value) for value in (28, [28, 28], [28, 28, 0], [28, 28, 1.0], "28", [4096, 4096, 3])),
        *(("seed", value) for value in (-1, 1.0, "0", None, True)),
        *(
            ("versions", value)
            for value in (None, [], {"numpy": 2}, {"a\x1b": "1"}, {"numpy": "1\nrm"}, {"x": "y" * 99})
        ),
        *(
            (name, value)
            for name in ("experiment", "dataset", "images_md5")
            for value in (None, 3, "", "\x1b[2J", "x" * 9999)
        ),
        ("data_dir", 3),
        ("data_dir", "a\nb"),
        ("device", "tpu"),
        ("device", ["cpu"]),
        ("tensorboard", 1),
        ("batch_size", 10_001),
    ],
)
def test_config_json_of_wrong_types_is_one_sentence(original, name, value):
    config = json.loads((original / "config.json").read_text())
    with pytest.raises(CheckpointError, match=name) as caught:
        RunConfig.from_json(json.dumps({**config, name: value}), "config.json")
    assert printable(str(caught.value)) == str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b"3",
        b"null",
        b'{"a": 1, "a\\u001b[2J": 2}',
        DEEP.encode(),
        b'{"epochs": ' + b"9" * 5000 + b"}",
        bytes(2**21),
    ],
    ids=["empty", "not utf-8", "list", "number", "null", "unknown names", "deep", "long number", "large"],
)
def test_config_json_that_is_none(begun, text):
    (begun / "config.json").write_bytes(text)
    with pytest.raises(CheckpointError, match=r"config\.json") as caught:
        resume_run(begun)
    assert printable(str(caught.value)) == str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "options", [{"epochs": 0}, {"steps": -1}, {"batch_size": "x"}, {"every": 0}, {"tensorboard": 3}, {"epochs": 10**15}]
)
def test_a_run_does_not_begin_with_settings_that_could_not_be_read_again(tmp_path, options):
    with pytest.raises(OptionError, match=next(iter(options))):
        start_run(SMALL, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


# pictures


class Samples:
    """The part of a GAN that a Gallery asks."""

    def __init__(self):
        self.generator = self.discriminator = self
        self.output_shape = (4, 4, 1)
        self.average, self.classes, self.objective, self.calls = None, None, None, 0

    def sampler(self):
        return self

    def sample(self, n, seed, labels=None, averaged=True):
        self.calls += 1  # other pictures each time: a GIF has equal frames only once
        return np.random.default_rng((seed, self.calls)).uniform(-1, 1, (n, 4, 4, 1)).astype(np.float32)

    def save(self, path):
        Path(path).write_bytes(b"a network")


def draw(folder, epochs):
    from minigan.training.gallery import Gallery

    gallery = Gallery(folder, Samples(), np.zeros((64, 4, 4, 1), np.uint8), seed=0)
    for epoch in epochs:
        gallery.draw(epoch)
    return gallery


def frames(folder):
    with Image.open(folder / "learning.gif") as gif:
        return gif.n_frames


def test_the_animation_shows_this_run_alone(tmp_path):
    assert draw(tmp_path, range(1, 5)).finish([(1.0, 1.0)] * 4) == [] and frames(tmp_path) == 4
    gallery = draw(tmp_path, ())
    for epoch in (1, 2):
        gallery.draw(epoch)
    gallery.finish([(1.0, 1.0)] * 2)
    assert frames(tmp_path) == 2


def test_epochs_follow_one_another_by_number(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, "save_gif", lambda path, frames: shown.extend(frames))
    gallery = draw(tmp_path, ())
    for epoch in (105, 1000, 999):
        pictures.save_png(gallery.path(epoch), np.full(gallery.grid_shape, epoch % 251, np.uint8))
    gallery.finish([(1.0, 1.0)] * 1000)
    assert [frame[0, 0, 0] for frame in shown] == [105, 999 % 251, 1000 % 251]


def png(path, size, mode="L"):
    Image.new(mode, size).save(path, "PNG")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(b""),
        lambda path: png(path, (30, 30)),
        lambda path: png(path, (9000, 9000), "1"),  # few bytes, many pixels
        lambda path: png(path, (124, 124), "RGB"),
        lambda path: Image.new("L", (124, 124)).save(path, "TIFF"),
        lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 124 124\n%%EndComments\n"),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["cut short", "empty", "small", "huge", "of other colours", "TIFF", "PostScript", "folder"],
)
def test_what_is_no_picture_of_the_run_is_left_out(tmp_path, spoil):
    gallery = draw(tmp_path, range(1, 4))
    assert Image.open(gallery.path(2)).size == (124, 124)
    spoil(gallery.path(2))
    assert gallery.finish([(1.0, 1.0)] * 3) == [gallery.path(2)] and frames(tmp_path) == 2


def test_no_flipped_bit_of_a_picture_stops_a_run(tmp_path, rng):
    gallery = draw(tmp_path, [1])
    whole = gallery.path(1).read_bytes()
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(100 if rng.random() < 0.5 else len(whole))] ^= 1 << rng.integers(8)
        gallery.path(1).write_bytes(damaged)
        frame = gallery.frame(1)
        assert frame is None or frame.shape == gallery.grid_shape


def test_a_resumed_run_ends_although_a_picture_is_cut_short(tmp_path):
    start_run(SMALL, tmp_path, seed=5, steps=10).run(quiet=True)
    picture = tmp_path / "samples" / "epoch_001.png"
    picture.write_bytes(picture.read_bytes()[:1000])
    training = resume_run(tmp_path, steps=15)
    assert training.run(quiet=True) is None and frames(tmp_path) == 2
    assert "epoch_001.png: damaged, or not a picture of this run" in (tmp_path / "notes.txt").read_text()
