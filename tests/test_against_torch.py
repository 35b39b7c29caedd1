"""The same numbers as PyTorch in float64: layers, losses, optimizers, a whole GAN step. pytest -m torch"""

import numpy as np
import pytest

from minigan import GAN, Sequential
from minigan.gan.average import MovingAverage
from minigan.input_gradient import InputGradient
from minigan.layers import (
    LSTM,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SpectralNorm,
    Tanh,
)
from minigan.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from minigan.optimizers import SGD, Adam, AdamW, RMSProp, clip_grad_norm
from minigan.schedules import Constant, Cosine, Exponential, Joined, Linear, Step, WarmUp

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


def close(ours, theirs, rtol=1e-10):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=rtol, atol=1e-13)


def twin_of(net):
    """The same network in PyTorch, with the same parameters."""
    nn, parts = torch.nn, []
    for layer in net.layers:
        if isinstance(layer, Dense):
            part = nn.Linear(*layer.params["W"].shape, dtype=torch.float64)
            part.weight.data, part.bias.data = (torch.tensor(layer.params[k].T.copy()) for k in ("W", "b"))
        elif isinstance(layer, BatchNorm):
            part = nn.BatchNorm1d(layer.input_shape[0], momentum=1 - layer.momentum, dtype=torch.float64)
            part.weight.data, part.bias.data = (torch.tensor(layer.params[k].copy()) for k in ("gamma", "beta"))
        elif type(layer) is LeakyReLU:
            part = nn.LeakyReLU(layer.negative_slope)
        else:
            part = {ReLU: nn.ReLU, Tanh: nn.Tanh, Sigmoid: nn.Sigmoid}[type(layer)]()
        parts.append(part)
    return nn.Sequential(*parts)


def flat(parameters, grads=False):
    """Parameters or gradients in minigan's order: Linear weights transposed."""
    arrays = [(p.grad if grads else p).detach().numpy() for p in parameters]
    return np.concatenate([(a.T if a.ndim == 2 else a).ravel() for a in arrays])


def network(size=5, seed=0, head=None):
    layers = [Dense(7), BatchNorm(), LeakyReLU(0.2), Dense(6), ReLU(), Dense(4), Sigmoid(), Dense(3), Tanh()]
    return Sequential(layers + ([Dense(head)] if head else []), (size,), seed=seed, dtype="float64")


