"""One run of a study, in the process of a worker: train it, or continue it, and judge it."""

import io
import threading
import time
import traceback
import warnings
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path

from minigan.errors import MiniganError, OptionError
from minigan.experiments import find
from minigan.experiments.from_files import load
from minigan.files import printable
from minigan.ops.allocator import keep_freed_memory
from minigan.report.writing import renew_report
from minigan.study.plan import ENDS, is_later, later_ends
from minigan.study.results import SCORES, add_session, read_finished, write_result
from minigan.training.folder import InUseError, RunFolder
from minigan.training.judging import Judge
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained

FINISHED, STOPPED, SKIPPED = "finished", "stopped", "skipped"
ONE_AT_A_TIME = threading.Lock()  # a worker with several threads has one run at a time

# What the requests to stop find: each session is one call of the command `study`
lock, running, stopped = threading.Lock(), {}, set()
judges = {}  # the judge that runs of this process share


class RunError(MiniganError):
    """An error in a run, as text: any error could come from a worker, but not each can be sent."""

    def __init__(self, text: str, details: str = "") -> None:
        super().__init__(text, details)

    def __str__(self):
        return self.args[0]

    @property
    def details(self):
        """Return the traceback, if the error is none of minigan's own."""
        return self.args[1]


def work(job, session=""):
    """Train and judge one run; return (FINISHED, STOPPED or SKIPPED, a text or the row of results).

    Errors     RunError
    """
    try:
        with ONE_AT_A_TIME:
            return train_and_judge(job, session)
    except InUseError as error:
        return SKIPPED, str(error)
    except MiniganError as error:
        raise RunError(f"{type(error).__name__}: {error}") from None
    except MemoryError as error:
        raise RunError(f"out of memory ({error}). Use a smaller batch, or fewer workers at once.") from None
    except Exception as error:
        raise RunError(f"{type(error).__name__}: {error}", traceback.format_exc()) from None


def train_and_judge(job, session):
    """Do the work of `work`."""
    keep_freed_memory()
    folder = RunFolder(job.path)
    row = read_finished(job)
    if row:
        return FINISHED, row
    if session in stopped:
        return STOPPED, "before it began"
    with warnings.catch_warnings(record=True) as caught:
        source = load(*job.source) if job.source else None  # runs the text of the user's file
        experiment = experiment_of(job, source)
        training = open_run(job, experiment, source)
        try:
            before, start = training.step, time.perf_counter()
            signal = train(training, session)
            seconds = time.perf_counter() - start - training.seconds_of_judging()
        finally:
            training.close()
            for text in dict.fromkeys(str(warning.message) for warning in caught):
                training.folder.note(f"warning: {text}")
    folder.lock()  # nobody else judges or continues the run meanwhile
    try:
        sessions = add_session(folder.path, before, training.step, seconds)
        if signal:
            return STOPPED, f"after {training.step:,} steps"
        scores = judge_run(job, experiment if source else None)
        row = row_of(job, training, scores, seconds_per_step(sessions))
        write_result(folder.path, row)
        write_page(training)
    finally:
        folder.release()
    return FINISHED, row


def write_page(training):
    """Write the page of a finished run. If this fails, the run is finished all the same."""
    try:
        renew_report(training.folder.path, training.experiment)
    except MiniganError as error:
        training.folder.note(f"no page of this run could be written: {error}")


def experiment_of(job, source):
    """Return the experiment of a run. That of a file must be the one that the file gave where the study was started."""
    experiment = source.experiment if source else find(job.name)
    if experiment.name != job.name:
        raise OptionError(
            f"{printable(source.path)} gives the experiment {experiment.name!r} to this worker, but gave {job.name!r} "
            "to the study. The file must give the same experiment on each machine."
        )
    return experiment


