"""Studies on Dask itself: processes of this machine, one of which is killed; a scheduler elsewhere; a killed study."""

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest
from test_study import command

from minigan import data
from minigan.experiments import from_file
from minigan.metrics import classifier
from minigan.study import cluster, plan
from minigan.study.cluster import ClusterError, local_cluster, remote_cluster
from minigan.study.results import read_csv
from minigan.study.studying import run_study
from minigan.training import checkpoints
from minigan.training.folder import InUseError, RunFolder

pytest.importorskip("distributed")
savemat = pytest.importorskip("scipy.io").savemat
THIS = sys.modules[__name__]
pytestmark = pytest.mark.filterwarnings("ignore::minigan.data.PartialDataWarning")


@pytest.fixture(scope="module", autouse=True)
def images(tmp_path_factory):
    """A folder with 400 images in the format of SVHN; a cache with a classifier for them, which other processes use."""
    folder, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (32, 32, 3, 400), np.uint8), np.arange(400) % 10 + 1
    savemat(folder / "train_32x32.mat", {"X": pixels, "y": labels[:, None].astype(np.uint8)})
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("MINIGAN_CACHE", str(folder))
        patch.setenv("PYTHONPATH", str(Path(cluster.minigan.__file__).parents[1]))
        dataset = data.load("svhn", folder)
        net = classifier.train_classifier(dataset, 0, 10, "cpu", True)
        (folder / "classifiers").mkdir()
        net.save(folder / "classifiers" / f"svhn-{classifier.key(dataset, 0)}.npz")
        yield folder


@pytest.fixture(scope="module")
def workers():
    """A Cluster of two processes."""
    import cloudpickle

    with local_cluster(2, lambda text: None) as found:
        cloudpickle.register_pickle_by_value(THIS)  # the processes cannot import a test
        yield found
        cloudpickle.unregister_pickle_by_value(THIS)


def deadly_work(job, session):
    """Train, but for the seeds 6, 7 (the process is killed) and 5 (an error); 5 and 6 succeed in the second attempt."""
    import os
    import signal
    from pathlib import Path

    from minigan.study.job import RunError, work

    mark = Path(job.path).parent / f"killed{job.seed}"
    if job.seed == 5 and not mark.exists():
        mark.touch()
        raise RunError("once")
    if job.seed == 7 or (job.seed == 6 and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return work(job, session)


def run_on(workers, images, folder, seeds, retries=0):
    study = plan.Study(("A1+d_widths=4+g_widths=4",), seeds, steps=2, dataset="svhn", data_dir=str(images), samples=100)
    return run_study(study, folder, lambda runs, say: nullcontext(workers), retries, quiet=True)


def test_dask_leaves_the_cores_to_the_runs(workers):
    """Its profile and its clock would take 9 % of a core from a run; also a process that is started again has this."""
    import dask

    for name, value in cluster.RARELY.items():
        assert set(workers.client.run(dask.config.get, name).values()) == {value}
    workers.client.restart()
    assert set(workers.client.run(dask.config.get, "distributed.worker.profile.enabled").values()) == {False}


def test_runs_on_processes_of_this_machine(workers, images, tmp_path):
    report = run_on(workers, images, tmp_path, seeds=(0, 1))
    assert not report.failed and len(report.rows) == 2
    rows = read_csv(tmp_path / "results.csv")
    assert [(row["steps"], row["BLAS threads"] in ("1", None)) for row in rows] == [(2, True)] * 2
    assert len({row["nfd"] for row in rows}) == 2
    owners = {(tmp_path / f"A1+d_widths=4+g_widths=4-seed{seed}" / ".lock").read_text().split()[1] for seed in (0, 1)}
    assert str(os.getpid()) not in owners


def test_a_process_gets_the_text_of_an_own_file_which_may_be_gone(workers, images, tmp_path):
    file = tmp_path / "my_gan.py"
    file.write_text("from minigan.experiments import find\nEXPERIMENT = find('A1+d_widths=4+g_widths=4').but('mine')\n")
    own = from_file(file)
    file.unlink()
    study = plan.Study((own,), (0,), steps=2, dataset="svhn", data_dir=str(images), samples=100)
    report = run_study(study, tmp_path / "study", lambda runs, say: nullcontext(workers), quiet=True)
    assert not report.failed and (tmp_path / "study/mine-seed0/experiment.py").read_bytes() == own.content


@pytest.mark.slow
def test_a_run_whose_process_dies_fails_alone(workers, images, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "work", deadly_work)
    monkeypatch.setattr(workers.client.cluster.scheduler, "allowed_failures", 0)
    report = run_on(workers, images, tmp_path, seeds=(7, 0))
    assert [job.seed for job in report.failed] == [7] and "died 1 times" in str(*report.failed.values())
    assert [(row["seed"], row["error"] is None) for row in report.rows] == [(7, False), (0, True)]
    assert "died" in (tmp_path / "errors.txt").read_text()


def test_a_run_whose_process_is_killed_continues_in_another_one(workers, images, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "work", deadly_work)
    report = run_on(workers, images, tmp_path, seeds=(6,))
    assert (tmp_path / "killed6").exists() and not report.failed and len(report.rows) == 1


@pytest.mark.slow
def test_a_failed_run_is_tried_again_if_that_is_wanted(workers, images, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "work", deadly_work)
    assert len(run_on(workers, images, tmp_path / "0", (5,)).failed) == 1
    assert not run_on(workers, images, tmp_path / "1", (5,), retries=1).failed


def test_a_scheduler_that_runs_already(workers, images, tmp_path, monkeypatch, capsys):
    address = workers.client.scheduler.address
    assert (
        command("A1", "--seeds", 0, *small(images), "--steps", 2, "--scheduler", address, "--out", tmp_path / "x") == 0
    )
    assert "1 finished" in capsys.readouterr().out
    monkeypatch.setattr(cluster.minigan, "__version__", "9.9")
    with (
        pytest.raises(ClusterError, match=r"has minigan 0\.\d.*needs minigan 9\.9"),
        remote_cluster(address, ".", print),
    ):
        pass
    monkeypatch.undo()
    with (
        pytest.raises(ClusterError, match="does not see the folder"),
        remote_cluster(address, tmp_path / "elsewhere", print),
    ):
        pass


def test_a_worker_without_minigan(workers, monkeypatch, tmp_path):
    run = workers.client.run
    monkeypatch.setattr(
        workers.client, "run", lambda f, text, **more: run(f, str(text).replace("minigan", "minimal"), **more)
    )
    with pytest.raises(ClusterError, match=r"has no minigan \(No module named 'minimal'\)"):
        workers.require_ready(tmp_path)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "nonsense://x", "tcp://", "", "x:y:z"])
