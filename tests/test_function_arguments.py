"""Odd arguments of what surrounds the networks: data, checks, figures, models, experiments."""

import re

import numpy as np
import pytest

from minigan import Sequential, data, memory, metrics, microscope, models, pictures
from minigan.analysis.hessian import hessian_vector_product
from minigan.checks import check_gradients, check_layer
from minigan.errors import DataError, DtypeError, MiniganError, NonFiniteError, OptionError, ShapeError, TooLargeError
from minigan.experiments import find
from minigan.gan.latent import Normal
from minigan.layers import BatchNorm, Dense, Dropout, Embedding, LeakyReLU, Tanh
from minigan.metrics.frechet import frechet_distance, mean_and_covariance
from minigan.metrics.manifold import precision_recall_density_coverage
from minigan.training.loop import start_run

IMAGES = np.zeros((4, 8, 8, 1), "uint8")


def raises(error, match):
    return pytest.raises(error, match=re.escape(match))


# data


@pytest.mark.parametrize("name", [None, 3, ["mnist"], np.ones(2), "", "minst", float("nan")])
def test_data_sets_have_names(name):
    with raises(OptionError, "unknown data set"):
        data.load(name)
    with raises(OptionError, "unknown split"):
        data.load("digits", split=name)


def test_the_nearest_name_is_proposed():
    with raises(OptionError, "Did you mean 'mnist' or 'fashion-mnist'?"):
        data.load("minst")


@pytest.mark.parametrize("directory", [3, 1.5, True, [], ("a", "b"), np.ones(2), object(), "", "a\0b", "\udcff"])
@pytest.mark.parametrize("name", data.NAMES)
def test_directories_are_paths(name, directory, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MiniganError):
        data.load(name, directory)


@pytest.mark.parametrize(("low", "high"), [("0", 1), (None, 1), (0, True), (np.zeros(2), 1), (-1e308, 1e308), (0, 1j)])
def test_ranges_are_numbers(low, high):
    with raises(OptionError, "scale: expected finite numbers low < high"):
        data.scale(IMAGES, low, high)
    with raises(OptionError, "batches: expected finite numbers low < high"):
        data.batches(IMAGES, 2, np.random.default_rng(0), low, high)


@pytest.mark.parametrize("dtype", [Sequential([Dense(1)], (1,)), np.ones(1), 3, ("f", 1), {}, "x\0y"])
def test_dtypes_are_types(dtype):
    with raises(DtypeError, "scale: expected a floating-point dtype"):
        data.scale(IMAGES, dtype=dtype)


def test_numbers_of_numpy_make_the_same_batches():
    images = np.random.default_rng(0).integers(0, 256, (6, 2, 2, 1), "uint8")
    plain = list(data.batches(images, 2, np.random.default_rng(0), -1, 1))
    numpys = list(data.batches(images, np.int64(2), np.random.default_rng(0), np.float64(-1), np.float32(1)))
    np.testing.assert_array_equal(plain, numpys)
    assert numpys[0].dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"images": IMAGES / 255}, DataError, "images as bytes (uint8)"),
        ({"images": IMAGES[..., 0]}, ShapeError, "images with 4 axes"),
        (
            {"images": [[0]]},
            DtypeError,
            'images as an array, got [[0]]. Convert a list of numbers by numpy.asarray(numbers, "uint8"',
        ),
        ({"labels": np.zeros(3, int)}, DataError, "a whole number as the label of each of the 4 images"),
        ({"labels": np.zeros(4)}, DataError, "a whole number as the label of each of the 4 images"),
        (
            {"labels": [0, 1]},
            DtypeError,
            'labels as an array, got [0, 1]. Convert a list of numbers by numpy.asarray(numbers, "int64"',
        ),
        ({"labels": np.array([0, 2, 1, 0])}, DataError, "labels that count from 0, with a name in classes"),
        ({"labels": np.array([0, -3, 1, 0])}, DataError, "labels that count from 0, with a name in classes"),
        (
            {"labels": np.zeros(4, int), "classes": ()},
            DataError,
            "labels that count from 0, with a name in classes",
        ),
        ({"classes": "ab"}, OptionError, "classes as a tuple of names"),
        ({"name": None}, OptionError, "name as a text"),
    ],
)
def test_own_data_sets_are_checked(changes, error, match):
    values = {"name": "mine", "split": "train", "images": IMAGES, "labels": None, "classes": ("a", "b"), **changes}
    with raises(error, f"Dataset: expected {match}"):
        data.Dataset(**values)


