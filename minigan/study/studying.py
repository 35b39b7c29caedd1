"""A study from its start to its table: run what is not finished yet, report what fails, write the results.

folder/
  study.json       which study this is
  A4-seed0/ ...    the runs: folders like those of `train`
  results.csv      a row for each run that is finished or failed
  table.md         mean and standard deviation over the seeds
  errors.txt       what failed, and why
"""

import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tqdm.auto import tqdm

from minigan import data
from minigan.errors import MiniganError, OptionError
from minigan.files import atomic_write, printable
from minigan.metrics.classifier import trained_classifier
from minigan.study import results
from minigan.study.job import FINISHED, SKIPPED, STOPPED, RunError
from minigan.study.table import table
from minigan.training import checkpoints
from minigan.training.config import JUDGE_SAMPLES
from minigan.training.folder import RunFolder
from minigan.training.judging import require_judgeable
from minigan.training.stopping import StopRequest

POLL = 0.5  # seconds between two looks at the runs
PATIENCE = 60  # seconds for the runs to stop after Ctrl-C: a step, and a checkpoint; or the rest of an evaluation


@dataclass
class Report:
    """What came of a study.

    rows       results of the finished runs and of those that failed
    failed     {run: RunError}; skipped: {run: who trains it}; stopped: runs that are to be continued
    signal     the number of the signal that stopped the study, or None
    """

    rows: list = field(default_factory=list)
    failed: dict = field(default_factory=dict)
    skipped: dict = field(default_factory=dict)
    stopped: list = field(default_factory=list)
    signal: int | None = None


def run_study(study, folder, open_cluster, retries=0, quiet=False):
    """Run a study in a folder, from where it was, and write its results; return its Report.

    open_cluster   a function of (number of runs, say) that gives a context with a Cluster
    """
    folder = Path(folder)
    jobs = study.check(folder)
    report = Report()
    todo = [job for job in jobs if not results.read_finished(job)]
    totals = prepare(todo, quiet)
    study.open(folder)  # only now: a study that cannot run leaves nothing behind
    if todo:
        with open_cluster(len(todo), say_or_not(quiet)) as cluster:
            try:
                run_jobs(todo, totals, cluster, report, retries, quiet)
            except MiniganError:  # the cluster is lost
                write_results(folder, jobs, report)
                raise
    write_results(folder, jobs, report)
    return report


def say_or_not(quiet):
    return (lambda text: None) if quiet else (lambda text: sys.stderr.write(f"{text}\n"))


