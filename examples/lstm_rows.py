"""Read a digit row by row with an LSTM, and say which digit it is.

    python examples/lstm_rows.py                                 9,000 built-in digits, about a minute

The network sees one row of 28 pixels after the other, from top to bottom. It must remember in its state what it has
seen. At the end, only the last state gives the answer.
"""

import numpy as np
from tqdm.auto import tqdm

from minigan import Sequential, backend, data
from minigan.cli.arguments import example_options
from minigan.cli.program import run_program
from minigan.errors import DataError
from minigan.layers import LSTM, Dense, Reshape
from minigan.losses import SoftmaxCrossEntropy
from minigan.optimizers import Adam, clip_grad_norm

EPOCHS, BATCH_SIZE, UNITS, LEARNING_RATE, MAX_GRAD_NORM = 5, 100, 128, 2e-3, 1.0


def main(options):
    digits = data.load(options.dataset, directory=options.data_dir, **options.data_options)
    if digits.labels is None:
        raise DataError("these images have no labels: put the pictures of each class into a folder of their own.")
    images, labels = digits.images, digits.labels.astype("int64")
    height, width, channels = images.shape[1:]
    layers = [Reshape((height, width * channels)), LSTM(UNITS), Dense(len(digits.classes))]
    net = Sequential(layers, images.shape[1:], seed=options.seed, device=options.device)
    net.parallel(options.workers)
    loss, optimizer = SoftmaxCrossEntropy(), Adam(net, lr=LEARNING_RATE, beta1=0.9)
    rng = np.random.default_rng(options.seed)
    order = rng.permutation(len(images))
    held_out = len(order) // 10
    train, test = order[:-held_out], order[-held_out:]
    train_images = backend.to_device(images[train], net.xp)

    for epoch in range(1, options.epochs + 1):
        batches = data.labelled_batches(train_images, labels[train], options.batch_size, rng, low=0, high=1)
        steps = len(train) // options.batch_size
        for x, targets in tqdm(batches, f"epoch {epoch} of {options.epochs}", total=steps, unit="step"):
            value, dlogits = loss(net.forward(x, training=True), backend.to_device(targets, net.xp))
            net.zero_grads()
            net.backward(dlogits, input_grad=False)
            clip_grad_norm(net, MAX_GRAD_NORM)  # gradients through many steps can grow large
            optimizer.step()
        logits = backend.to_cpu(net.predict(backend.to_device(data.scale(images[test], 0, 1), net.xp)))
        right = float((logits.argmax(axis=1) == labels[test]).mean())
        print(f"epoch {epoch}: loss {float(value):.3f}, {right:.2%} of {len(test):,} unseen images read right")


if __name__ == "__main__":
    run_program(main, example_options("Read digits row by row.", EPOCHS, BATCH_SIZE))