@pytest.mark.parametrize(
    ("call", "dtype"),
    [
        (lambda: check_gradients(LeakyReLU(), [[1.0, 2.0]]), "float64"),
        (lambda: microscope(Sequential([Dense(1)], (1,), dtype="float64"), np.ones((1, 1)), [[1.0]]), "float64"),
        (lambda: hessian_vector_product(Sequential([Dense(1)], (1,)), np.ones((1, 1)), np.sign, [1, 2]), "float32"),
        (lambda: pictures.save_png("x.png", [[[0]]]), "uint8"),
        (lambda: pictures.grid([[[[0.5]]]]), "float32"),
        (lambda: Embedding(3, 2).check_labels([0.0, 1.0], np.ones(2)), "int64"),
    ],
)
def test_the_advice_for_lists_names_the_dtype_that_is_needed(call, dtype):
    with pytest.raises(DtypeError, match=rf'numpy\.asarray\(\w+, "{dtype}"\)'):
        call()


# checks


@pytest.mark.parametrize(
    ("make_layer", "match"),
    [
        (Dense, "cannot be called without arguments"),
        (len, "cannot be called without arguments"),
        (lambda: 3, "expected make_layer() to return a new layer"),
        (Tanh(), "a function that makes a layer"),
        ("Tanh", "a function that makes a layer"),
    ],
)
def test_check_layer_wants_a_function_that_makes_layers(make_layer, match):
    with raises(OptionError, match):
        check_layer(make_layer, (3,))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"input_shape": 3}, ShapeError, "input_shape as a tuple"),
        ({"input_shape": (0,)}, ShapeError, "input_shape as a tuple"),
        ({"tolerance": "small"}, OptionError, "tolerance > 0"),
        ({"seed": -1}, OptionError, "seed as an integer"),
    ],
)
def test_check_layer_checks_its_options(options, error, match):
    with raises(error, f"check_layer: expected {match}"):
        check_layer(Tanh, **{"input_shape": (3,), **options})


def test_check_layer_with_any_seed():
    for seed in (None, np.int64(3), (1, 2)):
        assert "keeps the contract" in check_layer(Tanh, [3], seed=seed)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((Dense, (3,)), OptionError, "layer as a Layer, got the class Dense"),
        (([Dense(2)], (3,)), OptionError, "layer as a Layer"),
        ((Dense(2), [3]), DtypeError, "x as an array"),
        ((Dense(2), (3, -1)), ShapeError, "x as a tuple"),
        ((Dense(2), None), DtypeError, "x as an array"),
        ((Dense(2), np.float64(3)), DtypeError, "x as an array"),
        ((Dense(2), np.ones(())), OptionError, "x with at least one sample"),
        ((Dense(2), (3,), "yes"), OptionError, "training as True or False"),
        ((Dense(2), (3,), True, -1), OptionError, "tolerance > 0"),
        ((Dense(2), (3,), True, 1e-6, "x"), OptionError, "seed as an integer"),
    ],
)
def test_check_gradients_checks_its_arguments(arguments, error, match):
    with raises(error, f"check_gradients: expected {match}"):
        check_gradients(*arguments)


# figures


def labelled(**changes):
    values = {"name": "mine", "split": "train", "images": np.repeat(IMAGES, 5, 0), "labels": np.zeros(20, int)}
    return data.Dataset(**{**values, "classes": ("a", "b"), **changes})


@pytest.mark.parametrize("dataset", [None, "mnist", IMAGES, data.Dataset])
def test_a_classifier_is_trained_on_a_dataset(dataset):
    for train in (metrics.train_classifier, metrics.trained_classifier, metrics.load_reference):
        with raises(OptionError, "expected dataset as a Dataset"):
            train(dataset)
    with raises(OptionError, "Reference: expected train as a Dataset"):
        metrics.Reference(dataset, None)


