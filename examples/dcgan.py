"""Train a convolutional GAN on digits, clothes or colour images.

    python examples/dcgan.py                                          built-in digits, five to ten minutes
    python examples/dcgan.py --generator upsampling --dataset fashion-mnist
    python examples/dcgan.py --experiment C1 --dataset mnist              a report's experiment
    python examples/dcgan.py --dataset cifar10 --data-dir DIR

Into --out go the same pictures and files as from examples/mlp_gan.py.
"""

import argparse

from minigan import data
from minigan.cli.arguments import add_run_arguments
from minigan.cli.program import run_program
from minigan.experiments import find
from minigan.training.example_run import ExampleRun


def main(args):
    experiment = find(args.experiment or default_experiment(args.dataset, args.generator))
    with ExampleRun(experiment, args) as run:
        for _ in range(run.epochs):
            for batch in data.batches(run.images, run.batch_size, run.rng, *experiment.data_range):
                run.after_step(*run.gan.train_step(batch))
            run.after_epoch()
    return run.finish()


def default_experiment(dataset, generator):
    """The experiment for a data set whose generator enlarges by transposed convolutions, or by upsampling."""
    color = dataset in ("cifar10", "svhn")
    if generator == "upsampling":
        return "E8-upsampling" if color else "upsampling-gan"
    return "E8" if color else "dcgan"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a convolutional GAN.")
    add_run_arguments(parser, out="out/dcgan")
    parser.add_argument(
        "--generator",
        choices=("transpose", "upsampling"),
        default="transpose",
        help="how images grow, where no --experiment is given; default: transposed convolutions",
    )
    run_program(main, parser.parse_args())
