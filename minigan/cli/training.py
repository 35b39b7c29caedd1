"""train and resume: a run from its beginning, or from where it stopped."""

import shlex
import sys
from pathlib import Path

from minigan import machine
from minigan.cli.arguments import add_option, positive
from minigan.experiments import find
from minigan.training.folder import RunFolder
from minigan.training.loop import begin, reopen


def add_to(commands):
    train = commands.add_parser("train", help="train an experiment: a new run in a folder of its own")
    train.add_argument("name", help="an experiment, see list")
    for name in ("--dataset", "--data-dir", "--epochs", "--steps", "--batch-size", "--seed", "--device", "--quiet"):
        add_option(train, name)
    train.add_argument("--out", type=Path, metavar="DIR", help="folder of the run, default out/NAME-seedSEED")
    train.add_argument(
        "--every", type=positive, metavar="N", default=1, help="epochs from one grid of samples to the next"
    )
    train.add_argument("--tensorboard", action="store_true", help="write events for TensorBoard, too")
    train.set_defaults(command=train_run)

    resume = commands.add_parser("resume", help="go on with a run that was stopped or killed, bit for bit")
    resume.add_argument("run", type=Path, help="the folder of the run")
    for name in ("--epochs", "--steps"):
        add_option(resume, name, help="another end than the run was started with")
    add_option(resume, "--device", default=None, help="default: the one of before")
    add_option(resume, "--data-dir", help="folder of the data set's files, if they were moved")
    add_option(resume, "--quiet")
    resume.set_defaults(command=resume_run)


def train_run(args):
    experiment = find(args.name)
    training = begin(
        experiment,
        args.out or Path("out") / f"{experiment.name}-seed{args.seed}",
        dataset=args.dataset,
        data_dir=args.data_dir,
        seed=args.seed,
        device=args.device,
        epochs=args.epochs,
        steps=args.steps,
        batch_size=args.batch_size,
        every=args.every,
        tensorboard=args.tensorboard,
    )
    return finish(training, args.quiet)


def resume_run(args):
    _, config = RunFolder.open(args.run)
    machine.take_threads_of(config.machine)
    training = reopen(args.run, args.epochs, args.steps, args.device, args.data_dir)
    return finish(training, args.quiet)


def finish(training, quiet):
    """Train to the end; the exit code is 0 there, and 128 + the number of the signal that stopped it."""
    if not quiet:
        tell_of_load()
    signal = training.run(quiet)
    path = training.folder.path
    if signal:
        print(f"stopped after {training.step:,} steps; go on with: python -m minigan resume {shlex.quote(str(path))}")
        return 128 + signal
    print(f"{training.step:,} steps: pictures, history and both networks are in {path.resolve()}")
    return 0


def tell_of_load():
    """Say so where other programs compute beside the threads of BLAS."""
    threads, cores = machine.known(machine.blas_threads), machine.known(machine.usable_cores)
    advice = machine.load_advice(threads, cores, machine.load(), machine.chosen_threads())
    if advice:
        sys.stderr.write(f"note: {advice}\n")