def test_forward_and_backward_in_both_modes(rng):
    net = network()
    net.flat_params += 0.1 * rng.standard_normal(net.flat_params.size)
    twin = twin_of(net)
    x, dy = rng.standard_normal((8, 5)), rng.standard_normal((8, 3))
    for training in (True, False):
        twin.train(training)
        if not training:  # PyTorch keeps the unbiased variance, minigan the biased one that it normalises with
            m = len(x)
            close(net.layers[1].state["variance"] - 0.9, (twin[1].running_var - 0.9) * (m - 1) / m)
            twin[1].running_var.copy_(torch.tensor(net.layers[1].state["variance"]))
        twin.zero_grad()
        net.zero_grads()
        tx = torch.tensor(x, requires_grad=True)
        ty = twin(tx)
        close(net.forward(x, training), ty)
        ty.backward(torch.tensor(dy))
        close(net.backward(dy), tx.grad)
        np.testing.assert_allclose(net.flat_grads, flat(twin.parameters(), grads=True), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("given_state", [False, True])
def test_lstm(return_sequences, given_state, rng):
    """PyTorch keeps the gates in the same order, its weights as (4 units, in), and two biases that it adds up."""
    layer = LSTM(7, return_sequences)
    net = Sequential([layer], (6, 5), dtype="float64")
    net.flat_params += 0.1 * rng.standard_normal(net.flat_params.size)
    twin = torch.nn.LSTM(5, 7, batch_first=True, dtype=torch.float64)
    W, U, b = (layer.params[name].copy() for name in ("W", "U", "b"))
    twin.weight_ih_l0.data, twin.weight_hh_l0.data = torch.tensor(W.T), torch.tensor(U.T)
    twin.bias_ih_l0.data, twin.bias_hh_l0.data = torch.tensor(0.25 * b), torch.tensor(0.75 * b)
    x, state = rng.standard_normal((8, 6, 5)), tuple(rng.standard_normal((2, 8, 7))) if given_state else None
    tx = torch.tensor(x, requires_grad=True)
    t_state = tuple(torch.tensor(s[None], requires_grad=True) for s in state) if given_state else None
    ty = twin(tx, t_state)[0] if return_sequences else twin(tx, t_state)[0][:, -1]
    y = layer.forward(x, initial_state=state)
    close(y, ty)
    dy = rng.standard_normal(y.shape)
    ty.backward(torch.tensor(dy))
    close(layer.backward(dy), tx.grad)
    close(layer.grads["W"], twin.weight_ih_l0.grad.T, rtol=1e-9)
    close(layer.grads["U"], twin.weight_hh_l0.grad.T, rtol=1e-9)
    close(layer.grads["b"], twin.bias_ih_l0.grad, rtol=1e-9)
    if given_state:
        for ours, theirs in zip(layer.initial_state_grads, t_state, strict=True):
            close(ours, theirs.grad[0])


def channels_first(array):
    """Vectors as they are, images (n, h, w, c) as PyTorch has them, (n, c, h, w)."""
    return array.transpose({2: (0, 1), 4: (0, 3, 1, 2)}[array.ndim])


NORMS = {
    "layer": (LayerNorm, (3, 4, 6), lambda: torch.nn.LayerNorm(6, dtype=torch.float64)),
    "instance": (InstanceNorm, (3, 4, 6), lambda: torch.nn.InstanceNorm2d(6, affine=True, dtype=torch.float64)),
    "instance, sequences": (InstanceNorm, (5, 6), lambda: torch.nn.InstanceNorm1d(6, affine=True, dtype=torch.float64)),
    "group": (lambda: GroupNorm(2), (3, 4, 6), lambda: torch.nn.GroupNorm(2, 6, dtype=torch.float64)),
    "group, vectors": (lambda: GroupNorm(2), (6,), lambda: torch.nn.GroupNorm(2, 6, dtype=torch.float64)),
    "batch, sequences": (BatchNorm, (5, 6), lambda: torch.nn.BatchNorm1d(6, dtype=torch.float64)),
    "batch, images": (BatchNorm, (3, 4, 6), lambda: torch.nn.BatchNorm2d(6, dtype=torch.float64)),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalizations(name, rng):
    """First and second order: the gradient of sum(dx v) with respect to everything, by PyTorch's double backward."""
    make, shape, make_twin = NORMS[name]
    net, twin = Sequential([make()], shape, dtype="float64"), make_twin()
    net.flat_params += 0.5 * rng.standard_normal(net.flat_params.size)
    layer = net.layers[0]
    twin.weight.data, twin.bias.data = (torch.tensor(layer.params[key].copy()) for key in ("gamma", "beta"))
    x, dy, v = rng.standard_normal((3, 4, *shape))
    arranged = (lambda array: array) if name == "layer" else (lambda array: np.moveaxis(array, -1, 1))
    tx, tdy, tv = (torch.tensor(arranged(array).copy()) for array in (x, dy, v))
    tx.requires_grad_()
    ty = twin(tx)
    gradients = torch.autograd.grad((ty * tdy).sum(), (tx, twin.weight, twin.bias), create_graph=True)
    seconds = torch.autograd.grad((gradients[0] * tv).sum(), (tx, twin.weight))
    slope = InputGradient(net, dy)
    net.zero_grads()
    close(arranged(net.forward(x, training=True)), ty)
    close(arranged(net.backward(dy)), gradients[0], rtol=1e-8)
    for key, theirs in zip(("gamma", "beta"), gradients[1:], strict=True):
        close(layer.grads[key], theirs, rtol=1e-9)
    slope.forward(x, training=True)
    net.zero_grads()
    close(arranged(slope.backward(v)), seconds[0], rtol=1e-7)
    close(layer.grads["gamma"], seconds[1], rtol=1e-8)


SPECTRAL = {
    "dense": (lambda: Dense(4), (6,), lambda: torch.nn.Linear(6, 4)),
    "conv": (lambda: Conv2D(4, 3, padding=1), (5, 6, 2), lambda: torch.nn.Conv2d(2, 4, 3, padding=1)),
    "transposed": (
        lambda: Conv2DTranspose(4, 3, 2, padding=1),
        (5, 4, 2),
        lambda: torch.nn.ConvTranspose2d(2, 4, 3, 2, padding=1),
    ),
}


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_norm(name, rng):
    """With the same u, which has not converged: output, gradients, and the u after a training pass."""
    make, shape, make_twin = SPECTRAL[name]
    net = Sequential([SpectralNorm(make())], shape, dtype="float64")
    net.flat_params += 0.5 * rng.standard_normal(net.flat_params.size)
    layer, twin = net.layers[0], torch.nn.utils.parametrizations.spectral_norm(make_twin().double())
    W, b = layer.params["W"], layer.params["b"]
    axes = (1, 0) if name == "dense" else (3, 2, 0, 1)
    original, norm = twin.parametrizations.weight.original, twin.parametrizations.weight[0]
    original.data, twin.bias.data = torch.tensor(W.transpose(axes).copy()), torch.tensor(b.copy())
    norm._u.copy_(torch.tensor(layer.state["u"]))
    v = norm._reshape_weight_to_matrix(original.data).T @ norm._u  # ours is always made from u
    norm._v.copy_(v / v.norm())

    x, dy = rng.standard_normal((3, *shape)), rng.standard_normal((3, *net.output_shape))
    tx = torch.tensor(channels_first(x).copy(), requires_grad=True)
    ty = twin.eval()(tx)
    ty.backward(torch.tensor(channels_first(dy).copy()))
    net.zero_grads()
    close(channels_first(net.forward(x, training=True)), ty)
    close(channels_first(net.backward(dy)), tx.grad)
    close(layer.grads["W"].transpose(axes), original.grad, rtol=1e-9)
    close(layer.grads["b"], twin.bias.grad, rtol=1e-9)
    twin.train()(tx)  # PyTorch moves u before it computes
    close(layer.state["u"], norm._u)


def test_losses(rng):
    x, t = 3 * rng.standard_normal((6, 4)), rng.random((6, 4))
    labels = rng.integers(0, 4, 6)
    for ours, theirs, targets in (
        (BinaryCrossEntropy(), torch.nn.BCEWithLogitsLoss(), t),
        (MeanSquaredError(), torch.nn.MSELoss(), t),
        (SoftmaxCrossEntropy(), torch.nn.CrossEntropyLoss(), labels),
    ):
        tx = torch.tensor(x, requires_grad=True)
        loss = theirs(tx, torch.tensor(targets))
        loss.backward()
        value, gradient = ours(x, targets)
        close(value, loss)
        close(gradient, tx.grad)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda net: SGD(net, 0.1), lambda p: torch.optim.SGD(p, 0.1)),
        (lambda net: SGD(net, 0.1, 0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        (lambda net: SGD(net, 0.1, 0.9, True), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True)),
        (lambda net: RMSProp(net, 0.01), lambda p: torch.optim.RMSprop(p, 0.01)),
        (lambda net: Adam(net, 0.01), lambda p: torch.optim.Adam(p, 0.01, betas=(0.5, 0.999))),
        (lambda net: SGD(net, 0.1, weight_decay=0.2), lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.2)),
        (
            lambda net: SGD(net, 0.1, 0.9, True, weight_decay=0.2),
            lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.2),
        ),
        (lambda net: RMSProp(net, 0.01, weight_decay=0.2), lambda p: torch.optim.RMSprop(p, 0.01, weight_decay=0.2)),
        (
            lambda net: Adam(net, 0.01, weight_decay=0.2),
            lambda p: torch.optim.Adam(p, 0.01, betas=(0.5, 0.999), weight_decay=0.2),
        ),
        (lambda net: AdamW(net, 0.01), lambda p: torch.optim.AdamW(p, 0.01, betas=(0.5, 0.999))),
        (
            lambda net: AdamW(net, 0.01, 0.9, 0.99, weight_decay=0.2),
            lambda p: torch.optim.AdamW(p, 0.01, betas=(0.9, 0.99), weight_decay=0.2),
        ),
    ],
)
@pytest.mark.parametrize("clip", [None, 2.0])
def test_optimizers(ours, theirs, clip, rng):
    net = network()
    p = torch.tensor(net.flat_params.copy(), requires_grad=True)
    optimizer, twin = ours(net), theirs([p])
    for _ in range(20):
        g = rng.standard_normal(net.flat_params.size)
        net.flat_grads[...], p.grad = g, torch.tensor(g)
        if clip is not None:  # both clip the gradient before the decay is added to it
            clip_grad_norm(net, clip)
            torch.nn.utils.clip_grad_norm_([p], clip)
        optimizer.step()
        twin.step()
    if clip is None:
        close(net.flat_params, p)
    else:  # PyTorch divides by the norm + 1e-6, and Adam by the roots of squares
        np.testing.assert_allclose(net.flat_params, p.detach().numpy(), rtol=0, atol=1e-6)


