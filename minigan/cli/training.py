"""The commands train and resume: start a new run, or continue a run that was stopped."""

import shlex
import sys
from pathlib import Path

from minigan import machine
from minigan.cli.arguments import DATA, add_option, add_recipe, add_source, data_options, positive, with_recipe
from minigan.cli.opening import sources_of
from minigan.errors import MiniganError
from minigan.experiments.catalogue import like_the_report
from minigan.experiments.from_files import find_or_hint, from_file, names_a_file
from minigan.experiments.variants import SEPARATOR
from minigan.parallel.mpi import ONE, started
from minigan.training.folder import RunFolder, folder_name
from minigan.training.loop import resume_run, start_run

LONGEST = 150  # letters of a folder's name; most systems allow 255 bytes


def add_to(commands):
    train = commands.add_parser("train", help="train an experiment: start a new run, in a new folder")
    train.add_argument("name", help="the name of an experiment: python -m minigan list; or your own: my_gan.py:NAME")
    options = ("--dataset", "--data-dir", "--epochs", "--steps", "--batch-size", "--seed", "--device", "--workers")
    for name in (*options, *DATA, "--quiet"):
        add_option(train, name)
    add_recipe(train)
    train.add_argument(
        "--like-the-report",
        action="store_true",
        help="with the setting that gives what the report saw, where ours does not: train A1 --like-the-report is "
        "train A1-as-reported",
    )
    train.add_argument("--out", type=Path, metavar="DIR", help="the folder of the run; default: out/NAME-seedSEED")
    train.add_argument(
        "--every", type=positive, metavar="N", default=1, help="draw a grid of samples after every N epochs; default: 1"
    )
    add_option(train, "--judge-every")
    add_option(train, "--judge-samples")
    add_option(train, "--no-report")
    train.add_argument("--tensorboard", action="store_true", help="also write events for TensorBoard")
    train.set_defaults(command=train_command, shared=True)

    resume = commands.add_parser("resume", help="continue a run that was stopped or killed, bit for bit")
    resume.add_argument("run", type=Path, help="the folder of the run")
    for name in ("--epochs", "--steps"):
        add_option(resume, name, help="end the run later than it was started with")
    add_option(resume, "--device", default=None, help="default: the device that the run used before")
    add_option(resume, "--workers", default=None, help="default: as many as the run had before")
    add_option(resume, "--data-dir", help="the folder of the data set's files, if they were moved")
    add_option(resume, "--judge-every")
    add_option(resume, "--judge-samples")
    add_source(resume)
    add_option(resume, "--quiet")
    add_option(resume, "--no-report")
    resume.set_defaults(command=resume_command, shared=True)


def train_command(args):
    name = like_the_report(with_recipe(args)) if args.like_the_report else with_recipe(args)
    source = from_file(name) if names_a_file(name) else None
    experiment = source.experiment if source else find_or_hint(name)
    tell_of_size(experiment, args.image_size)
    training = start_run(
        experiment,
        args.out or default_folder(experiment, args.seed),
        dataset=args.dataset,
        data_dir=args.data_dir,
        seed=args.seed,
        device=args.device,
        workers=args.workers,
        data_options=data_options(args),
        watchers=source.watchers if source else (),
        source=source,
        epochs=args.epochs,
        steps=args.steps,
        batch_size=args.batch_size,
        every=args.every,
        tensorboard=args.tensorboard,
        judge_every=args.judge_every,
        judge_samples=args.judge_samples,
    )
    return finish(training, args.quiet, not args.no_report)


def resume_command(args):
    if started() == ONE:
        _, config = RunFolder.open(args.run)
        if config.sharers == "1 worker":  # several have one BLAS thread each, which says nothing about the cores
            machine.take_threads_of(config.machine)
    (source,) = sources_of([args.run], args)
    training = resume_run(
        args.run,
        args.epochs,
        args.steps,
        args.device,
        args.data_dir,
        experiment=source.experiment if source else None,
        workers=args.workers,
        watchers=source.watchers if source else (),
        judge_every=args.judge_every,
        judge_samples=args.judge_samples,
    )
    return finish(training, args.quiet, not args.no_report)


def default_folder(experiment, seed):
    """Return the folder of a run of which nobody says where it is: no name leads out of out/."""
    name = folder_name(experiment.name)[:LONGEST].lstrip(".") or "own"
    return Path("out") / f"{name}-seed{seed}"


def finish(training, quiet, with_report=True):
    """Train to the end and return the exit code: 0, or 128 + the number of the signal that stopped the run."""
    if not quiet:
        config = training.config
        if training.step >= config.total_steps:
            sys.stderr.write(
                f"{config.experiment}: all {config.total_steps:,} steps are taken, so only the pictures are drawn "
                "again. To go on: --epochs N or --steps N, a later end than before\n"
            )
        else:
            sys.stderr.write(f"{config.experiment}: {config.total_steps:,} steps on {place(config)}\n")
        if config.sharers == "1 worker":
            tell_of_load()
    signal = training.run(quiet)
    path = training.folder.path
    if signal:
        print(
            f"stopped after {training.step:,} steps; continue with: python -m minigan resume {shlex.quote(str(path))}"
        )
        return 128 + signal
    page = with_report and training.group.rank == 0 and has_page(path, training.experiment)
    where = f"{path.resolve()}{' (its page: report.html)' if page else ''}"
    print(f"finished after {training.step:,} steps; pictures, history and both networks are in {where}")
    return 0


def has_page(path, experiment):
    """Write the page of a finished run. Where this fails, write a note and return False: the run is finished anyway."""
    from minigan.report.writing import renew_report

    try:
        renew_report(path, experiment)
    except MiniganError as error:
        sys.stderr.write(f"note: no page of this run could be written: {error}\n")
        return False
    return True


def tell_of_size(experiment, image_size):
    """Write a note if there are networks that suit the size of the images better."""
    if experiment.name.partition(SEPARATOR)[0] == "dcgan" and image_size is not None and min(image_size) >= 32:
        better = min((32, 64, 128), key=lambda size: abs(size - max(image_size)))
        sys.stderr.write(
            f"note: the networks of dcgan are made for 28 x 28 pixels. Those of dcgan-{better} suit larger images.\n"
        )


def place(config):
    """Return where a run computes, in words."""
    where = "the GPU" if config.device == "gpu" else "the CPU"
    return where if config.sharers == "1 worker" else f"{where}, {config.sharers} share each batch"


def tell_of_load():
    """Write a note if other programs compete with the threads of BLAS."""
    threads, cores = machine.known(machine.blas_threads), machine.known(machine.usable_cores)
    advice = machine.load_advice(threads, cores, machine.load(), machine.chosen_threads())
    if advice:
        sys.stderr.write(f"note: {advice}\n")