def open_run(job, experiment, source=None):
    """Return the run in its folder, new or continued, locked."""
    folder, watchers = Path(job.path), source.watchers if source else ()
    if (folder / "config.json").exists():
        device = None if job.device == "auto" else job.device
        _, config = RunFolder.open(folder)
        later = later_ends(job, config)
        require_run_of(job, replace(config, **later), source)
        return resume_run(
            folder,
            **later,
            device=device,
            data_dir=job.data_dir,
            experiment=experiment if source else None,
            workers=1,
            watchers=watchers,
        )
    return start_run(
        experiment,
        folder,
        dataset=job.dataset,
        data_dir=job.data_dir,
        seed=job.seed,
        device=job.device,
        workers=1,  # the cores are for the other runs
        data_options=dict(job.data_options),
        watchers=watchers,
        source=source,
        epochs=job.epochs,
        steps=job.steps,
        batch_size=job.batch_size,
        judge_every=job.judge_every,
        judge_samples=job.judge_samples,
    )


def require_run_of(job, config, source):
    """Raise OptionError if the run in the folder is another one than the study wants there."""
    wanted = {
        "experiment": job.name,
        "seed": job.seed,
        "steps": job.steps,
        "epochs": job.epochs,
        "batch_size": job.batch_size,
        "dataset": job.dataset,
    }
    for name, value in wanted.items():
        found = getattr(config, name)
        if name in ENDS and is_later(found, value):
            raise OptionError(
                f"{printable(job.path)} holds a longer run than the study: {name} is {found:,} there, {value:,} in the "
                "study. It was continued by hand, or by a longer study. Give this study the same end. Or move the "
                "folder away, and the study trains the run again."
            )
        if found != value:
            raise OptionError(
                f"{printable(job.path)} holds another run than the study: {name} is {found!r} there, {value!r} in the "
                "study. Was it changed by hand? Move the folder away, and the study trains the run again."
            )
    if source and (config.source or {}).get("sha256") != source.record["sha256"]:
        raise OptionError(
            f"{printable(job.path)} holds a run that was started with another text of {printable(source.path)}. Move "
            "the folder away, and the study trains the run again."
        )


def train(training, session):
    """Train a run to its end, or until its session is stopped; return the number of the signal then."""
    with lock:
        if session in stopped:
            training.stop()
        running.setdefault(session, []).append(training)
    try:
        with redirect_stderr(io.StringIO()):  # what the run has to say stands in its notes.txt, too
            return training.run(quiet=True)
    finally:
        with lock:
            running[session].remove(training)


def stop_session(session):
    """Stop the runs of a session in this process: each finishes its step and saves."""
    with lock:
        stopped.add(session)
        for training in running.get(session, []):
            training.stop()


def judge_run(job, experiment=None):
    """Return the metrics of a trained run. experiment: as for load_trained"""
    run = load_trained(job.path, job.device, experiment)
    key = run.config.dataset, run.config.images_md5, job.samples, job.device
    if key not in judges:
        judges.clear()  # a judge holds all images of its data set: one is enough
        judges[key] = Judge(run, job.data_dir, job.samples, job.device, quiet=True)
    return judges[key].judge(run)


def seconds_per_step(sessions):
    """Return the mean time of a step in the sessions of a run; None if no steps were measured.

    A session without a step has only drawn the last pictures again.
    """
    with_steps = [(last - first, seconds) for first, last, seconds in sessions if last > first]
    if not with_steps:
        return None
    steps, seconds = map(sum, zip(*with_steps, strict=True))
    return seconds / steps


def row_of(job, training, scores, step_time):
    """Return the row of results of a finished run.

    step_time  the mean seconds of a step. The time of the run follows from it: of a session that was killed, nobody
               knows how long it took
    """
    config, last = training.config, training.history[-1]
    return {
        "experiment": job.experiment,
        "options": job.options,
        "seed": config.seed,
        "dataset": config.dataset,
        "batch_size": config.batch_size,
        "epochs": training.step / config.steps_per_epoch,
        "steps": training.step,
        "d_loss": last["d_loss"],
        "g_loss": last["g_loss"],
        "samples": scores["samples"],
        **{name: scores.get(name) for name in SCORES},  # those that this data set has
        "seconds": None if step_time is None else round(training.step * step_time, 2),
        "ms_per_step": None if step_time is None else round(1000 * step_time, 3),
        "device": config.device,
        **config.versions,
        **config.machine,
    }
