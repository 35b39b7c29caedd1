"""Layers that take labels and a conditional GAN give the same numbers as PyTorch in float64. pytest -m torch"""

import numpy as np
import pytest

from minigan import GAN, Sequential
from minigan.input_gradient import InputGradient
from minigan.layers import (
    ConcatenateLabel,
    ConditionalBatchNorm,
    Dense,
    Embedding,
    LeakyReLU,
    Projection,
    SpectralNorm,
    Tanh,
)
from minigan.optimizers import Adam

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
CLASSES, LABELS = 4, np.array([3, 0, 3, 1, 0, 3])
F = torch.nn.functional


def embedding(x, labels, p):
    return F.embedding(labels, p["E"])


def concatenate(x, labels, p):
    rows = F.embedding(labels, p["E"]) if "E" in p else F.one_hot(labels, CLASSES).double()
    places = rows.reshape(len(x), *(1,) * (x.ndim - 2), -1).expand(*x.shape[:-1], -1)
    return torch.cat([x, places], -1)


def batch_norm(x, labels, p):
    c = x.shape[-1]
    xhat = F.batch_norm(x.reshape(-1, c), None, None, training=True).reshape(x.shape)
    shape = len(x), *(1,) * (x.ndim - 2), c
    return xhat * F.embedding(labels, p["gamma"]).reshape(shape) + F.embedding(labels, p["beta"]).reshape(shape)


def projection(x, labels, p):
    return x @ p["w"] + p["b"] + (x * F.embedding(labels, p["E"])).sum(1, keepdim=True)


def normalized(function):
    """The same with w and E divided by their largest singular values, which PyTorch differentiates by itself."""

    def of_wbar(x, labels, p):
        norms = {key: torch.linalg.matrix_norm(p[key], 2) for key in ("w", "E") if key in p}
        return function(x, labels, {key: value / norms.get(key, 1) for key, value in p.items()})

    return of_wbar


LAYERS = {
    "embedding": (lambda: Embedding(CLASSES, 3), embedding, (2,)),
    "one-hot": (lambda: ConcatenateLabel(CLASSES), concatenate, (3,)),
    "learned, images": (lambda: ConcatenateLabel(CLASSES, 2), concatenate, (2, 3, 2)),
    "batch norm": (lambda: ConditionalBatchNorm(CLASSES), batch_norm, (3,)),
    "batch norm of images": (lambda: ConditionalBatchNorm(CLASSES), batch_norm, (3, 2, 3)),
    "projection": (lambda: Projection(CLASSES), projection, (5,)),
    "spectral norm of an embedding": (lambda: SpectralNorm(Embedding(CLASSES, 3)), normalized(embedding), (2,)),
    "spectral norm of a projection": (lambda: SpectralNorm(Projection(CLASSES)), normalized(projection), (5,)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name, rng):
    """Forward, backward, and the gradients of sum(v dL/dx) by double backward."""
    make, theirs, shape = LAYERS[name]
    net = Sequential([make()], shape, dtype="float64")
    net.flat_params += rng.standard_normal(net.flat_params.size)
    layer, x = net.layers[0], rng.standard_normal((len(LABELS), *shape))
    for _ in range(1000 if isinstance(layer, SpectralNorm) else 0):  # until its u has converged
        net.forward(x, True, LABELS)
    dy, v = rng.standard_normal((len(LABELS), *net.output_shape)), rng.standard_normal(x.shape)
    p = {key: torch.tensor(value.copy(), requires_grad=True) for key, value in layer.params.items()}
    tx = torch.tensor(x, requires_grad=True)
    ty = theirs(tx, torch.tensor(LABELS), p)
    np.testing.assert_allclose(net.forward(x, True, LABELS), ty.detach().numpy(), rtol=1e-10, atol=1e-13)
    leaves = [tx, *p.values()]
    expected = torch.autograd.grad(ty, leaves, torch.tensor(dy), create_graph=True, allow_unused=True)
    ours = [net.backward(dy), *(layer.grads[key].copy() for key in p)]
    compare(ours, expected)
    slope = InputGradient(net, dy)
    net.zero_grads()
    slope.forward(x, True, LABELS)
    ours = [slope.backward(v), *(layer.grads[key] for key in p)]
    if expected[0] is None or not expected[0].requires_grad:  # linear in x, without parameters; or x is not used
        assert not any(array.any() for array in ours)
    else:
        compare(ours, torch.autograd.grad(expected[0], leaves, torch.tensor(v), allow_unused=True))


def compare(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        other = np.zeros_like(one) if other is None else other.detach().numpy()
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)


def twin_of(net):
    """(parameters, a function of (x, labels)) of the same network in PyTorch."""
    params = [{k: torch.tensor(v.copy(), requires_grad=True) for k, v in layer.params.items()} for layer in net.layers]
    functions = {ConcatenateLabel: concatenate, ConditionalBatchNorm: batch_norm, Projection: projection}

    def run(x, labels):
        for layer, p in zip(net.layers, params, strict=True):
            if type(layer) is Dense:
                x = x @ p["W"] + p["b"]
            elif type(layer) is LeakyReLU:
                x = F.leaky_relu(x, layer.negative_slope)
            else:
                x = torch.tanh(x) if type(layer) is Tanh else functions[type(layer)](x, labels, p)
        return x

    return [value for p in params for value in p.values()], run


def test_training_steps(rng):
    G = [ConcatenateLabel(CLASSES, 3), Dense(6), ConditionalBatchNorm(CLASSES), LeakyReLU(0.2), Dense(3), Tanh()]
    D = [ConcatenateLabel(CLASSES), Dense(7), LeakyReLU(0.2), Projection(CLASSES)]
    generator, discriminator = Sequential(G, (4,), 1, "float64"), Sequential(D, (3,), 2, "float64")
    gan = GAN(generator, discriminator, None, None, Adam(generator, 1e-2), Adam(discriminator, 1e-2), seed=9)
    (g_params, g_twin), (d_params, d_twin) = twin_of(generator), twin_of(discriminator)
    g_adam, d_adam = (torch.optim.Adam(params, 1e-2, betas=(0.5, 0.999)) for params in (g_params, d_params))
    bce, ones, latents = torch.nn.BCEWithLogitsLoss(), torch.ones(6, 1).double(), np.random.default_rng(9)
    for _ in range(5):
        images, labels = rng.uniform(-1, 1, (6, 3)), rng.integers(0, CLASSES, 6)
        k = torch.tensor(labels)
        generated = g_twin(torch.tensor(latents.standard_normal((6, 4))), k)
        d_adam.zero_grad()
        d_loss = bce(d_twin(torch.tensor(images), k), ones) + bce(d_twin(generated.detach(), k), 0 * ones)
        d_loss.backward()
        d_adam.step()
        g_adam.zero_grad()
        g_loss = bce(d_twin(generated, k), ones)
        g_loss.backward()
        g_adam.step()
        ours = gan.train_step(images, labels)
        np.testing.assert_allclose(ours, [d_loss.item(), g_loss.item()], rtol=1e-6)
    for net, params in ((generator, g_params), (discriminator, d_params)):
        theirs = np.concatenate([value.detach().numpy().ravel() for value in params])
        np.testing.assert_allclose(net.flat_params, theirs, rtol=1e-5, atol=1e-7)
