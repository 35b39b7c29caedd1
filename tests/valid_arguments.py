"""Valid arguments for everything public: an example for each name of a parameter, or what is found by trying."""

import copy
import functools
import itertools

import numpy as np
from public_names import EMPTY, Entry, parameters_of

from minigan import layers, metrics, network, pictures
from minigan.data import Dataset
from minigan.errors import MiniganError
from minigan.gan import GAN, latent, objectives
from minigan.layers.base import Layer
from minigan.layers.branches import Branches
from minigan.parallel import ALONE
from minigan.schedules import Constant


def own_file(folder):
    """Return the path of a file that holds an Experiment."""
    path = folder / "own.py"
    path.write_text("from minigan.experiments import find\nEXPERIMENT = find('dcgan')\n", encoding="utf-8")
    return path


def safetensors_file(folder):
    """Return the path of a network as safetensors."""
    small_net().to_safetensors(folder / "net.safetensors")
    return folder / "net.safetensors"


def floats(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")


def small_net():
    return network.Sequential([layers.Dense(4), layers.LeakyReLU(), layers.Dense(2)], (3,))


def generator():
    return network.Sequential([layers.Dense(16), layers.Tanh(), layers.Reshape((4, 4, 1))], (3,))


def discriminator():
    return network.Sequential([layers.Flatten(), layers.Dense(1)], (4, 4, 1))


def dataset():
    rng = np.random.default_rng(0)
    return Dataset(
        "digits",
        "train",
        rng.integers(0, 256, (40, 8, 8, 1), "uint8"),
        np.arange(40, dtype="uint8") % 10,
        tuple("0123456789"),
    )


def classifier():
    return metrics.train_classifier(dataset(), steps=1, quiet=True)


class Cases:
    """What is expensive to make, made once."""

    def __init__(self):
        self.classifier = classifier()
        self.reference = metrics.Reference(dataset(), self.classifier, samples=20)
        self.figures = metrics.evaluate(floats(20, 8, 8, 1), self.reference)
        self.net_path = self.onnx_path = self.gan_path = self.png_path = None


def examples(cases, folder):
    """Return {parameter, or "Name.parameter": a function that makes a valid value}."""
    if cases.net_path is None:
        cases.net_path = folder / "net.npz"
        small_net().save(cases.net_path)
        cases.onnx_path = folder / "net.onnx"
        small_net().to_onnx(cases.onnx_path)
        cases.png_path = folder / "picture.png"
        pictures.save_png(cases.png_path, pictures.grid(floats(4, 4, 4, 1)))
        cases.gan_path = folder / "gan.npz"
        GAN(generator(), discriminator()).save(cases.gan_path)
    path = folder / "file"
    return {
        "units": lambda: 3,
        "filters": lambda: 2,
        "kernel_size": lambda: 3,
        "rate": lambda: 0.3,
        "GroupNorm.groups": lambda: 2,
        "target_shape": lambda: (2, 2),
        "layers": lambda: [layers.Dense(2)],
        "SpectralNorm.inner": lambda: layers.Dense(2),
        "Sequential.input_shape": lambda: (3,),
        "input_shape": lambda: (3,),
        "net": small_net,
        "lr": lambda: 0.01,
        "factor": lambda: 0.5,
        "schedule": lambda: Constant(0.01),
        "schedules": lambda: [Constant(0.01), Constant(0.02)],
        "at": lambda: [3],
        "t": lambda: 2,
        "max_norm": lambda: 1.0,
        "limit": lambda: 0.1,
        "generator": generator,
        "discriminator": discriminator,
        "GAN.latent": lambda: latent.Normal(3),
        "GAN.join.group": lambda: ALONE,
        "curves": lambda: {"D": ([1, 2, 3], [0.3, 0.2, 0.1])},
        "xlabel": lambda: "epoch",
        "ylabel": lambda: "eigenvalue",
        "GAN.objective": lambda: objectives.Hinge(),
        "logits": lambda: floats(4, 1),
        "targets": lambda: np.abs(floats(4, 1)),
        "Embedding.classes": lambda: 3,
        "ConcatenateLabel.classes": lambda: 3,
        "ConditionalBatchNorm.classes": lambda: 3,
        "Projection.classes": lambda: 3,
        "conditional_mlp_generator.classes": lambda: 3,
        "conditional_mlp_discriminator.classes": lambda: 3,
        "conditional_dcgan_generator.classes": lambda: 3,
        "conditional_dcgan_discriminator.classes": lambda: 3,
        "mode_scores.samples": lambda: floats(6, 8, 8, 3),
        "labelled_batches.images": lambda: dataset().images,
        "SoftmaxCrossEntropy.__call__.logits": lambda: floats(4, 3),
        "SoftmaxCrossEntropy.__call__.targets": lambda: np.array([0, 1, 2, 0]),
        "rng": lambda: np.random.default_rng(0),
        "start": lambda: floats(3),
        "end": lambda: floats(3) + 1,
        "steps": lambda: 3,
        "train_classifier.steps": lambda: 1,
        "quiet": lambda: True,
        "shape": lambda: (4, 3),
        "dtype": lambda: "float32",
        "n": lambda: 2,
        "Experiment.name": lambda: "mine",
        "networks": lambda: "two small ones",
        "claim": lambda: "none",
        "Experiment.generator": lambda: lambda image_shape: [layers.Dense(4), layers.Reshape((2, 2, 1))],
        "Experiment.discriminator": lambda: lambda image_shape: [layers.Flatten(), layers.Dense(1)],
        "Experiment.make_gan.image_shape": lambda: (2, 2, 1),
        "Experiment.make_networks.image_shape": lambda: (2, 2, 1),
        "Experiment.but.name": lambda: "other",
        "find.name": lambda: "dcgan",
        "from_file.text": lambda: own_file(folder),
        "Sequential.from_safetensors.path": lambda: safetensors_file(folder),
        "load.name": lambda: "digits",
        "from_arrays.images": lambda: dataset().images,
        "from_arrays.labels": lambda: None,
        "directory": lambda: None,
        "scale.images": lambda: dataset().images,
        "batches.images": lambda: dataset().images,
        "batch_size": lambda: 5,
        "images": lambda: floats(4, 4, 4, 1),
        "save_side_by_side.images": lambda: {"raw": floats(4, 4, 4, 1), "averaged": floats(4, 4, 4, 1)},
        "features_and_probabilities.images": lambda: dataset().images,
        "path": lambda: path,
        "Sequential.load.path": lambda: cases.net_path,
        "Sequential.from_onnx.path": lambda: cases.onnx_path,
        "folder_for_epochs.path": lambda: folder / "epochs",
        "open_png.path": lambda: cases.png_path,
        "GAN.load.path": lambda: cases.gan_path,
        "picture": lambda: pictures.grid(floats(4, 4, 4, 1)),
        "frames": lambda: [pictures.grid(floats(4, 4, 4, 1))] * 2,
        "d_losses": lambda: [1.0, 0.9],
        "g_losses": lambda: [0.7, 0.8],
        "real": lambda: floats(4, 4, 4, 1),
        "generated": lambda: floats(4, 4, 4, 1),
        "samples": lambda: floats(4, 4, 4, 1),
        "evaluate.samples": lambda: floats(20, 8, 8, 1),
        "nearest_training_images.samples": lambda: floats(2, 8, 8, 1),
        "pixel_scores.samples": lambda: floats(2, 8, 8, 1),
        "Reference.samples": lambda: 20,
        "load_reference.samples": lambda: 20,
        "class_shares": lambda: [0.5, 0.5],
        "classes": lambda: ("a", "b"),
        "searched": lambda: floats(2, 4, 4, 1),
        "nearest": lambda: floats(2, 4, 4, 1),
        "layer": lambda: layers.Dense(2),
        "check_gradients.x": lambda: (3,),
        "make_layer": lambda: lambda: layers.Dense(2),
        "pairs": lambda: [(lambda: layers.Dense(2), (3,))],
        "dataset": dataset,
        "train": dataset,
        "classifier": lambda: cases.classifier,
        "reference": lambda: cases.reference,
        "train_images": lambda: dataset().images,
        "microscope.x": lambda: floats(2, 3),
        "microscope.dy": lambda: floats(2, 2),
        "features": lambda: floats(9, 4),
        "precision_recall_density_coverage.real": lambda: floats(9, 4),
        "precision_recall_density_coverage.samples": lambda: floats(8, 4),
        "mean1": lambda: floats(2),
        "mean2": lambda: floats(2),
        "mean": lambda: floats(2),
        "real_mean": lambda: floats(2),
        "covariance1": lambda: np.eye(2),
        "covariance2": lambda: np.eye(2),
        "covariance": lambda: np.eye(2),
        "real_covariance": lambda: np.eye(2),
        "Dataset.name": lambda: "digits",
        "split": lambda: "train",
        "Dataset.images": lambda: dataset().images,
        "labels": lambda: dataset().labels,
        "Dataset.classes": lambda: tuple("0123456789"),
        "evaluations": lambda: {"a": cases.figures},
        "widths": lambda: (4, 5),
        "image_shape": lambda: (8, 8, 1),
        "xp": lambda: np,
        "device": lambda: "cpu",
    }


CANDIDATES = (3, 0.5, (2, 2), "same", True, None)  # tried for a parameter that nobody knows
INPUT_SHAPES = ((4,), (8, 8, 2), (5, 4), (10, 10))  # tried for a layer


def base_arguments(entry, known):
    """Return valid arguments, {name: value}, and the object whose method is called."""
    subject, context = (None, {}) if entry.owner is None else valid_object(entry, known)
    arguments, unknown = {}, []
    for name, default in entry.parameters.items():
        if name in context:
            arguments[name] = context[name]
        elif f"{entry.name}.{name}" in known:
            arguments[name] = known[f"{entry.name}.{name}"]()
        elif default is not EMPTY:
            arguments[name] = default
        elif name in known:
            arguments[name] = known[name]()
        else:
            unknown.append(name)
    for values in itertools.product(CANDIDATES, repeat=len(unknown)):
        arguments.update(zip(unknown, values, strict=True))
        if not unknown or works(entry, subject, arguments):
            return arguments, subject
    raise LookupError(
        f"{entry.name}: no valid values found for {unknown}. Put an example into valid_arguments.py, or the name of "
        "what is not public into public_names.py."
    )


def works(entry, subject, arguments):
    try:
        function_of(entry, copy.deepcopy(subject))(**copy.deepcopy(arguments))
    except Exception:
        return False
    return True


def function_of(entry, subject):
    return entry.function if entry.owner is None else getattr(subject, entry.name.rpartition(".")[2])


def valid_object(entry, known):
    """Return a valid object of the entry's class, and arguments that go with it."""
    kind, method = entry.owner, entry.name.rpartition(".")[2]
    if issubclass(kind, Branches):
        kind = functools.partial(entry.owner, [layers.Tanh()], [])
    constructor = Entry(entry.owner.__name__, parameters_of(entry.owner), function=kind)
    if kind is network.Sequential:
        net = network.Sequential([layers.Dense(2)]) if method == "build" else small_net()
        if method == "backward":
            net.forward(floats(2, 3))
        return net, {"x": floats(2, 3), "dy": floats(2, 2)}
    if kind is GAN:
        return GAN(generator(), discriminator(), latent.Normal(3)), {}
    arguments, _ = base_arguments(constructor, known)
    made = kind(**arguments)
    if not isinstance(made, Layer) or kind is Layer:
        return made, {}
    if method == "build":
        for shape in INPUT_SHAPES:
            try:
                copy.deepcopy(kind(**arguments)).build(shape, np.random.default_rng(0), "float32", np)
            except MiniganError:
                continue
            return kind(**arguments), {"input_shape": shape}
    layer = built(lambda: kind(**arguments)).layers[0]
    x = floats(2, *layer.input_shape)
    context = {"x": x}
    if layer.takes_labels:
        context["labels"] = np.array([0, layer.classes - 1])
    if method == "backward":
        layer.forward(x, True, **{name: value for name, value in context.items() if name == "labels"})
        context = {"dy": floats(2, *layer.output_shape)}
    return layer, context


def built(make):
    """Return a network of the one layer that `make` makes, on the first input shape that fits; or the network."""
    made = make()
    if isinstance(made, network.Sequential) and made.input_shape is not None:
        return made
    error = None
    for shape in INPUT_SHAPES:
        try:
            return network.Sequential([make()], shape)
        except MiniganError as reason:
            error = reason
    raise error
