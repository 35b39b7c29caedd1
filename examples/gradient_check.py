"""Check two layers: one whose backward pass is right, and one with a common mistake.

    python examples/gradient_check.py

The broken layer is a BatchNorm. Its backward forgets that the variance depends on x. It trains, but worse. A check
with an upstream gradient of ones would not find the mistake. This program shows what check_gradients says about it.
"""

import argparse

from minigan.checks import check_gradients
from minigan.cli.program import run_program
from minigan.errors import GradientError
from minigan.layers import BatchNorm


class BrokenBatchNorm(BatchNorm):
    """Here dx = gamma / sqrt(var + epsilon) (dy - mean(dy)). The term - xhat mean(dy xhat) is missing."""

    def backward(self, dy, param_grads=True, input_grad=True):
        # r = 1 / sqrt(var + epsilon); m: how many rows, or None if it was not in training
        xhat, r, m = self.saved(dy)
        if param_grads:
            self.add_grad("beta", dy.sum(axis=0))
            self.add_grad("gamma", (dy * xhat).sum(axis=0))
        if not input_grad:
            return None
        if m is None:
            return dy * self.params["gamma"] * r
        return self.params["gamma"] * r * (dy - dy.mean(axis=0))


def main(options):
    print("The right layer:\n")
    print(check_gradients(BatchNorm(), (4,)))
    print("\nThe broken layer:\n")
    try:
        check_gradients(BrokenBatchNorm(), (4,))
    except GradientError as error:
        print(error)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check a layer that is right, and one with a common mistake.")
    run_program(main, parser.parse_args())
