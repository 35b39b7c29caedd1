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
from minigan.errors import OptionError
from minigan.experiments import find
from minigan.files import atomic_write, printable
from minigan.metrics.classifier import trained_classifier
from minigan.study import results
from minigan.study.job import FINISHED, SKIPPED, RunError
from minigan.study.table import table
from minigan.training import checkpoints
from minigan.training.folder import RunFolder
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
    jobs = study.open(folder)
    report = Report()
    todo = [job for job in jobs if not results.read_result(Path(job.path))]
    if todo:
        totals = prepare(todo, quiet)
        with open_cluster(len(todo), say_or_not(quiet)) as cluster:
            run_jobs(todo, totals, cluster, report, retries, quiet)
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
        experiment = find(job.name)
        name = job.dataset or experiment.dataset
        if name not in images:
            dataset = data.load(name, directory=job.data_dir)
            if len(dataset) < job.samples // 2:
                raise OptionError(
                    f"{name} has only {len(dataset):,} images here. To judge {job.samples:,} samples, half as many are "
                    f"needed. Choose --samples {2 * len(dataset)} at most."
                )
            trained_classifier(dataset, device=job.device, quiet=quiet)
            images[name] = len(dataset)
        batch_size, epochs = job.batch_size or experiment.batch_size, job.epochs or experiment.epochs
        if batch_size > images[name]:
            raise OptionError(f"{job.label}: batch_size is {batch_size}, but {name} has only {images[name]:,} images.")
        whole = epochs * (images[name] // batch_size)
        totals[job] = whole if job.steps is None else min(job.steps, whole)
    return totals


def run_jobs(jobs, totals, cluster, report, retries, quiet):
    """Run the jobs on a cluster, and note in the report what came of each.

    Each worker gets one run at a time. Dask would give them several in advance; then, if a process dies again and again
    because of its run, Dask would blame the runs that wait behind it, too.
    """
    session, waiting, futures, done = secrets.token_hex(4), list(jobs), {}, {}
    bar = tqdm(total=sum(totals.values()), unit=" steps", unit_scale=True, disable=quiet)
    patience = PATIENCE
    try:
        with StopRequest() as stop:
            while (waiting or futures) and patience > 0:
                while waiting and len(futures) < max(1, cluster.workers()):
                    job = waiting.pop(0)
                    futures[cluster.submit(job, session, retries)] = job
                for future in cluster.wait(list(futures), POLL):
                    job = futures.pop(future)
                    note_outcome(job, future, cluster, report, bar)
                    done[job] = totals[job]
                show_progress(bar, totals, done, report)
                if stop.signal and not report.signal:
                    report.signal = stop.signal
                    report.stopped += [job.label for job in waiting]
                    waiting.clear()
                    bar.write("stopping: each run finishes its step and saves. Ctrl-C again: at once", file=sys.stderr)
                if report.signal:
                    cluster.stop(session)
                    patience -= POLL
    finally:
        bar.close()
        cluster.cancel(list(futures))
    report.stopped += [job.label for job in futures.values()]


def note_outcome(job, future, cluster, report, bar):
    """Note in the report, and above the bar, how a run ended."""
    try:
        how, what = cluster.result(future)
    except RunError as error:
        report.failed[job] = error
        bar.write(f"{job.label} failed: {error}", file=sys.stderr)
        return
    if how == FINISHED:
        if not results.read_result(Path(job.path)):
            report.failed[job] = RunError(f"it is finished, but {job.path} does not hold its result here")
    elif how == SKIPPED:
        report.skipped[job] = what
        bar.write(f"{job.label} skipped: {what}", file=sys.stderr)
    else:
        report.stopped.append(job.label)


def show_progress(bar, totals, done, report):
    """Show the steps of all runs, as far as checkpoints tell: after each epoch."""
    if bar.disable:
        return
    steps = sum(done[job] if job in done else steps_taken(job) for job in totals)
    bar.update(max(0, steps - bar.n))
    failed = f", {len(report.failed)} failed" if report.failed else ""
    bar.set_postfix_str(f"{len(done)} of {len(totals)} runs done{failed}", refresh=True)


def steps_taken(job):
    """Return the number of steps of the newest checkpoint of a run."""
    found = checkpoints.in_folder(RunFolder(job.path).checkpoints)
    return found[-1][0] if found else 0


def write_results(folder, jobs, report):
    """Write results.csv, table.md and errors.txt: what is finished in the folder, whoever ran it, and what failed."""
    for job in jobs:
        row = results.read_result(Path(job.path))
        if row is None and job in report.failed:
            row = results.failed_row(job, str(report.failed[job]))
        if row:
            report.rows.append({name: row.get(name) for name in results.COLUMNS})
    write_text(folder / "results.csv", results.csv_text(report.rows))
    if any(not row["error"] for row in report.rows):
        write_text(folder / "table.md", table(report.rows) + "\n")
    errors = folder / "errors.txt"
    if report.failed:
        texts = (f"{job.label}: {error}\n{error.details}" for job, error in report.failed.items())
        write_text(errors, "\n".join(texts))
    else:
        errors.unlink(missing_ok=True)


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
