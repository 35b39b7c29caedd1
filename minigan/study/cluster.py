"""The cluster that runs a study: Dask's, of processes on this machine, or one that runs elsewhere already.

The only file that imports Dask, and only when a study runs.
"""

import logging
import signal
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import minigan
from minigan.errors import MiniganError, OptionError
from minigan.study.job import RunError, stop_session, work

TIMEOUT = 15  # seconds to find the scheduler
DASHBOARD = "127.0.0.1:8787"  # for this machine only; Dask takes another port if this one is taken

# How often Dask looks after itself. Its defaults are for many short tasks, and take 9 % of a core (an AMD EPYC with
# 2.4 GHz) from each run. With these it is 1.5 %, and the dashboard has no profile.
RARELY = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}


class ClusterError(MiniganError):
    """The cluster cannot be reached, or cannot run a study."""


def load_dask():
    """Return the module distributed; OptionError says how to install it."""
    try:
        import distributed
    except ImportError as error:
        raise OptionError(
            f'a study runs on Dask, which is not installed ({error}): pip install "minigan[study]", or pip install '
            "distributed."
        ) from error
    return distributed


@contextmanager
def local_cluster(workers, say):
    """Give a Cluster of `workers` processes on this machine; each has one BLAS thread and one run at a time.

    A process that dies is started again. Ctrl-C does not reach the processes: the study stops their runs itself.
    """
    distributed = load_dask()
    import dask

    with dask.config.set(RARELY):
        with without_ctrl_c(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Port ")  # that it took another port: the address is told below
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,  # the system's own limit: Dask would pause a worker that has much memory, and wait
                dashboard_address=DASHBOARD,
                silence_logs=logging.CRITICAL,  # what fails is reported once, by the study
            )
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            say(f"{workers} runs at once; Dask's dashboard: {cluster.dashboard_link}")
            yield Cluster(client)


@contextmanager
def without_ctrl_c():
    """Let processes and threads that are started in this context never see Ctrl-C."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # which would unblock the signal where it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def remote_cluster(address, folder, say):
    """Give the Cluster whose scheduler has this address (tcp://...); its workers must see the folder of the study."""
    distributed = load_dask()
    try:
        client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError, ImportError, AssertionError) as error:  # it asserts that its thread has started
        raise ClusterError(
            f"no scheduler of Dask answers at {address} ({error or type(error).__name__}). Start one with: dask "
            "scheduler; and workers with: dask worker ADDRESS --nthreads 1"
        ) from error
    with client:
        cluster = Cluster(client)
        cluster.require_ready(folder)
        say(f"{cluster.workers()} workers at {address}; Dask's dashboard: {client.dashboard_link}")
        yield cluster


class Cluster:
    """The runs of a study on Dask's workers."""

    def __init__(self, client):
        self.client, self.distributed = client, load_dask()

    def workers(self):
        """Return the number of processes; ClusterError if the scheduler does not answer."""
        try:
            return len(self.client.nthreads())
        except Exception as error:  # OSError, TimeoutError, CommClosedError, or TypeError: by what the client was doing
            raise ClusterError(
                f"the scheduler of Dask does not answer any more ({error or type(error).__name__}). Once it runs, "
                "the same command continues the study."
            ) from error

    def require_ready(self, folder):
        """Raise ClusterError unless each worker has this version of minigan and sees the folder of the study."""
        # eval and Path.exists: functions that a worker without minigan has, too
        for worker, found in self.client.run(eval, "__import__('minigan').__version__", on_error="return").items():
            if found != minigan.__version__:
                what = f"minigan {found}" if isinstance(found, str) else f"no minigan ({found})"
                raise ClusterError(
                    f"the worker {worker} has {what}, but a study needs minigan {minigan.__version__} on each worker. "
                    "Install it there."
                )
        for worker, found in self.client.run(Path.exists, Path(folder).absolute(), on_error="return").items():
            if found is not True:
                raise ClusterError(
                    f"the worker {worker} does not see the folder {folder}. Choose one that all workers share (--out "
                    "DIR)."
                )

    def submit(self, job, session, retries):
        """Return the future of a run."""
        return self.client.submit(work, job, session, key=f"{job.label}-{session}", retries=retries, pure=False)

    def wait(self, futures, seconds):
        """Return the futures that are done, after at most some seconds, or earlier if one is."""
        end = time.monotonic() + seconds
        while not any(future.done() for future in futures) and time.monotonic() < end:
            time.sleep(0.05)
        return [future for future in futures if future.done()]

    def result(self, future):
        """Return what `work` returned; RunError if the run failed, also if its worker died."""
        try:
            return future.result(timeout=TIMEOUT)
        except RunError:
            raise
        except self.distributed.scheduler.KilledWorker as error:
            raise RunError(
                f"the process of the run died {error.allowed_failures + 1} times (was it killed, or was there too "
                "little memory?)"
            ) from error
        except Exception as error:  # of Dask: a lost connection, a worker without minigan
            if future.status in ("cancelled", "lost"):
                raise RunError("the connection to Dask's scheduler broke off, or somebody cancelled the run") from error
            raise RunError(f"{type(error).__name__}: {error}") from error

    def stop(self, session):
        """Ask the runs of a session to stop after their step."""
        self.client.run(stop_session, session, on_error="ignore")

    def cancel(self, futures):
        """Take back runs that have not begun, and forget the others."""
        self.client.cancel(futures)
