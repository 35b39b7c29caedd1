"""Train an MLP-GAN that writes digits, and watch it learn.

    python examples/mlp_gan.py                                        built-in digits, two to four minutes
    python examples/mlp_gan.py --experiment A4 --dataset mnist            a report's experiment, all 60,000 digits
    python examples/mlp_gan.py --help

Into --out go a sample grid per epoch (the same latents every time), the loss curves, real digits beside generated
ones, an animation of the learning, and both networks. For runs that can be resumed: python -m minigan train
"""

import argparse

from minigan import data
from minigan.cli.arguments import add_run_arguments
from minigan.cli.program import run_program
from minigan.experiments import find
from minigan.training.example_run import ExampleRun


def main(args):
    experiment = find(args.experiment)
    with ExampleRun(experiment, args) as run:
        for _ in range(run.epochs):
            for batch in data.batches(run.images, run.batch_size, run.rng, *experiment.data_range):
                run.after_step(*run.gan.train_step(batch))
            run.after_epoch()
    return run.finish()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train an MLP-GAN that writes digits.")
    add_run_arguments(parser, out="out/mlp_gan", experiment="mlp-gan")
    run_program(main, parser.parse_args())
