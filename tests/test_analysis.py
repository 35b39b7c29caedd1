"""Hessian-vector products and eigenvalues: against differences of the gradient, and against whole matrices."""

import copy

import numpy as np
import pytest
from test_second_order import NETWORKS, SquareWithTangent, network

from minigan import GAN, Sequential
from minigan.analysis import gan_sharpness, hessian_vector_product, largest_eigenvalues
from minigan.errors import OptionError, ShapeError
from minigan.gan import objectives
from minigan.layers import Dense, Flatten, LeakyReLU, Reshape, Tanh
from minigan.losses import BinaryCrossEntropy, MeanSquaredError


def gradient(nets, x, dloss, training=False):
    """The gradient of a loss with respect to the parameters of the first of several networks, by backward."""
    y = x
    for net in nets:
        y = net.forward(y, training)
    dy = dloss(y)
    for net in reversed(nets):
        net.zero_grads()
        dy = net.backward(dy)
    return nets[0].flat_grads.copy()


def by_differences(nets, x, dloss, v, training=False, step=1e-5):
    params, state, values = nets[0].flat_params.copy(), copy.deepcopy(dict(nets[0].state)), []
    for sign in (1, -1):
        nets[0].flat_params = params + sign * step * v
        nets[0].state.update(state)
        values.append(gradient(nets, x, dloss, training))
    nets[0].flat_params = params
    return (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "dropout"])
@pytest.mark.parametrize("training", [True, False])
def test_products_are_what_differences_of_the_gradient_measure(name, training, rng):
    net = network(name)
    net.flat_params += 0.1 * rng.standard_normal(net.flat_params.size)
    x, v = rng.standard_normal((5, *NETWORKS[name][1])), rng.standard_normal(net.flat_params.size)
    targets = rng.random((5, *net.output_shape))

    def dloss(y):
        return BinaryCrossEntropy()(y, targets)[1]

    before = net.flat_params.copy(), {name: value.copy() for name, value in net.state.items()}
    product = hessian_vector_product(net, x, dloss, v, training=training)
    assert (net.flat_params == before[0]).all() and all((net.state[key] == before[1][key]).all() for key in before[1])
    wanted = by_differences([net], x, dloss, v, training)
    assert abs(product - wanted).max() <= 1e-6 * abs(wanted).max()


def test_a_product_through_a_network_that_follows(rng):
    first = Sequential([Dense(4), Tanh(), Dense(3)], (2,), dtype="float64", seed=1)
    second = Sequential([Dense(5), Tanh(), Dense(1)], (3,), dtype="float64", seed=2)
    x, v = rng.standard_normal((6, 2)), rng.standard_normal(first.flat_params.size)

    def dloss(y):
        return objectives.NonSaturating().generator(y)[1]

    product = hessian_vector_product(first, x, dloss, v, after=[second])
    np.testing.assert_allclose(product, by_differences([first, second], x, dloss, v), rtol=1e-5, atol=1e-8)


def test_the_hessian_of_a_line_fitted_to_points_by_hand():
    """y = w x + b, loss = mean (y - t)^2: H = 2/n [[sum x^2, sum x], [sum x, n]], whatever t is."""
    net = Sequential([Dense(1)], (1,), dtype="float64")
    x = np.array([[1.0], [2.0], [6.0]])
    columns = [
        hessian_vector_product(net, x, lambda y: MeanSquaredError()(y, 7.0 * np.ones((3, 1)))[1], v) for v in np.eye(2)
    ]
    np.testing.assert_allclose(columns, 2 / 3 * np.array([[41, 9], [9, 3]]), rtol=1e-9)


def test_float32(rng):
    net = Sequential([Dense(4), Tanh(), Dense(1)], (3,))
    x, v = rng.standard_normal((5, 3)).astype("float32"), rng.standard_normal(net.flat_params.size).astype("float32")

    def dloss(y):
        return objectives.NonSaturating().generator(y)[1]

    low = hessian_vector_product(net, x, dloss, v)
    high = hessian_vector_product(net.astype("float64"), x.astype("float64"), dloss, v.astype("float64"))
    assert low.dtype == "float32" and abs(low - high).max() < 2e-3 * abs(high).max()


def test_eigenvalues_of_a_matrix(rng):
    turned, _ = np.linalg.qr(rng.standard_normal((12, 12)))
    diagonal = np.diag([9.0, -7.0, 4.0, 3.0, *[0.1] * 8])
    matrix = turned @ diagonal @ turned.T
    found = largest_eigenvalues(lambda v: matrix @ v, 12, count=3, tolerance=1e-8)
    np.testing.assert_allclose(found, [9, -7, 4], rtol=1e-6)
    np.testing.assert_allclose(largest_eigenvalues(lambda v: matrix @ v, 12, count=12), np.diag(diagonal), rtol=1e-2)
    assert largest_eigenvalues(lambda v: 0 * v, 5) == [0]
    assert len(largest_eigenvalues(lambda v: v, 2, count=9)) == 2


