"""The plan of a study: which runs it has, and where each of them is.

A study is a folder with a run in each of its subfolders, and a file study.json. This file says which study it is. So
the same command continues the study, and another study does not end up in the same folder.
"""

import itertools
import json
from dataclasses import dataclass, replace
from pathlib import Path

from minigan.data import stacked
from minigan.errors import CheckpointError, OptionError
from minigan.experiments.from_files import Source
from minigan.experiments.variants import SEPARATOR, text_of, value_of
from minigan.files import as_path, atomic_write, is_leftover, make_folder, printable, read_file
from minigan.options import is_integer, plain_value, require_count, shown
from minigan.study.own_files import experiment_of, records_of, require_same_files, require_usable_names
from minigan.study.results import read_result
from minigan.training.config import require_right
from minigan.training.folder import RunFolder, folder_name
from minigan.training.settings import quoted

FILE, FORMAT, LIMIT = "study.json", "minigan study 1", 2**24
LONGEST = 200  # letters of a folder's name; most systems allow 255
OF_THE_RUN = "steps"  # the one option of --set that is not one of the experiment, but of the run
# settings of all runs; the first ones can be set for each run, too: as an option of the experiment, or by --set
SETTINGS = ("epochs", "batch_size", "dataset", "steps", "samples", "data_options", "judge_every", "judge_samples")
ENDS = ("epochs", "steps")  # those of them that can become later: then the runs are continued


@dataclass(frozen=True)
class Job:
    """One run of a study: all that a worker needs to train and judge it.

    name       of the experiment, with its changed options: A4+d_lr=0.001
    steps      the end of the run, if it is set
    options    of the run as a text for the results: "d_lr=0.001 steps=100"
    path       the folder of the run
    source     of an experiment from a file of one's own: the text of the file, as Source.text has it. The worker runs
               this text; it needs no such file
    """

    name: str
    seed: int
    options: str
    path: str
    epochs: int
    batch_size: int
    dataset: str
    steps: int | None = None
    data_dir: str | None = None
    device: str = "auto"
    samples: int = 10_000
    judge_every: int | None = None
    judge_samples: int | None = None
    data_options: tuple = ()  # pairs, (("image_size", (32, 32)),)
    source: tuple = ()

    @property
    def experiment(self):
        """Return the name of the experiment without its options."""
        return self.name.split(SEPARATOR)[0]

    @property
    def label(self):
        return Path(self.path).name

    def is_finished(self, row):
        """Return whether a run with this row of results has come to the end that this job has, or further."""
        return (row["epochs"] or 0) >= self.epochs or (self.steps is not None and row["steps"] >= self.steps)

    def is_exceeded(self, row):
        """Return whether a run with this row of results has gone further than the end that this job has."""
        return (row["epochs"] or 0) > self.epochs or (self.steps is not None and row["steps"] > self.steps)


