"""Start a run, or resume it from its newest checkpoint. How it trains then stands in trainer.py."""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from minigan import backend
from minigan.errors import OptionError
from minigan.experiments import Experiment
from minigan.experiments.from_files import Source
from minigan.files import as_path
from minigan.hints import PathLike, Seed
from minigan.options import hint, require_instance
from minigan.parallel import processes
from minigan.training import sharing
from minigan.training.config import JUDGE_SAMPLES, RunConfig, absolute, require_right, versions, warn_of_earlier_end
from minigan.training.folder import RunFolder
from minigan.training.judging import require_judgeable
from minigan.training.run_data import checksum, classes_for, require_same_images
from minigan.training.settings import require_same, settings_of
from minigan.training.trained import experiment_of
from minigan.training.trainer import Training
from minigan.training.watchers import Watcher
from minigan.training.watchers.own import checked_watchers
from minigan.training.watchers.tensorboard import summary_writer

OPTIONS = ("epochs", "steps", "batch_size", "every", "tensorboard")  # of start_run, besides those that it names
OLD_NAMES = {"begin": "start_run", "reopen": "resume_run"}  # of minigan 0.1; they work for one release


def __getattr__(name):
    """Return the function that an old name stands for, with a warning."""
    if name not in OLD_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    new = OLD_NAMES[name]
    warnings.warn(f"{__name__}.{name} is now {new}.", DeprecationWarning, stacklevel=2)
    return globals()[new]


def start_run(
    experiment: Experiment,
    out: PathLike,
    dataset: str | None = None,
    data_dir: PathLike | None = None,
    seed: Seed = 0,
    device: str = "auto",
    workers: int | str = "auto",
    data_options: dict | None = None,
    watchers: Sequence[Watcher] = (),
    source: Source | None = None,
    judge_every: int | None = None,
    judge_samples: int | None = None,
    **options: Any,
) -> Training:
    """Return a new run of an experiment in the folder `out`, ready to train. If anything is wrong, nothing is written.

    experiment one that `find` returns, or an Experiment of your own
    data_options  how to load the images, as for `data.load`: {"image_size": 64}
    workers    how many threads share each batch; "auto": as many as BLAS has, if a batch is worth it. In a program that
               mpirun has started, processes share it instead
    watchers   watchers of your own, which see each step: [MyWatcher()]
    source   the file that the experiment comes from, as `from_file` returns it: its text is kept in the folder
    judge_every    after every so many epochs, and after the last step, the metrics of `evaluate` judge samples of the
               run; their rows are in metrics.csv. None: never
    judge_samples  how many samples then; 2,000 by default
    options    epochs, steps, batch_size, every, tensorboard; by default, or if None, those of the experiment
    Errors     OptionError for options that are unknown or out of range, and for a folder that is not empty; FileError
               if it cannot be written or is in use; those of `data.load`
    """
    experiment = require_instance("start_run", Experiment, 'find("A4")', experiment=experiment)
    require_known(options)
    if source is not None:
        require_instance("start_run", Source, 'from_file("my_gan.py")', source=source)
    out, group, watchers = as_path(out), processes(), checked_watchers(watchers)
    dataset_name = experiment.dataset if dataset is None else dataset
    dataset = sharing.load_in_turn(group, dataset_name, data_dir, experiment.data_options(data_options))
    options = {name: value for name, value in options.items() if value is not None}
    xp = backend.device_module(device)
    device, group = backend.device_name(xp), group.on(xp)
    config = RunConfig(
        experiment=experiment.name,
        dataset=dataset_name,
        data_dir=absolute(data_dir),
        images=len(dataset),
        image_shape=list(dataset.images.shape[1:]),
        images_md5=checksum(experiment, dataset),
        classes=classes_for(experiment, dataset),
        data_options=dataset.options,
        epochs=options.pop("epochs", experiment.epochs),
        steps=options.pop("steps", None),
        batch_size=options.pop("batch_size", experiment.batch_size),
        seed=seed,
        device=device,
        versions=versions(device),
        source=None if source is None else source.record,
        judge_every=judge_every,
        judge_samples=JUDGE_SAMPLES if judge_samples is None else judge_samples,
        **options,
    )
    require_right(config)
    require_judging(config, dataset, judge_samples)
    if config.batch_size > len(dataset):
        raise OptionError(
            f"batch_size is {config.batch_size}, but {dataset_name} has only {len(dataset)} images here, so no batch "
            f"would be full. Choose a --batch-size of at most {len(dataset)}."
        )
    warn_of_earlier_end(config, config.epochs, config.steps)
    if experiment.lr_schedule != "constant":
        config.lr_steps = config.total_steps
    gan = experiment.make_gan(
        dataset.images.shape[1:], config.seed, config.device, config.schedule_steps, config.classes
    )
    config.settings = settings_of(experiment, gan)
    sharing.require_same_run(config, group)
    sharing.set_workers(gan, config, workers, group)
    config.machine = sharing.numerics(config.workers)
    if config.tensorboard and group.rank == 0:
        summary_writer()  # before anything is written: without it the run cannot be trained
    content = None if source is None else source.content
    folder = RunFolder.create(out, config, content) if group.rank == 0 else sharing.FolderElsewhere(out)
    return Training(folder, config, experiment, dataset, gan, watchers)