def test_a_large_matrix_takes_few_products_and_few_vectors(rng):
    """Eigenvalues close to each other, so that it starts again from its best guess more than once."""
    values = np.concatenate([[-1.0, 0.995, 0.99], 0.98 * rng.uniform(-1, 1, 997)])
    calls = []

    def product(v):
        calls.append(v)
        return values * v

    (found,) = largest_eigenvalues(product, 1000, tolerance=1e-4)
    assert abs(found + 1) < 1e-3 and len(calls) < 100
    (barely,) = largest_eigenvalues(product, 1000, iterations=3)
    assert 0.5 < abs(barely) < 1


def gan_of(objective):
    generator = Sequential([Dense(4), Tanh(), Reshape((2, 2, 1))], (2,), seed=1)
    return GAN(generator, Sequential([Flatten(), Dense(3), LeakyReLU(), Dense(1)], (2, 2, 1)), objective=objective)


def test_the_sharpness_of_a_gan_is_that_of_the_whole_matrices(rng):
    gan, n = gan_of(objectives.NonSaturating()), 8
    images = rng.uniform(-1, 1, (n, 2, 2, 1)).astype("float32")
    before = gan.discriminator.flat_params.copy(), str(gan.rng.bit_generator.state)
    found = gan_sharpness(gan, images, count=2, seed=3)
    assert (gan.discriminator.flat_params == before[0]).all() and str(gan.rng.bit_generator.state) == before[1]
    g, d = gan.generator.astype("float64"), gan.discriminator.astype("float64")
    z = gan.latent.sample(n, np.random.default_rng(3), "float64")
    both = np.concatenate([images.astype("float64"), g.predict(z)])
    objective = gan.objective

    def d_gradient(y):
        return np.concatenate([objective.real(y[:n], None)[1], objective.fake(y[n:], None)[1]])

    problems = {
        "discriminator": ([d], both, d_gradient),
        "generator": ([g, d], z, lambda y: objective.generator(y)[1]),
    }
    for name, (nets, x, dloss) in problems.items():
        rows = [by_differences(nets, x, dloss, v) for v in np.eye(nets[0].flat_params.size)]
        values = np.linalg.eigvalsh((np.array(rows) + np.array(rows).T) / 2)
        np.testing.assert_allclose(found[name], sorted(values, key=abs)[::-1][:2], rtol=0.01)


def test_mistakes(rng):
    net = Sequential([Dense(2)], (3,), dtype="float64")
    with pytest.raises(ShapeError, match="expected v of shape"):
        hessian_vector_product(net, rng.standard_normal((2, 3)), lambda y: y, np.zeros(3))

    class Scaled(SquareWithTangent):
        """Has a parameter, and a tangent that does not follow it."""

        def build(self, input_shape, rng, dtype, xp):
            from minigan.initializers import Ones

            super().build(input_shape, rng, dtype, xp)
            self.add_param("scale", input_shape, Ones(), rng)
            return self.output_shape

    net = Sequential([Scaled()], (3,), dtype="float64")
    with pytest.raises(OptionError, match=r"Scaled.tangent, add to ydot.*follows_directions = True"):
        hessian_vector_product(net, rng.standard_normal((2, 3)), lambda y: y, np.zeros(3))
    for options in ({"count": 0}, {"tolerance": -1}, {"iterations": 0}):
        with pytest.raises(OptionError, match="largest_eigenvalues: expected"):
            largest_eigenvalues(lambda v: v, 3, **options)
    for product, expected in (
        (3, "product as a function of one argument, got 3"),
        (lambda: 3, "product as a function of one argument"),
        (lambda v: None, "what product returns as a list of numbers, got None"),
        (lambda v: v + 1j, "what product returns as a list of numbers"),
        (lambda v: v[:-1], "what product returns as 5 numbers, as many as size, got 4"),
    ):
        with pytest.raises(OptionError, match=f"largest_eigenvalues: expected {expected}"):
            largest_eigenvalues(product, 5)
    assert largest_eigenvalues(lambda v: [2 * number for number in v], 1) == [2]
    net = Sequential([Dense(2)], (3,), dtype="float64")
    for options in ({"dloss": 3}, {"after": net}):
        with pytest.raises(OptionError, match=r"hessian_vector_product: expected (dloss|after) as a"):
            hessian_vector_product(net, rng.standard_normal((2, 3)), v=np.zeros(8), **{"dloss": lambda y: y, **options})
    with pytest.raises(OptionError, match="gan_sharpness: expected gan"):
        gan_sharpness(net, None)