@dataclass(frozen=True)
class Study:
    """Which runs a study has: every experiment with every combination of the options, and every seed.

    experiments    names; also variants such as A4+d_lr=0.001, and what `from_file` returns for files of your own
    options        name -> list of values or texts, as for `variant`; or "steps"
    the others     settings of all runs, as for `start_run`; samples: how many are judged at the end
    data_options   how the images are loaded, as for `start_run`: {"image_size": 64}
    Errors         OptionError for names, options and values that are unknown, wrong, or there twice
    """

    experiments: tuple
    seeds: tuple = (0, 1, 2)
    options: dict | None = None
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    dataset: str | None = None
    data_dir: str | None = None
    device: str = "auto"
    samples: int = 10_000
    data_options: dict | None = None
    judge_every: int | None = None
    judge_samples: int | None = None

    def __post_init__(self):
        require_lists(experiments=self.experiments, seeds=self.seeds)
        if self.options is not None and not isinstance(self.options, dict):
            raise OptionError(f"study: expected options as a dict, name -> list of values, got {shown(self.options)}.")
        if not all(isinstance(name, str) for name in self.options or ()):
            raise OptionError(f"study: expected the names of options as texts, got {shown([*self.options])}.")
        require_lists(**(self.options or {}))
        for name in ("epochs", "steps", "batch_size", "judge_every", "judge_samples"):
            if getattr(self, name) is not None:
                self._set(name, require_count("study", **{name: getattr(self, name)}))
        self._set("samples", require_count("study", samples=self.samples))
        if isinstance(self.data_options, dict):  # else the experiments refuse it. A job is hashable: tuples, no lists
            self._set("data_options", {name: plain_value(value) for name, value in self.data_options.items()})
        if self.judge_samples is not None and self.judge_every is None:
            raise OptionError("study: judge_samples is given, but judge_every is not: when are the samples judged?")
        for seed in self.seeds:
            if not is_integer(seed) or seed < 0:
                raise OptionError(f"study: expected each seed as an integer of at least 0, got {shown(seed)}.")
        if not self.experiments or not self.seeds:
            raise OptionError("study: expected at least one experiment and one seed.")
        require_different("seed", self.seeds)
        require_usable_names(self.sources)
        require_different("experiment", [experiment_of(given, [])[0].name for given in self.experiments])
        for name, values in (self.options or {}).items():
            if not values:
                raise OptionError(f"study: expected at least one value of the option {name}.")
            require_different(f"value of {name}", [text_of(value_of(name, value)) for value in values])
            if name in SETTINGS and getattr(self, name) is not None:
                raise OptionError(f"study: {name} is set twice, for all runs and as an option. Leave one of them out.")
        self.jobs(Path("."))

    def _set(self, name, value):
        """Set a field to its plain value, while the study is made."""
        object.__setattr__(self, name, value)

    @property
    def sources(self):
        """Return those of the experiments that come from files of one's own."""
        return [given for given in self.experiments if isinstance(given, Source)]

    def variants(self):
        """Yield (experiment, source, options, steps) of every experiment with every combination of the options."""
        options = self.options or {}
        for base, values in itertools.product(self.experiments, itertools.product(*options.values())):
            changes = {name: value_of(name, value) for name, value in zip(options, values, strict=True)}
            steps = require_count("study", steps=changes.pop(OF_THE_RUN)) if OF_THE_RUN in changes else self.steps
            texts = [f"{name}={text_of(value)}" for name, value in changes.items()]
            experiment, source = experiment_of(base, texts)
            set_here = experiment.name.split(SEPARATOR)[1:]
            for text in set_here:
                option = text.split("=")[0]
                if getattr(self, option, None) is not None or option in (self.data_options or {}):
                    raise OptionError(
                        f"study: {experiment.name} sets {text}, which is set for all runs, too. Leave one out."
                    )
            yield experiment, source, [*set_here, *([f"{OF_THE_RUN}={steps}"] if OF_THE_RUN in options else [])], steps

    def jobs(self, folder: Path) -> list[Job]:
        """Return all runs of the study in a folder: first all experiments and options with the first seed, and so on.

        So a study that is stopped early has something of everything.
        """
        keys = ("data_dir", "device", "samples", "judge_every", "judge_samples")
        settings = {key: getattr(self, key) for key in keys}
        jobs = []
        for seed, (experiment, source, options, steps) in itertools.product(self.seeds, list(self.variants())):
            own = {key: getattr(self, key) or getattr(experiment, key) for key in ("epochs", "batch_size", "dataset")}
            require_judged(experiment.name, own["dataset"])
            own["data_options"] = tuple(sorted(experiment.data_options(self.data_options).items()))
            own["source"] = source.text if source else ()
            name = SEPARATOR.join([experiment.name.split(SEPARATOR)[0], *options])
            place = folder_name(f"{name}-seed{seed}")
            if len(place) > LONGEST:
                raise OptionError(f"study: the name {place[:60]}... of a run is too long: at most {LONGEST} letters.")
            path = str(Path(folder, place).absolute())
            jobs.append(Job(experiment.name, int(seed), " ".join(options), path, steps=steps, **own, **settings))
        return jobs

    def plan(self, jobs: list[Job]) -> dict:
        """Return what study.json holds of the study with these runs."""
        settings = {key: getattr(self, key) or None for key in SETTINGS}
        sources = records_of(self.sources)
        plan = {"format": FORMAT, "settings": settings, **({"sources": sources} if sources else {})}
        return json.loads(json.dumps(plan | {"runs": [job.label for job in jobs]}))  # with lists for tuples

    def check(self, folder: Path) -> list[Job]:
        """Return the runs of the study in a folder: a new one, or the one where this study was begun.

        No file is written yet.

        A study can grow: more experiments, seeds or values than before are added to it. With more epochs or steps than
        before, its runs are continued.
        Errors     OptionError if the folder holds another study, or something else, or a file of yours has changed
        """
        folder = make_folder(folder)
        jobs = self.jobs(folder)
        if (folder / FILE).exists():
            require_same_study(folder, self.plan(jobs))
            require_possible_ends(folder, jobs)
        elif any(not is_leftover(path) for path in folder.iterdir()):
            raise OptionError(
                f"the folder {printable(folder)} is not empty, and holds no study ({FILE}). Choose another one: "
                "--out DIR."
            )
        return jobs

    def open(self, folder: Path) -> list[Job]:
        """Check the folder of the study as `check` does, write study.json there, and return the runs."""
        jobs = self.check(folder)
        with atomic_write(as_path(folder) / FILE) as file:
            file.write((json.dumps(self.plan(jobs), indent=2) + "\n").encode())
        return jobs


