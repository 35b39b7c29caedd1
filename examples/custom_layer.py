"""Write a layer of your own, check its backward pass, then train with it.

    python examples/custom_layer.py

The layer is Swish with a learned slope (Ramachandran et al. 2017, arXiv:1710.05941):

    Forward    y = x s,   s = sigmoid(b x)                                     b: one number per unit
    Backward   (1) db = sum_n dy x^2 s (1 - s)                                 since ds/db = x s (1 - s)
               (2) dx = dy (s + b x s (1 - s))                                 product rule, ds/dx = b s (1 - s)
"""

import argparse

import numpy as np

from minigan import Sequential, data
from minigan.checks import check_layer
from minigan.cli.arguments import positive
from minigan.cli.program import run_program
from minigan.initializers import Ones
from minigan.layers import Dense, Flatten, Layer
from minigan.losses import SoftmaxCrossEntropy
from minigan.ops.sigmoid import sigmoid
from minigan.optimizers import Adam


class Swish(Layer):
    """y = x sigmoid(b x) with a learned b for each unit."""

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.add_param("b", input_shape, Ones(), rng)
        return input_shape

    def forward(self, x, training=False):
        self.check_input(x)
        z = self.params["b"] * x
        s = sigmoid(z)
        self.save_for_backward(x, s, s * sigmoid(-z))  # sigmoid(-z) is 1 - s, but keeps digits that 1 - s loses
        return x * s

    def backward(self, dy, param_grads=True, input_grad=True):
        x, s, slope = self.saved(dy)  # slope = s (1 - s), of the sigmoid at b x
        if param_grads:
            self.add_grad("b", (dy * x * x * slope).sum(axis=0))  # (1)
        return dy * (s + self.params["b"] * x * slope) if input_grad else None  # (2)


def main(options):
    print(check_layer(Swish, input_shape=(5,)))

    digits, rng = data.load("digits"), np.random.default_rng(0)
    order = rng.permutation(len(digits))
    train, test = order[:9000], order[9000:]
    net = Sequential([Flatten(), Dense(128), Swish(), Dense(10)], input_shape=(28, 28, 1), seed=0)
    optimizer, loss_of = Adam(net, lr=1e-3, beta1=0.9), SoftmaxCrossEntropy()
    for step in range(1, options.steps + 1):
        batch = rng.choice(train, 100, replace=False)
        logits = net.forward(data.scale(digits.images[batch]), training=True)
        loss, dlogits = loss_of(logits, digits.labels[batch])
        net.zero_grads()
        net.backward(dlogits, input_grad=False)
        optimizer.step()
        if step % 100 == 0 or step == options.steps:
            answers = net.predict(data.scale(digits.images[test])).argmax(axis=1)
            right = (answers == digits.labels[test]).mean()
            print(f"step {step:4}   loss {loss:.3f}   right on {len(test)} unseen digits: {right:.1%}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Check a layer of your own, then train with it.")
    parser.add_argument("--steps", type=positive, default=500, help="default: 500")
    run_program(main, parser.parse_args())