def require_known(options):
    """Raise OptionError for options that `start_run` does not have."""
    named = [name for name in inspect.signature(start_run).parameters if name != "options"]
    for name in options:
        if name not in OPTIONS:
            raise OptionError(
                f"start_run: there is no option {name!r}: expected {', '.join(named[2:])}, {', '.join(OPTIONS)}."
                f"{hint(name, [*named, *OPTIONS])}"
            )


def require_judging(config, dataset, judge_samples):
    """Raise OptionError unless the samples of the run can be judged as it wants; judge_samples: what was asked for."""
    if config.judge_every is not None:
        require_judgeable(dataset, config.judge_samples, "judge_samples")
    elif judge_samples is not None:
        raise OptionError(
            "judge_samples (--judge-samples) says how many samples are judged, but not when. Give judge_every, too: "
            "--judge-every N."
        )


def resume_run(
    path: PathLike,
    epochs: int | None = None,
    steps: int | None = None,
    device: str | None = None,
    data_dir: PathLike | None = None,
    experiment: Experiment | None = None,
    workers: int | str | None = None,
    watchers: Sequence[Watcher] = (),
    judge_every: int | None = None,
    judge_samples: int | None = None,
) -> Training:
    """Return the run in a folder, ready to continue from its newest undamaged checkpoint. The folder is locked.

    epochs, steps            a later end than in config.json
    device, workers          another device, or another number of workers, than in config.json
    data_dir                 the folder of the data set's files, if they were moved
    experiment               the Experiment of your own that the run was started with; minigan's are found by name
    watchers                 watchers of your own, which see each step from now on
    judge_every, judge_samples   judge the samples from now on, or in another way than in config.json; as for start_run
    Errors     FileError if another process trains there; CheckpointError if something does not fit
    """
    group, watchers = processes(), checked_watchers(watchers)
    folder = RunFolder.open(path)[0] if group.rank == 0 else sharing.FolderElsewhere(path)
    folder.lock()
    try:
        judging = judge_every, judge_samples
        return resume_owned(folder, group, epochs, steps, device, data_dir, experiment, workers, watchers, judging)
    except BaseException:
        folder.release()
        raise


def resume_owned(folder, group, epochs, steps, device, data_dir, experiment, workers, watchers, judging):
    """Do the work of `resume_run` in a folder that is locked, so that nobody else changes it."""
    folder.refuse_links()
    config = group.broadcast(RunFolder.open(folder.path)[1] if group.rank == 0 else None)
    experiment = experiment_of(folder, config, experiment)
    config.data_dir = config.data_dir if data_dir is None else absolute(data_dir)
    config.epochs = config.epochs if epochs is None else epochs
    config.steps = config.steps if steps is None else steps
    judge_every, judge_samples = judging
    config.judge_every = config.judge_every if judge_every is None else judge_every
    config.judge_samples = config.judge_samples if judge_samples is None else judge_samples
    require_right(config)
    dataset = sharing.load_in_turn(group, config.dataset, config.data_dir, config.data_options)
    trouble = f"{folder.path}: the images of {config.dataset} are not the ones that this run was started with"
    require_same_images(config, experiment, dataset, trouble, "Or train again into another folder.")
    if judging != (None, None):
        require_judging(config, dataset, judge_samples)
    warn_of_earlier_end(config, epochs, steps)
    before = config.device, config.sharers
    xp = backend.device_module(config.device if device is None else device)
    config.device, group = backend.device_name(xp), group.on(xp)
    shape, steps = dataset.images.shape[1:], config.schedule_steps
    gan = experiment.make_gan(shape, config.seed, config.device, steps, config.classes)
    settings = settings_of(experiment, gan)
    require_same(config.settings, settings, folder.path / "config.json", f"the experiment {experiment.name!r}")
    sharing.require_same_run(config, group)
    if workers is None:  # threads have nothing to share on a GPU, nor where processes share
        workers = config.workers if config.device == "cpu" and group.size == 1 else 1
    sharing.set_workers(gan, config, workers, group)
    folder.make_folders()
    training = Training(folder, config, experiment, dataset, gan, watchers)
    training.restore()
    if training.step > config.total_steps:
        raise OptionError(
            f"{folder.path} has already taken {training.step:,} steps, so it cannot end after {config.total_steps:,}."
        )
    training.note_changes(*before, versions(config.device), sharing.numerics(config.workers))
    config.settings = settings
    folder.write_config(config)
    return training
