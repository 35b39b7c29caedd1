"""Train a network to read digits, and test it on images that it has never seen.

    python examples/classifier.py                                an MLP on 9,000 built-in digits, half a minute
    python examples/classifier.py --network cnn                  a small convolutional network
    python examples/classifier.py --network cnn --dataset mnist  all of MNIST: 60,000 digits, and 10,000 for the test

The network gives ten numbers for an image, one logit for each digit. The largest logit is its answer.
"""

import numpy as np
from tqdm.auto import tqdm

from minigan import Sequential, backend, data
from minigan.cli.arguments import example_options
from minigan.cli.program import run_program
from minigan.errors import DataError
from minigan.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU
from minigan.losses import SoftmaxCrossEntropy
from minigan.optimizers import Adam

EPOCHS, BATCH_SIZE, LEARNING_RATE = 5, 100, 1e-3


def mlp(classes):
    """Return the layers of a network that sees an image as one row of numbers."""
    return [
        Flatten(),
        Dense(256),
        ReLU(),
        Dropout(0.2),
        Dense(128),
        ReLU(),
        Dense(classes),
    ]


def cnn(classes):
    """Return the layers of a network that looks at windows of 3 x 3 pixels, and halves the size of the image twice."""
    return [
        Conv2D(16, kernel_size=3),
        ReLU(),
        MaxPool2D(2),
        Conv2D(32, kernel_size=3),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dropout(0.3),
        Dense(128),
        ReLU(),
        Dense(classes),
    ]


def load(options):
    """Return the images and labels for training, those for the test, and the number of classes."""
    given = dict(name=options.dataset, directory=options.data_dir, **options.data_options)
    train = data.load(**given)
    if train.labels is None:
        raise DataError("these images have no labels: put the pictures of each class into a folder of their own.")
    images, labels = train.images, train.labels.astype("int64")
    classes = len(train.classes)
    try:
        test = data.load(**given, split="test")
        if test.labels is None:
            raise DataError("the test images have no labels.")
    except DataError as error:
        print(f"Every tenth image is put aside for the test: {error}")
        aside = np.arange(len(images)) % 10 == 0
        return images[~aside], labels[~aside], images[aside], labels[aside], classes
    return images, labels, test.images, test.labels.astype("int64"), classes


def accuracy(net, images, labels):
    """Return the share of images for which the largest logit belongs to the right class."""
    logits = net.predict(backend.to_device(data.scale(images, 0, 1), net.xp))
    return float((backend.to_cpu(logits).argmax(axis=1) == labels).mean())


def main(options):
    images, labels, test_images, test_labels, classes = load(options)
    layers = {"mlp": mlp, "cnn": cnn}[options.network](classes)
    net = Sequential(layers, images.shape[1:], seed=options.seed, device=options.device)
    net.parallel(options.workers)
    print(net.summary())
    loss, optimizer = SoftmaxCrossEntropy(), Adam(net, lr=LEARNING_RATE, beta1=0.9)
    images = backend.to_device(images, net.xp)
    rng = np.random.default_rng(options.seed)

    for epoch in range(1, options.epochs + 1):
        batches = data.labelled_batches(images, labels, options.batch_size, rng, low=0, high=1)
        steps = len(images) // options.batch_size
        for x, targets in tqdm(batches, f"epoch {epoch} of {options.epochs}", total=steps, unit="step"):
            logits = net.forward(x, training=True)
            value, dlogits = loss(logits, backend.to_device(targets, net.xp))
            net.zero_grads()
            net.backward(dlogits, input_grad=False)
            optimizer.step()

        right = accuracy(net, test_images, test_labels)
        print(f"epoch {epoch}: loss {float(value):.3f}, {right:.2%} of {len(test_labels):,} unseen images read right")


if __name__ == "__main__":
    run_program(
        main,
        example_options(
            "Train a network to read digits.",
            EPOCHS,
            BATCH_SIZE,
            network=dict(choices=("mlp", "cnn"), default="mlp", help="default: mlp"),
        ),
    )