def require_judged(name, dataset):
    """Raise OptionError for an experiment whose samples the metrics cannot judge."""
    if dataset in stacked.SOURCES:
        raise OptionError(
            f"study: {name} trains on {dataset}, of which only the modes are counted. Train it by itself, then count "
            "them: python -m minigan evaluate RUN."
        )


def require_lists(**options):
    for name, value in options.items():
        if not isinstance(value, (tuple, list)):
            raise OptionError(f"study: expected {name} as a list, got {shown(value)}.")


def require_different(kind, values):
    """Raise OptionError if two values are equal."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise OptionError(f"study: the {kind} {shown(value)} is given twice. Each run is trained once.")


def longer_study(folder, how):
    """Return the error for a folder whose study is longer than the one that is wanted there; how: in which way."""
    return OptionError(
        f"{printable(folder)} holds a longer study: {how}. A study can be continued to a later end, not to an earlier "
        "one. For shorter runs, choose another folder: --out DIR."
    )


def require_possible_ends(folder, jobs):
    """Raise OptionError if a run in the folder cannot end where this study wants it to end.

    A run does not become shorter than it is, or than it was planned; and where learning rates fall to the end that was
    planned, it does not become longer.
    """
    for job in jobs:
        row = read_result(Path(job.path))
        if row and job.is_exceeded(row):
            raise longer_study(folder, f"{job.label} has taken {row['steps']:,} steps, in {row['epochs']:g} epochs")
        try:
            _, config = RunFolder.open(job.path)
        except CheckpointError:  # it has not begun, or is damaged: then the run itself will say so
            continue
        for name in ENDS:
            there, here = getattr(config, name), getattr(job, name)
            if is_later(there, here):
                raise longer_study(folder, f"{job.label} is planned for {there:,} {name}, here it is {here:,}")
        try:
            require_right(replace(config, **later_ends(job, config)))
        except OptionError as error:
            raise OptionError(f"{printable(job.path)}: {error}") from None


def is_later(end, other):
    """Return whether an end, in epochs or steps, lies behind another one; both can be None: no end is set."""
    return end is not None and other is not None and end > other


def later_ends(job, config):
    """Return {"epochs": ..., "steps": ...}: those of a job that lie behind the ends in the config of its run."""
    return {name: getattr(job, name) for name in ENDS if is_later(getattr(job, name), getattr(config, name))}


def require_same_study(folder, plan):
    """Raise OptionError unless the study in the folder has the settings and files of this plan, and no other runs."""
    path, settings, labels, sources = folder / FILE, plan["settings"], plan["runs"], plan.get("sources", {})
    try:
        before = json.loads(read_file(path, LIMIT))
        known, runs = before["settings"], before["runs"]
        right = before["format"] == FORMAT and isinstance(known, dict) and all(isinstance(run, str) for run in runs)
    except (ValueError, RecursionError, KeyError, TypeError):
        right = False
    if not right:
        raise CheckpointError(f"{printable(path)}: not the file of a study. Choose another folder: --out DIR.")
    for key, value in settings.items():
        there = known.get(key)
        if key == "epochs" and None in (there, value):  # each experiment has its own then: require_possible_ends
            continue
        if key in ENDS and is_integer(there) and is_integer(value):
            if value < there:
                raise longer_study(folder, f"there {key} is {there:,}, here {value:,}")
        elif there != value:
            raise OptionError(
                f"{printable(folder)} holds another study: there {key} is {quoted(there)}, here "
                f"{quoted(value)}. Continue a study with its own settings, or choose another folder: --out DIR."
            )
    gone = [run for run in runs if run not in set(labels)]
    if gone:
        raise OptionError(
            f"{printable(folder)} holds another study: it has {len(gone)} runs that this command does not have, such "
            f"as {quoted(gone[0])}. Give the same experiments, seeds and options (more may be added), or choose "
            "another folder: --out DIR."
        )
    require_same_files(folder, path, before.get("sources", {}), sources)