def prepare(jobs, quiet):
    """Return {run: its number of steps}, after loading each data set and its classifier, which all runs need.

    Errors     OptionError, DataError: what every run would fail by, before the first one begins
    """
    images, totals = {}, {}
    for job in jobs:
        name, options = job.dataset, dict(job.data_options)
        which = name, str(options)
        if which not in images:
            dataset = data.load(name, job.data_dir, **options)
            require_judgeable(dataset, job.samples, "samples")
            if job.judge_every is not None:
                require_judgeable(dataset, job.judge_samples or JUDGE_SAMPLES, "judge_samples")
            if dataset.labels is not None:  # else distances of pixels judge the samples
                # the workers may have a GPU where this machine has none
                trained_classifier(dataset, device="cpu" if job.device == "cpu" else "auto", quiet=quiet)
            images[which] = len(dataset)
        if job.batch_size > images[which]:
            raise OptionError(
                f"{job.label}: batch_size is {job.batch_size}, but {name} has only {images[which]:,} images."
            )
        whole = job.epochs * (images[which] // job.batch_size)
        totals[job] = whole if job.steps is None else min(job.steps, whole)
    return totals


def run_jobs(jobs, totals, cluster, report, retries, quiet):
    """Run the jobs on a cluster, and note in the report what came of each.

    Each worker gets one run at a time. Dask would give them several in advance; then, if a process dies again and again
    because of its run, Dask would blame the runs that wait behind it, too.
    """
    session, waiting, futures, progress = secrets.token_hex(4), list(jobs), {}, Progress(totals, quiet)
    patience = PATIENCE
    try:
        with StopRequest() as stop:
            while (waiting or futures) and patience > 0:
                while waiting and len(futures) < max(1, cluster.workers()):
                    job = waiting.pop(0)
                    futures[cluster.submit(job, session, retries)] = job
                for future in cluster.wait(list(futures), POLL):
                    job = futures.pop(future)
                    stopped = note_outcome(job, future, cluster, report, progress.say)
                    if not stopped:
                        progress.end(job)
                progress.show(futures.values(), len(report.failed))
                if stop.signal and not report.signal:
                    report.signal = stop.signal
                    report.stopped += [job.label for job in waiting]
                    waiting.clear()
                    progress.say("stopping: each run finishes its step and saves. Ctrl-C again: at once")
                if report.signal:
                    cluster.stop(session)
                    patience -= POLL
    finally:
        progress.bar.close()
        cluster.cancel(list(futures))
    report.stopped += [job.label for job in futures.values()]


def note_outcome(job, future, cluster, report, say):
    """Note in the report how a run ended, and say what went wrong; return whether it was stopped."""
    try:
        how, what = cluster.result(future)
    except RunError as error:
        report.failed[job] = error
        say(f"{job.label} failed: {error}")
        return False
    if how == STOPPED:
        report.stopped.append(job.label)
        return True
    if how == FINISHED:
        if not results.read_finished(job):
            report.failed[job] = RunError(f"it is finished, but {job.path} does not hold its result here")
    elif how == SKIPPED:
        report.skipped[job] = what
        say(f"{job.label} skipped: {what}")
    return False


class Progress:
    """A bar over the steps of all runs, as far as checkpoints tell: it moves after each epoch of a run.

    taken      {run: number of its steps so far}
    """

    def __init__(self, totals, quiet):
        self.totals, self.done = totals, 0
        self.taken = {job: 0 if quiet else steps_taken(job) for job in totals}
        self.bar = tqdm(
            total=sum(totals.values()),
            initial=sum(self.taken.values()),
            unit=" steps",
            unit_scale=True,
            disable=quiet,
        )

    def show(self, running, failed):
        """Look at the runs that are running now."""
        if self.bar.disable:
            return
        self.taken.update({job: steps_taken(job) for job in running})
        self.bar.update(max(0, sum(self.taken.values()) - self.bar.n))
        text = f", {failed} failed" if failed else ""
        self.bar.set_postfix_str(f"{self.done} of {len(self.totals)} runs done{text}")

    def end(self, job):
        """Count a run that has ended: it is finished, it failed, or somebody else trains it."""
        self.done += 1
        self.taken[job] = self.totals[job]

    def say(self, text):
        """Write a line above the bar, on the standard error stream."""
        self.bar.write(text, file=sys.stderr)


def steps_taken(job):
    """Return the number of steps of the newest checkpoint of a run."""
    try:
        found = checkpoints.in_folder(RunFolder(job.path).checkpoints)
    except MiniganError:  # the run itself will report it
        return 0
    return found[-1][0] if found else 0


def write_results(folder, jobs, report):
    """Write results.csv, table.md and errors.txt: what is finished in the folder, whoever ran it, and what failed."""
    for job in jobs:
        row = results.read_finished(job)
        if row is None and job in report.failed:
            row = results.failed_row(job, str(report.failed[job]))
        if row:
            report.rows.append({name: row.get(name) for name in results.COLUMNS})
            if not row.get("error"):
                note_finished(job, report)
    write_text(folder / "results.csv", results.csv_text(report.rows))
    if any(not row["error"] for row in report.rows):
        write_text(folder / "table.md", table(report.rows) + "\n")
    else:  # one of a shorter study, whose runs go on
        (folder / "table.md").unlink(missing_ok=True)
    errors = folder / "errors.txt"
    if report.failed:
        texts = (f"{job.label}: {error}\n{error.details}" for job, error in report.failed.items())
        write_text(errors, "\n".join(texts))
    else:
        errors.unlink(missing_ok=True)


def note_finished(job, report):
    """Note that a run is finished, whatever was reported: another study may have finished it meanwhile."""
    if job.label in report.stopped:
        report.stopped.remove(job.label)
    report.failed.pop(job, None)
    report.skipped.pop(job, None)


def write_text(path, text):
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def summary(folder, report):
    """Return what the command prints at the end of a study."""
    lines = [table(report.rows), ""] if any(not row["error"] for row in report.rows) else []
    finished = sum(not row["error"] for row in report.rows)
    counts = {"finished": finished, "failed": len(report.failed), "in use by others": len(report.skipped)}
    counts["stopped"] = len(report.stopped)
    text = ", ".join(f"{number} {what}" for what, number in counts.items() if number or what == "finished")
    files = "results.csv and table.md" if finished else "results.csv"
    files += " (errors.txt: what failed)" if report.failed else ""
    lines.append(f"{text}; {files} in {printable(folder)}")
    if report.failed or report.skipped or report.stopped:
        lines.append("the same command again continues the study: finished runs are kept")
    return "\n".join(lines)