def test_odd_options_of_a_classifier(monkeypatch):
    for options, match in (({"steps": "10"}, "steps as an integer"), ({"quiet": "yes"}, "quiet as True or False")):
        with raises(OptionError, f"train_classifier: expected {match}"):
            metrics.train_classifier(labelled(), **options)
    monkeypatch.setattr(memory, "machine_bytes", lambda: 10**9)
    with raises(TooLargeError, "the order of the images in 1000000000 steps would need 1.0 TB"):
        metrics.train_classifier(labelled(), steps=10**9)


def test_odd_arguments_of_features():
    net = Sequential([Dense(2)], (3,))
    images = np.zeros((2, 8, 8, 1))
    for classifier in (None, "net", Sequential, Sequential([Dense(2)])):
        with pytest.raises(OptionError, match="features_and_probabilities: expected classifier as"):
            metrics.features_and_probabilities(classifier, images)
    for wrong, error in ((None, DtypeError), ([[1]], DtypeError), (images[0], ShapeError), (images[:0], DataError)):
        with pytest.raises(error, match="features_and_probabilities: expected"):
            metrics.features_and_probabilities(net, wrong)
    with raises(NonFiniteError, "images holds NaN"):
        metrics.features_and_probabilities(net, images * np.nan)


def test_odd_arguments_of_evaluations():
    for reference in (None, "mnist", metrics.Reference):
        with raises(OptionError, "evaluate: expected reference as a Reference"):
            metrics.evaluate(IMAGES, reference)
    for evaluations in (None, [], [1], {"a": None}, {"a": {}}, "text"):
        if evaluations != []:
            with raises(OptionError, "table: expected a dict"):
                metrics.table(evaluations)
    with raises(ShapeError, "expected images of one shape"):
        metrics.nearest_training_images(IMAGES, np.zeros((4, 9, 9, 1), "uint8"))


@pytest.mark.parametrize("points", [None, [[1.0, 2.0]], np.ones(3), np.full((9, 2), None), np.full((9, 2), np.nan)])
def test_figures_of_what_are_no_points(points):
    good = np.random.default_rng(0).standard_normal((9, 2))
    mean, covariance = mean_and_covariance(good)
    for call in (
        lambda: mean_and_covariance(points),
        lambda: precision_recall_density_coverage(points, good),
        lambda: precision_recall_density_coverage(good, points),
        lambda: frechet_distance(mean, covariance, mean, points),
        lambda: frechet_distance(mean, covariance, covariance, covariance),
    ):
        with pytest.raises((DtypeError, ShapeError, NonFiniteError)):
            call()


# the networks of the experiments


@pytest.mark.parametrize("name", [name for name in models.__all__ if "generator" in name])
@pytest.mark.parametrize("image_shape", [None, 28, (28, 28), (28, 28, 0), "abc", np.ones((2, 2)), (28.0, 28, 1)])
def test_images_of_models_have_three_sizes(name, image_shape):
    options = {"widths": (4,)} if name.endswith("mlp_generator") else {}
    options |= {"classes": 3} if name.startswith("conditional") else {}
    with pytest.raises(ShapeError, match=f"{name}: expected image_shape as"):
        getattr(models, name)(image_shape=image_shape, **options)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: models.mlp_generator(4), "mlp_generator: expected widths as a tuple of positive integers, got 4"),
        (lambda: models.mlp_discriminator("44"), "mlp_discriminator: expected widths as a tuple"),
        (lambda: models.mlp_generator((4,), batch_norm="no"), "expected batch_norm as True or False"),
        (lambda: models.mlp_generator((4,), dropout="0"), "expected dropout in [0, 1)"),
        (lambda: models.mlp_generator((4,), activation=Dense), "expected activation as a class of layers"),
        (lambda: models.mlp_generator((4,), activation=Tanh()), "expected activation as a class of layers"),
        (lambda: models.mlp_generator((4,), first="normal"), "expected initializer as an Initializer"),
        (lambda: models.conv_discriminator(deeper=1), "expected deeper as True or False"),
        (lambda: models.capped_conv_discriminator(pooling="no"), "expected pooling as True or False"),
        (lambda: models.transposed_generator(features=None), "expected features as an integer"),
        (lambda: models.capped_conv_generator(strides="2"), "expected strides as an integer"),
        (lambda: models.same_size_conv_generator(filters=8), "expected filters as a tuple"),
    ],
)
def test_odd_options_of_models(make, match):
    with raises(OptionError, match):
        make()


