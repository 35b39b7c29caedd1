"""Writing reports: from the folder of a run, or of several, to one file of HTML."""

from collections.abc import Sequence
from pathlib import Path

from minigan.errors import FileError, OptionError
from minigan.experiments import Experiment
from minigan.files import as_path, atomic_write, read_file
from minigan.hints import PathLike
from minigan.options import require_instance
from minigan.pages import element, page_text
from minigan.pages import generator as generator_page
from minigan.pages.page import STYLE
from minigan.report.comparing import MOST_RUNS, arms_of_runs, comparison_body
from minigan.report.generator import GeneratorPart
from minigan.report.reading import read_record
from minigan.report.run_page import lead_of, run_body
from minigan.training.trained import TrainedRun, load_trained

REPORT = "report.html"
LARGEST = 2**24  # bytes of a page that is read
HERE = Path(__file__).parent
STYLES, SCRIPTS = [HERE / "report.css"], [STYLE.with_name("plots.js"), HERE / "grids.js"]


def write_report(run: PathLike, path: PathLike | None = None, trained: TrainedRun | None = None) -> Path:
    """Write the page of the run in the folder `run`; return where it is: by default report.html in the folder.

    trained    the run as `load_trained` opens it: then its generator runs in the page, or in a page beside if it is
               too large
    Errors     CheckpointError if the folder is not one of a run, or holds a link to another place; FileError;
               OptionError for a generator that no page can run
    """
    written: Path = as_path(run) / REPORT if path is None else as_path(path)
    if trained is not None:
        require_instance("write_report", TrainedRun, 'load_trained("out/run")', trained=trained)
    write(written, report_text(run, generator=None if trained is None else GeneratorPart(trained, written)))
    return written


def renew_report(run: PathLike, experiment: Experiment) -> None:
    """Write report.html of a run again; with the generator, if the page that is there has it.

    experiment the one of the run; only the generator needs it
    Errors     as for `write_report`, and those of `load_trained`
    """
    written = as_path(run) / REPORT
    write_report(run, trained=load_trained(run, "cpu", experiment) if has_generator(written) else None)


def has_generator(path):
    """Return whether a page that was written has the part with the generator."""
    try:
        return b'id="generator-heading"' in read_file(path, LARGEST)
    except FileError:  # there is no page, say
        return False


def report_text(run: PathLike, refresh: bool = False, generator: GeneratorPart | None = None) -> str:
    """Return the page of a run as text. refresh: a page that asks its server for news; generator: a part of the page"""
    record = read_record(run)
    body, data = run_body(record, generator)
    styles, scripts = STYLES, [*SCRIPTS, *([HERE / "refresh.js"] if refresh else [])]
    if generator is not None and generator.data:
        styles, scripts = [*styles, *generator_page.STYLES], [*scripts, *generator_page.SCRIPTS]
    return page_text(
        record.title, body, lead=lead_of(record), data=data, styles=styles, scripts=scripts, refresh=refresh
    )


def write_comparison(runs: Sequence[PathLike], path: PathLike) -> Path:
    """Write a page that compares the runs in several folders; return where it is.

    Errors     CheckpointError if a folder is not one of a run; OptionError for more than MOST_RUNS of them; FileError
    """
    if not runs or len(runs) > MOST_RUNS:
        raise OptionError(f"report: expected 1 to {MOST_RUNS} runs to compare, got {len(runs):,}.")
    arms = arms_of_runs(runs)
    lead = element("p", f"{len(arms)} runs: curves, metrics, last samples, and what differs in their settings.")
    return write_arms(path, "Runs compared", arms, lead)


def write_arms(path, title, arms, lead, before=()):
    """Write a page that compares arms; return where it is."""
    path = as_path(path)
    body, data = comparison_body(arms, before)
    write(path, page_text(title, body, lead=lead, data=data, styles=STYLES, scripts=SCRIPTS))
    return path


def write(path, text):
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))