lr_scheduler = torch.optim.lr_scheduler
SCHEDULES = {
    "linear": (Linear(0.1, 15), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=15)),
    "linear to an end": (Linear(0.1, 15, end=0.02), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, total_iters=15)),
    "exponential": (Exponential(0.1, 0.9), lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    "step": (Step(0.1, 0.5, steps=6), lambda o: lr_scheduler.StepLR(o, 6, 0.5)),
    "cosine": (Cosine(0.1, 20, end=0.01), lambda o: lr_scheduler.CosineAnnealingLR(o, 20, 0.01)),
    "warm-up": (
        WarmUp(Cosine(0.1, 15), steps=4),
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o, 1 / 5, total_iters=4), lr_scheduler.CosineAnnealingLR(o, 15)], [4]
        ),
    ),
    "joined": (
        Joined([Constant(0.1), Step(0.1, 0.5, steps=3)], at=[8]),
        lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ConstantLR(o, 1.0), lr_scheduler.StepLR(o, 3, 0.5)], [8]),
    ),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter")  # of PyTorch's own SequentialLR
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name, rng):
    schedule, make = SCHEDULES[name]
    for ours, theirs in (
        (lambda net: SGD(net, schedule, 0.9), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
        (
            lambda net: AdamW(net, schedule, weight_decay=0.3),
            lambda p: torch.optim.AdamW(p, 0.1, betas=(0.5, 0.999), weight_decay=0.3),
        ),
    ):
        net = network()
        p = torch.tensor(net.flat_params.copy(), requires_grad=True)
        optimizer, twin = ours(net), theirs([p])
        scheduler = make(twin)
        for _ in range(20):
            g = rng.standard_normal(net.flat_params.size)
            net.flat_grads[...], p.grad = g, torch.tensor(g)
            optimizer.step()
            assert optimizer.lr == pytest.approx(twin.param_groups[0]["lr"], rel=1e-12, abs=1e-15)
            twin.step()
            scheduler.step()
        close(net.flat_params, p)


def test_decay_of_some_parameters(rng):
    """As two groups of parameters in PyTorch."""
    net = network()
    parts = {name: torch.tensor(value.copy(), requires_grad=True) for name, value in net.params.items()}
    groups = {decays: [p for name, p in parts.items() if name.endswith(".W") == decays] for decays in (True, False)}
    optimizer = AdamW(net, 0.01, weight_decay=0.3, no_decay=("b", "gamma", "beta"))
    twin = torch.optim.AdamW(
        [{"params": groups[True], "weight_decay": 0.3}, {"params": groups[False], "weight_decay": 0.0}],
        0.01,
        betas=(0.5, 0.999),
    )
    for _ in range(20):
        net.flat_grads = rng.standard_normal(net.flat_params.size)
        for name, p in parts.items():
            p.grad = torch.tensor(net.grads[name].copy())
        optimizer.step()
        twin.step()
    for name, p in parts.items():
        close(net.params[name], p)


def test_the_moving_average(rng):
    """That of torch.optim.swa_utils, buffers included, with the warm-up of minigan, of the same networks."""
    net = network()
    average, sgd = MovingAverage(net, decay=0.8), SGD(net, 0.1)

    def twin():
        """The network in PyTorch with the numbers that it has now."""
        twin, batch_norm = twin_of(net), net.layers[1]
        twin[1].running_mean.copy_(torch.tensor(batch_norm.state["mean"]))
        twin[1].running_var.copy_(torch.tensor(batch_norm.state["variance"]))
        return twin

    def towards(average, value, updates):
        updates = int(updates)  # a tensor, whose quotient would be in float32
        d = min(0.8, (1 + updates) / (10 + updates))
        return d * average + (1 - d) * value

    swa = torch.optim.swa_utils
    averaged = swa.AveragedModel(twin(), avg_fn=towards, use_buffers=True)
    averaged.update_parameters(twin())  # PyTorch counts from 1: its first update is a copy
    for _ in range(40):
        net.zero_grads()
        net.forward(rng.standard_normal((8, 5)), training=True)
        net.backward(rng.standard_normal((8, 3)))
        sgd.step()
        average.update()
        averaged.update_parameters(twin())
    ours, theirs = average.network, averaged.module.eval()
    np.testing.assert_allclose(ours.flat_params, flat(theirs.parameters()), rtol=1e-12, atol=1e-14)
    close(ours.layers[1].state["mean"], theirs[1].running_mean, rtol=1e-12)
    close(ours.layers[1].state["variance"], theirs[1].running_var, rtol=1e-12)
    x = rng.standard_normal((8, 5))
    close(ours.predict(x), theirs(torch.tensor(x)))
    assert abs(ours.flat_params - net.flat_params).max() > 0.01


def test_gan_steps(rng):
    generator, discriminator = network(4, seed=1), network(3, seed=2, head=1)
    g_twin, d_twin = twin_of(generator), twin_of(discriminator)
    gan = GAN(generator, discriminator, seed=9)
    g_adam, d_adam = (torch.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999)) for net in (g_twin, d_twin))
    bce, ones, latents = torch.nn.BCEWithLogitsLoss(), torch.ones(8, 1).double(), np.random.default_rng(9)
    for _ in range(5):
        images = rng.standard_normal((8, 3))
        generated = g_twin(torch.tensor(latents.standard_normal((8, 4))))
        d_adam.zero_grad()
        d_loss = bce(d_twin(torch.tensor(images)), ones) + bce(d_twin(generated.detach()), 0 * ones)
        d_loss.backward()
        d_adam.step()
        g_adam.zero_grad()
        g_loss = bce(d_twin(generated), ones)
        g_loss.backward()
        g_adam.step()
        for ours, theirs in zip(gan.train_step(images), (d_loss, g_loss), strict=True):
            close(ours, theirs, rtol=1e-6)
    for net, twin in ((generator, g_twin), (discriminator, d_twin)):
        np.testing.assert_allclose(net.flat_params, flat(twin.parameters()), rtol=1e-5, atol=1e-8)