def test_an_unreachable_scheduler(address, images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "TIMEOUT", 0.3)
    assert command("A1", *small(images), "--steps", 2, "--scheduler", address, "--out", tmp_path) == 2
    assert "no scheduler of Dask answers at" in capsys.readouterr().err


def test_dasks_thread_does_not_start(monkeypatch, tmp_path):
    def client(*args, **options):
        assert not args

    monkeypatch.setattr(cluster.load_dask(), "Client", client)
    with pytest.raises(ClusterError, match="no scheduler of Dask answers at tcp://a:1"):
        cluster.remote_cluster("tcp://a:1", tmp_path, print).__enter__()


def small(images):
    return ("--dataset", "svhn", "--data-dir", images, "--samples", 100, "--quiet")


@contextmanager
def start(images, folder):
    """A study as a program, with a process group of its own; none of its processes outlives the context."""
    name = "A1+d_widths=4+g_widths=4"
    arguments = ["study", name, "--seeds", 0, 1, "--epochs", 5, "--workers", 2, "--out", folder, *small(images)]
    arguments += ["--batch-size", 4]
    program = subprocess.Popen(
        [sys.executable, "-m", "minigan", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield program
    finally:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate()


def is_free(folder):
    """Whether no process has locked the folder of a run."""
    run = RunFolder(folder)
    try:
        return run.lock()
    except InUseError:
        return False
    finally:
        run.release()


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


@pytest.mark.slow
def test_a_study_that_is_killed_continues_until_it_is_stopped(images, tmp_path):
    """kill -9 reaches only the study's own process, and its workers end with it; Ctrl-C all that a terminal started."""
    first = tmp_path / "A1+d_widths=4+g_widths=4-seed0"

    def starts():
        """The step at which each session of the first run began."""
        notes = (first / "notes.txt").read_text() if (first / "notes.txt").exists() else ""
        return [int(step) for step in re.findall(r"training from step (\d+) of 500", notes)]

    with start(images, tmp_path) as program:
        wait_for(lambda: checkpoints.in_folder(first / "checkpoints"))
        program.kill()
        wait_for(lambda: is_free(first))
    with start(images, tmp_path) as program:
        wait_for(lambda: len(starts()) == 2)
        os.killpg(program.pid, signal.SIGINT)
        out, _ = program.communicate(timeout=60)
    assert program.returncode == 130 and "stopped" in out and "the same command again" in out
    assert starts()[0] == 0 and starts()[1] in (100, 200, 300, 400)
    assert "stopped by signal 2" in (first / "notes.txt").read_text()