def test_images_too_small_to_grow():
    with raises(ShapeError, "dcgan_generator: expected images of at least 4 x 4 pixels, got 3 x 28"):
        models.dcgan_generator((3, 28, 1))


@pytest.mark.parametrize(
    ("make", "growth"),
    [
        (models.dcgan_generator, 4),
        (models.small_dcgan_generator, 4),
        (models.small_upsampling_generator, 4),
        (models.transposed_generator, 4),
        (models.upsampling_generator, 4),
        (models.cifar_transposed_generator, 8),
        (models.cifar_upsampling_generator, 8),
    ],
)
def test_a_generator_makes_the_size_that_it_is_asked_for_or_says_why_not(make, growth):
    for shape in ((2 * growth + 1, 2 * growth, 1), (2 * growth, 3 * growth - 1, 3)):
        with raises(ShapeError, f"height and width are multiples of {growth}, got {shape[0]} x {shape[1]}"):
            make(shape)
    assert Sequential(make((2 * growth, 3 * growth, 3)), (5,)).output_shape == (2 * growth, 3 * growth, 3)


@pytest.mark.parametrize("shape", [(30, 29, 1), (3, 28, 1), (28, 28, 1)])
def test_a_generator_that_ends_in_dense_makes_any_size(shape):
    assert Sequential(models.capped_conv_generator(shape), (5,)).output_shape == shape


def test_sound_options_of_models():
    made = models.mlp_generator(
        [np.int64(4)], [8, 8, 1], activation=lambda: LeakyReLU(0.3), batch_norm=True, dropout=0.5
    )
    assert {type(layer) for layer in made} >= {BatchNorm, Dropout}
    assert Sequential(made, (3,)).output_shape == (8, 8, 1)


# experiments


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"generator": [Dense(1)]}, "expected generator as a function of the shape of an image"),
        ({"generator": Dense(1)}, "expected generator as a function of the shape of an image"),
        ({"g_optimizer": "adam"}, "expected g_optimizer as a function of the network"),
        ({"latent": Normal}, "expected latent as a Latent, got the class Normal"),
        ({"objective": "hinge"}, "expected objective as an Objective"),
        ({"epochs": 0}, "expected epochs as an integer"),
        ({"batch_size": "128"}, "expected batch_size as an integer"),
        ({"max_grad_norm": -1}, "expected max_grad_norm > 0"),
        ({"data_range": (1, -1)}, "expected finite numbers low < high"),
        ({"data_range": 1}, "expected data_range as two numbers"),
        ({"dataset": None}, "expected dataset as a text"),
        ({"aliases": "mine"}, "expected aliases as a tuple of texts"),
    ],
)
def test_own_experiments_are_checked_when_they_are_made(changes, match):
    with raises(OptionError, f"Experiment: {match}"):
        find("dcgan").but("mine", **changes)


def test_experiments_keep_plain_numbers():
    own = find("dcgan").but("mine", epochs=np.int64(3), data_range=[np.float64(0), 1], d_steps=np.uint8(2))
    assert own.data_range == (0, 1)
    assert all(type(value) in (int, float) for value in (own.epochs, own.d_steps, *own.data_range))


def test_experiments_have_names():
    for name in (None, 3, ["A1"], np.ones(2)):
        with raises(OptionError, "expected the name of an experiment"):
            find(name)


def test_a_run_begins_with_an_experiment_and_a_dataset_that_exist(tmp_path):
    for experiment in ("dcgan", None, type(find("dcgan"))):
        with raises(OptionError, "start_run: expected experiment as an Experiment"):
            start_run(experiment, tmp_path / "run")
    with raises(OptionError, "unknown data set ''"):
        start_run(find("dcgan"), tmp_path / "run", dataset="")
    assert not list(tmp_path.iterdir())
