"""The small classifier through which images are compared: its training, its cache, its features."""

import hashlib
import json
import math
import re

import numpy as np
from tqdm.auto import tqdm

from minigan import Sequential, backend, data
from minigan.data import Dataset
from minigan.data.download import cache_folder
from minigan.errors import CheckpointError, DataError, FileError, ShapeError
from minigan.files import make_folder
from minigan.hints import Array, Seed
from minigan.layers import Conv2D, Dense, Flatten, LeakyReLU
from minigan.layers.base import saving_nothing
from minigan.losses import SoftmaxCrossEntropy
from minigan.memory import require_room
from minigan.metrics.images import as_floats, check_images
from minigan.optimizers import Adam
from minigan.options import require_built, require_count, require_flag, require_instance, require_seed

TRAINING = "minigan classifier 1"  # part of the cache's key: count up when train_classifier changes
BATCH_SIZE, LEARNING_RATE = 128, 1e-3
STEPS = 4 * 469  # 4 epochs of MNIST's 60,000 images; as many steps for every data set
LONGEST_NAME = 40  # characters of a data set's name that become part of a file's name


def make_classifier(image_shape, classes, seed=0):
    """Return a network, images -> logits: conv 5 x 5 s2 x 16 - conv 5 x 5 s2 x 32 - Dense 64 - Dense classes.

    Between them is LeakyReLU.
    """
    layers = [
        Conv2D(16, 5, strides=2),
        LeakyReLU(),
        Conv2D(32, 5, strides=2),
        LeakyReLU(),
        Flatten(),
        Dense(64),
        LeakyReLU(),
        Dense(classes),
    ]
    return Sequential(layers, image_shape, seed=seed)


def train_classifier(
    dataset: Dataset, seed: Seed = 0, steps: int = STEPS, device: str = "cpu", quiet: bool = False
) -> Sequential:
    """Return a classifier trained on the images and labels of `dataset`, by Adam on the softmax cross-entropy.

    The learning rate falls linearly to 0, so that the last batches do not have too much influence.
    Options    seed: of the weights and the order of the images; steps: batches of 128; quiet: no progress bar
    Errors     DataError if the data set has no labels
    """
    require_labels(dataset)
    seed, quiet = require_seed("train_classifier", seed=seed), require_flag("train_classifier", quiet=quiet)
    steps = require_count("train_classifier", steps=steps)
    require_room("train_classifier", f"the order of the images in {steps} steps", 8 * steps * BATCH_SIZE)
    net = make_classifier(dataset.images.shape[1:], len(dataset.classes), seed).to(device)
    optimizer, loss_of = Adam(net, lr=LEARNING_RATE, beta1=0.9), SoftmaxCrossEntropy()
    total, rng = steps * BATCH_SIZE, np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(len(dataset)) for _ in range(math.ceil(total / len(dataset)))])
    with tqdm(total=total, desc=f"classifier, {dataset.name}", unit=" images", unit_scale=True, disable=quiet) as bar:
        for step in range(steps):
            batch = order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]
            x = backend.to_device(as_floats(dataset.images[batch]), net.xp)
            labels = backend.to_device(dataset.labels[batch], net.xp)
            _, dlogits = loss_of(net.forward(x, training=True), labels)
            net.forget_grads()
            net.backward(dlogits, input_grad=False)
            optimizer.lr = LEARNING_RATE * (1 - step / steps)
            optimizer.step()
            bar.update(BATCH_SIZE)
    net.clear_cache()
    return net


def trained_classifier(dataset: Dataset, seed: Seed = 0, device: str = "cpu", quiet: bool = False) -> Sequential:
    """Return the classifier of `dataset`, from the cache folder, or trained and then stored there.

    The file's name contains a checksum of images, labels and recipe, so the classifier of other data is never used. A
    damaged file is replaced. With seed=None, which means another classifier each time, nothing is read or stored.
    Errors     DataError if the data set has no labels; FileError if the cache folder cannot be written to
    """
    require_labels(dataset)
    seed, quiet = require_seed("trained_classifier", seed=seed), require_flag("trained_classifier", quiet=quiet)
    if seed is None:
        return train_classifier(dataset, seed, STEPS, device, quiet)
    folder = cache_folder("classifiers")
    path = folder / f"{file_name(dataset.name)}-{key(dataset, seed)}.npz"
    if path.exists():
        try:
            return Sequential.load(path, device=device)
        except CheckpointError:
            pass  # damaged: trained again and replaced
    try:
        make_folder(folder)  # before the training, which would be lost
    except FileError as error:
        raise FileError(
            f"cannot write to the cache folder {folder}: {error.__cause__}. Choose another one with the environment "
            "variable MINIGAN_CACHE."
        ) from error
    net = train_classifier(dataset, seed, STEPS, device, quiet)
    net.save(path)
    return net


def require_labels(dataset):
    require_instance("classifier", data.Dataset, 'minigan.data.load("mnist")', dataset=dataset)
    if dataset.labels is None:
        raise DataError(
            f"{dataset.name}: the images have no labels. So no classifier can be trained on them, and samples cannot "
            "be judged by one. Use files with labels; in a folder of pictures, a subfolder for each class. Without "
            "labels, python -m minigan evaluate RUN (metrics.pixel_scores) measures distances of pixels."
        )


def file_name(name):
    """Return the name of a data set as a part of a file's name: short, and without what leads to another folder."""
    return re.sub("[^A-Za-z0-9_-]", "_", name)[:LONGEST_NAME]  # the checksum beside it tells equal ones apart


def key(dataset, seed):
    """Return 16 hex digits that depend on everything that the trained classifier depends on."""
    net = make_classifier(dataset.images.shape[1:], len(dataset.classes), seed)
    recipe = [TRAINING, net.config(), seed, STEPS, BATCH_SIZE, LEARNING_RATE, dataset.images.shape]
    total = hashlib.sha256(json.dumps(recipe).encode())
    for array in (dataset.images, dataset.labels):
        total.update(np.ascontiguousarray(array))
    return total.hexdigest()[:16]


def features_and_probabilities(classifier: Sequential, images: Array, batch_size: int = 250) -> tuple[Array, Array]:
    """Return the input of the classifier's last layer, and the softmax of its output.

    Shapes     images (n, h, w, c), bytes or floats in [-1, 1], on any device -> features (n, 64), probabilities
               (n, classes), NumPy float64
    """
    owner = "features_and_probabilities"
    require_instance(owner, Sequential, "trained_classifier(dataset)", classifier=classifier)
    require_built(owner, classifier=classifier)
    check_images(owner, images=images)
    batch_size, features, logits = require_count(owner, batch_size=batch_size), [], []
    if len(classifier.output_shape) != 1:
        raise ShapeError(f"{owner}: expected a classifier that ends in logits (n, k), got {classifier.output_shape}.")
    for start in range(0, len(images), batch_size):
        x = backend.to_device(as_floats(images[start : start + batch_size]), classifier.xp)
        x = x.astype(classifier.dtype, copy=False)
        classifier.check_input(x)
        *body, last = classifier.layers
        with saving_nothing():
            for layer in body:
                x = layer.forward(x)
            y = last.forward(x)
        features.append(backend.to_cpu(x).astype("float64"))
        logits.append(backend.to_cpu(y).astype("float64"))
    return np.concatenate(features), softmax(np.concatenate(logits))


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))  # exp of at most 0 cannot overflow
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def accuracy(classifier, dataset):
    """Return the share of the data set's images that the classifier puts into the right class."""
    _, probabilities = features_and_probabilities(classifier, dataset.images)
    return float((probabilities.argmax(axis=1) == dataset.labels).mean())
