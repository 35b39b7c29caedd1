"""train and resume: a run from its beginning, or from where it stopped."""

from pathlib import Path

from minigan import backend, data
from minigan.cli.arguments import positive
from minigan.experiments import find
from minigan.training.loop import begin, reopen


def add_to(commands):
    train = commands.add_parser("train", help="train an experiment: a new run in a folder of its own")
    train.add_argument("name", help="an experiment, see list")
    train.add_argument("--dataset", choices=data.NAMES, help="default: the experiment's own")
    train.add_argument("--data-dir", type=Path, help="folder of the data set's files; without it: cache or download")
    train.add_argument("--epochs", type=positive, help="default: the experiment's own")
    train.add_argument("--steps", type=positive, help="stop after so many steps, whatever the epochs")
    train.add_argument("--batch-size", type=positive, help="default: the experiment's own")
    train.add_argument("--seed", type=int, default=0, help="same seed, same run, bit for bit; default 0")
    train.add_argument("--device", choices=backend.DEVICES, default="auto", help="default: the GPU if there is one")
    train.add_argument("--out", type=Path, help="folder of the run, default out/NAME-seedSEED")
    train.add_argument("--every", type=positive, default=1, help="epochs from one grid of samples to the next")
    train.add_argument("--tensorboard", action="store_true", help="write events for TensorBoard, too")
    train.add_argument("--quiet", action="store_true", help="no progress bar")
    train.set_defaults(command=train_run)

    resume = commands.add_parser("resume", help="go on with a run that was stopped or killed, bit for bit")
    resume.add_argument("run", type=Path, help="the folder of the run")
    resume.add_argument("--epochs", type=positive, help="another end than the run was begun with")
    resume.add_argument("--steps", type=positive, help="another end than the run was begun with")
    resume.add_argument("--device", choices=backend.DEVICES, help="default: the one of before")
    resume.add_argument("--data-dir", type=Path, help="folder of the data set's files, if they were moved")
    resume.add_argument("--quiet", action="store_true", help="no progress bar")
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
    training = reopen(args.run, args.epochs, args.steps, args.device, args.data_dir)
    return finish(training, args.quiet)


def finish(training, quiet):
    """Train to the end; the exit code is 0 there, and 128 + the number of the signal that stopped it."""
    signal = training.run(quiet)
    path = training.folder.path
    if signal:
        print(f"stopped after {training.step:,} steps; go on with: python -m minigan resume {path}")
        return 128 + signal
    print(f"{training.step:,} steps: pictures, history and both networks are in {path.resolve()}")
    return 0
