"""Gradient penalties: their values by hand, a GAN's step with them, saving, mistakes; PyTorch's double backward."""

import copy
import warnings

import numpy as np
import pytest
from rank_helpers import as_ranks
from test_second_order import NETWORKS, Square, network

from minigan import GAN, Sequential
from minigan.checks import check_gradients
from minigan.errors import CheckpointError, MisuseWarning, OptionError
from minigan.experiments import find
from minigan.gan import objectives, penalties
from minigan.input_gradient import InputGradient
from minigan.layers import BatchNorm, Conv2D, Dense, Flatten, Layer, LeakyReLU, Reshape, SpectralNorm, Tanh
from minigan.optimizers import SGD, Adam, RMSProp
from minigan.parallel.group import ALONE

ALL = {
    "WGANGP": penalties.WGANGP,
    "ZeroCentered": penalties.ZeroCentered,
    "R1": penalties.R1,
    "R2": penalties.R2,
    "DRAGAN": penalties.DRAGAN,
}
SHAPE = (4, 4, 1)


def gan_with(parts, dtype="float64", layers=None, objective=None, **options):
    generator = Sequential([Dense(16), Tanh(), Reshape(SHAPE)], (3,), seed=1, dtype=dtype)
    layers = [Conv2D(3, 3), Tanh(), Flatten(), Dense(5), LeakyReLU(), Dense(1)] if layers is None else layers
    discriminator = Sequential(layers, SHAPE, seed=2, dtype=dtype)
    optimizers = {"g_optimizer": Adam(generator, 1e-3, 0.0, 0.9), "d_optimizer": Adam(discriminator, 1e-3, 0.0, 0.9)}
    objective = objectives.Wasserstein(clip=None) if objective is None else objective
    return GAN(generator, discriminator, objective=objective, penalties=parts, **{**optimizers, **options})


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, (6, *SHAPE))


# the values


@pytest.mark.parametrize("name", ALL)
def test_the_gradient_of_the_value_is_what_differences_measure(name, rng):
    penalty = ALL[name](weight=3.0)

    class Value(Layer):
        mixes_samples = True

        def build(self, input_shape, rng, dtype, xp):
            super().build(input_shape, rng, dtype, xp)
            return (1,)

        def forward(self, g, training=False):
            self.check_input(g)
            self.save_for_backward(g)
            return np.full((len(g), 1), penalty.value(g)[0])

        def backward(self, dy, param_grads=True, input_grad=True):
            return penalty.value(self.saved(dy))[1] * dy.sum()

    check_gradients(Value(), (2, 3, 1))


def test_the_values_by_hand():
    g = np.array([[[3.0, 4.0]], [[0.0, 0.0]]])  # lengths 5 and 0
    for penalty, value, v in (
        (penalties.WGANGP(10), 10 * (16 + 1) / 2, 10 * 2 / 2 * 4 / 5 * g),
        (penalties.ZeroCentered(10), 10 * 25 / 2, 10 * g),
        (penalties.R1(10), 5 * 25 / 2, 5 * g),
        (penalties.R2(10), 5 * 25 / 2, 5 * g),
        (penalties.DRAGAN(1, target=2.0), (9 + 4) / 2, 3 / 5 * g),
    ):
        got = penalty.value(g)
        np.testing.assert_allclose(got[0], value)
        np.testing.assert_allclose(got[1], v)


def test_where_the_slopes_are_looked_at(rng):
    real, generated = np.zeros((50, 2, 2, 1)), np.ones((50, 2, 2, 1))
    for kind in (penalties.WGANGP, penalties.ZeroCentered):
        points = kind().points(real, generated, rng)
        assert 0 <= points.min() < 0.1 and 0.9 < points.max() <= 1, "between real and generated images"
        assert (points == points[:, :1, :1]).all() and len(np.unique(points)) == 50, "one number for each image"
    assert penalties.R1().points(real, generated, rng) is real
    assert penalties.R2().points(real, generated, rng) is generated
    images = rng.standard_normal((200, 5, 5, 1))
    noise = penalties.DRAGAN(spread=0.5).points(images, None, rng) - images
    assert noise.min() >= 0 and 0.4 < noise.max() / images.std() <= 0.5


# in a GAN


@pytest.mark.parametrize("name", ALL)
def test_a_step_adds_the_penalty_to_the_loss_and_its_gradient(name, images):
    without, with_one = gan_with([]), gan_with([ALL[name](weight=2.0)])
    losses = [gan.train_step(images)[0] for gan in (without, with_one)]
    # the same again, by differences of the slope along each parameter
    gan = gan_with([])
    net, penalty = gan.discriminator, ALL[name](weight=2.0)
    z = gan.latent.sample(len(images), gan.rng, net.dtype, np)
    points = penalty.points(images, gan.generator.forward(z, training=True), gan.rng)

    def value():
        return float(penalty.value(InputGradient(net).forward(points, training=True))[0])

    np.testing.assert_allclose(losses[1] - losses[0], value(), rtol=1e-9)
    added = with_one.discriminator.flat_grads - without.discriminator.flat_grads
    for place in range(0, net.flat_params.size, 7):
        values = []
        for step in (1e-5, -2e-5):
            net.flat_params[place] += step
            values.append(value())
        net.flat_params[place] += 1e-5
        np.testing.assert_allclose(added[place], (values[0] - values[1]) / 2e-5, rtol=1e-5, atol=1e-7)


def test_several_penalties_add_up(images):
    losses = [
        gan_with(parts).train_step(images)[0]
        for parts in ([], [penalties.R1()], [penalties.R2()], [penalties.R1(), penalties.R2()])
    ]
    np.testing.assert_allclose(losses[3] - losses[0], losses[1] + losses[2] - 2 * losses[0])
    assert losses[1] > losses[0] and losses[2] > losses[0]


def test_a_lazy_penalty_counts_three_times_in_every_third_step(images):
    often, lazy, never = (
        gan_with(parts, d_optimizer=None) for parts in ([penalties.R1()], [penalties.R1(every=3)], [])
    )
    for gan in (often, lazy, never):  # no learning: what remains is the penalty itself
        gan.d_optimizer.lr = gan.g_optimizer.lr = 1e-300
    for step in range(7):
        a, b, c = (gan.train_step(images)[0] for gan in (often, lazy, never))
        np.testing.assert_allclose(b - c, 3 * (a - c) if step % 3 == 0 else 0, rtol=1e-9, atol=1e-12)


def test_the_images_of_the_caller_stay_writable(images):
    gan = gan_with([penalties.R1(), penalties.WGANGP()])
    before = images.copy()
    gan.train_step(images)
    assert images.flags.writeable and (images == before).all()


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_share_the_penalties(workers, images):
    gans = [gan_with([part() for part in ALL.values()]) for _ in range(2)]
    gans[1].parallel(workers)
    for _ in range(3):
        one, other = (gan.train_step(images) for gan in gans)
        np.testing.assert_allclose(one, other, rtol=1e-9)
    np.testing.assert_allclose(
        gans[1].discriminator.flat_params, gans[0].discriminator.flat_params, rtol=1e-7, atol=1e-9
    )


def test_processes_share_the_penalties(images):
    def trained(group):
        gan = gan_with([part() for part in ALL.values()])
        gan.join(group)
        losses = [gan.train_step(images) for _ in range(3)]
        return losses, gan.discriminator.flat_params.copy()

    losses, params = trained(ALONE)
    for other_losses, other_params in as_ranks(3, trained):
        np.testing.assert_allclose(other_losses, losses, rtol=1e-9)
        np.testing.assert_allclose(other_params, params, atol=1e-9)


def test_a_gan_with_penalties_saved_and_loaded_continues_bit_for_bit(images, tmp_path):
    parts = [penalties.WGANGP(5.0), penalties.DRAGAN(2.0, every=2, spread=0.3)]
    gan = gan_with(parts)
    gan.train_step(images)
    gan.save(tmp_path / "gan.npz")
    again = GAN.load(tmp_path / "gan.npz")
    assert list(map(repr, again.penalties)) == list(map(repr, parts))
    for _ in range(4):
        assert gan.train_step(images) == again.train_step(images)
    assert (gan.discriminator.flat_params == again.discriminator.flat_params).all()


class Mine(penalties.GradientPenalty):
    """The slope at black images should be 0."""

    def __init__(self, weight=1.0):
        super().__init__(weight)

    def points(self, real, generated, rng):
        return np.zeros_like(real)


def test_a_penalty_of_ones_own(images, tmp_path):
    gan = gan_with(Mine())
    gan.train_step(images)
    gan.save(tmp_path / "gan.npz")
    with pytest.raises(CheckpointError, match=r"custom_parts=\[Mine\]"):
        GAN.load(tmp_path / "gan.npz")
    again = GAN.load(tmp_path / "gan.npz", custom_parts=[Mine])
    assert gan.train_step(images) == again.train_step(images)


class NoGradient(penalties.R1):
    """A penalty whose value forgets dP/dg."""

    def value(self, g):
        return 1.0


@pytest.mark.parametrize("name", ["wgan-gp", "r1-gan", "r1-dcgan"])
def test_the_experiments_have_their_penalties(name):
    experiment = find(name)
    gan = experiment.make_gan()
    assert gan.penalties and str(gan.penalties[0]) in str(experiment.penalties)
    if name == "wgan-gp":
        assert (gan.d_steps, gan.penalties[0].weight, gan.objective.clip) == (5, 10, None)
        for adam in (gan.d_optimizer, gan.g_optimizer):
            assert (adam.lr, adam.beta1, adam.beta2) == (1e-4, 0, 0.9)


# mistakes


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: gan_with("R1"), "expected penalties as a list of gradient penalties"),
        (lambda: gan_with([penalties.R1]), "expected penalties as a list of gradient penalties"),
        (lambda: gan_with([7]), "expected penalties as a list of gradient penalties"),
        (lambda: gan_with(None), "expected penalties as a list of gradient penalties"),
        (lambda: gan_with([None]), "expected penalties as a list of gradient penalties"),
        (lambda: gan_with([NoGradient()]).train_step(np.zeros((2, *SHAPE))), "NoGradient.value: expected the pair"),
        (lambda: gan_with([penalties.R1()], objective=objectives.Wasserstein()), "Choose one: Wasserstein"),
        (lambda: gan_with([penalties.R1()], layers=[Square(), Flatten(), Dense(1)]), "Square.tangent"),
        (lambda: penalties.WGANGP(weight=-1), "WGANGP: expected weight"),
        (lambda: penalties.R1(every=0), "R1: expected every"),
        (lambda: penalties.DRAGAN(spread=0), "DRAGAN: expected spread"),
        (lambda: penalties.DRAGAN(target="one"), "DRAGAN: expected target"),
        (lambda: find("wgan-gp").but("x", penalties=[3]), "Experiment: expected penalties"),
    ],
)
def test_wrong_penalties_get_one_clear_error(make, text):
    with pytest.raises(OptionError, match=text):
        make()


def test_what_does_not_suit_a_penalty_is_told():
    with pytest.warns(MisuseWarning, match="BatchNorm of the discriminator mixes the samples"):
        gan_with([penalties.R1()], layers=[Flatten(), Dense(4), BatchNorm(), LeakyReLU(), Dense(1)])
    for optimizer in (lambda net: Adam(net, 1e-3, 0.9), lambda net: SGD(net, 1e-3, momentum=0.9)):
        for penalty, advice in ((penalties.WGANGP(), "beta1=0, beta2=0.9"), (penalties.R2(), "RMSProp.*, as its")):
            generator, discriminator = Sequential([Dense(4)], (2,)), Sequential([Dense(1)], (4,))
            with pytest.warns(MisuseWarning, match=f"momentum 0.9 for D.* Use .*{advice}"):
                GAN(generator, discriminator, penalties=[penalty], d_optimizer=optimizer(discriminator))


@pytest.mark.parametrize("name", ["WGANGP", "ZeroCentered", "R1", "R2", "DRAGAN"])
def test_optimizers_that_suit_a_penalty_are_not_told_of(name):
    """Those of the papers, and plain SGD; a penalty of one's own may have any."""

    class Own(penalties.GradientPenalty):
        def points(self, real, generated, rng):
            return real

    cases = [
        (getattr(penalties, name)(), optimizer) for optimizer in (RMSProp, SGD, lambda net, lr: Adam(net, lr, 0.5))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for penalty, optimizer in [*cases, (Own(), lambda net, lr: Adam(net, lr, 0.9))]:
            generator, discriminator = Sequential([Dense(4)], (2,)), Sequential([Dense(1)], (4,))
            GAN(generator, discriminator, penalties=[penalty], d_optimizer=optimizer(discriminator, 1e-4))


def test_a_critic_without_a_bound_is_told():
    class Bounded(objectives.Wasserstein):
        def after_discriminator_step(self, discriminator):
            discriminator.flat_params /= 2

    free = objectives.Wasserstein(clip=None)
    with pytest.warns(MisuseWarning, match="nothing bounds the slope of the critic"):
        gan_with([], objective=free)
    bounded = [SpectralNorm(Dense(4)), LeakyReLU(), SpectralNorm(Dense(1))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gan_with([penalties.R1()], objective=free)
        gan_with([], objective=objectives.Wasserstein())
        gan_with([], objective=Bounded(clip=None))
        gan_with([], objective=free, layers=[Flatten(), *bounded])


def test_a_file_with_unknown_or_odd_penalties_is_refused(tmp_path, images):
    gan = gan_with([penalties.R1()])
    for odd in ({"class": "R3"}, {"class": "R1", "weight": -1}, {"class": "R1", "colour": 1}, 7):
        gan.penalties = (penalties.R1(),)
        gan.save(tmp_path / "gan.npz")
        from minigan.gan import saving

        described = saving.describe_to_save
        try:
            saving.describe_to_save = lambda part: odd if isinstance(part, penalties.R1) else described(part)  # noqa: B023
            gan.save(tmp_path / "gan.npz")
        finally:
            saving.describe_to_save = described
        with pytest.raises(CheckpointError):
            GAN.load(tmp_path / "gan.npz")


# PyTorch


def torch_function(net, torch):
    """Return (a function on tensors in minigan's layout, its leaves): the same network, with the same parameters."""
    from torch.nn import functional

    steps, leaves = [], []

    def images(f):
        return lambda x: f(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def lstm(layer, own):
        def run(x):
            h = c = torch.zeros(len(x), layer.units, dtype=x.dtype)
            outputs = []
            for t in range(x.shape[1]):
                a_i, a_f, a_g, a_o = (x[:, t] @ own[0] + h @ own[1] + own[2]).chunk(4, dim=1)
                c = torch.sigmoid(a_f) * c + torch.sigmoid(a_i) * torch.tanh(a_g)
                h = torch.sigmoid(a_o) * torch.tanh(c)
                outputs.append(h)
            return torch.stack(outputs, dim=1) if layer.return_sequences else h

        return run

    def conv(layer, own):
        (top, bottom), (left, right) = layer.plan.pads

        def run(x):
            x = functional.pad(x, (left, right, top, bottom))
            return functional.conv2d(x, own[0].permute(3, 2, 0, 1), own[1], stride=layer.strides)

        return images(run)

    def transposed(layer, own):
        (top, _), (left, _) = layer.plan.pads
        h, w, _ = layer.output_shape

        def run(x):
            y = functional.conv_transpose2d(x, own[0].permute(3, 2, 0, 1), stride=layer.strides)
            y = functional.pad(y, (0, max(0, left + w - y.shape[3]), 0, max(0, top + h - y.shape[2])))
            return y[:, :, top : top + h, left : left + w] + own[1][:, None, None]

        return images(run)

    def batch_norm(layer, own):
        def run(x):
            axes = tuple(range(x.ndim - 1))
            xhat = (x - x.mean(axes)) / torch.sqrt(x.var(axes, unbiased=False) + layer.epsilon)
            return xhat * own[0] + own[1]

        return run

    def max_pool(layer, own):
        (top, bottom), (left, right) = layer.pads

        def run(x):
            x = functional.pad(x, (left, right, top, bottom), value=-float("inf"))
            return functional.max_pool2d(x, layer.pool_size, layer.strides)

        return images(run)

    def spectral_norm(layer, own):
        u = {name: torch.tensor(layer.state[of_u].copy()) for name, of_u in layer.matrices.items()}

        def divided(name, W):
            if name not in u:
                return W
            M = W.movedim(layer.output_axis, -1).reshape(-1, W.shape[layer.output_axis])
            return W / (M @ u[name]).norm()  # sigma

        def run(x):
            bars = [divided(name, W) for name, W in zip(layer.params, own, strict=True)]
            return makers[type(layer.inner).__name__](layer.built, bars)(x)

        return run

    def layer_norm(layer, own):
        return lambda x: functional.layer_norm(x, x.shape[-1:], *own, layer.epsilon)

    def group_norm(layer, own):
        return images(lambda x: functional.group_norm(x, layer.groups, *own, layer.epsilon))

    makers = {
        "Dense": lambda layer, own: lambda x: x @ own[0] + own[1],
        "SpectralNorm": spectral_norm,
        "LayerNorm": layer_norm,
        "InstanceNorm": group_norm,  # each channel is a group
        "GroupNorm": group_norm,
        "Conv2D": conv,
        "Conv2DTranspose": transposed,
        "BatchNorm": batch_norm,
        "LSTM": lstm,
        "MaxPool2D": max_pool,
        "AveragePool2D": lambda layer, own: images(lambda x: functional.avg_pool2d(x, layer.pool_size)),
        "UpSampling2D": lambda layer, own: (
            lambda x: x.repeat_interleave(layer.size[0], 1).repeat_interleave(layer.size[1], 2)
        ),
        "ReLU": lambda layer, own: torch.relu,
        "LeakyReLU": lambda layer, own: lambda x: functional.leaky_relu(x, layer.negative_slope),
        "Tanh": lambda layer, own: torch.tanh,
        "Sigmoid": lambda layer, own: torch.sigmoid,
        "Flatten": lambda layer, own: lambda x: x.reshape(len(x), -1),
        "Reshape": lambda layer, own: lambda x: x.reshape(len(x), *layer.target_shape),
    }
    for layer in net.inner_layers():
        own = [torch.tensor(np.array(value), requires_grad=True) for value in layer.params.values()]
        leaves += own
        steps.append(makers[type(layer).__name__](layer, own))

    def function(x):
        for step in steps:
            x = step(x)
        return x

    return function, leaves


def flat(leaves, what):
    return np.concatenate(
        [(what(leaf) if what(leaf) is not None else leaf * 0).detach().numpy().ravel() for leaf in leaves]
    )


@pytest.mark.torch
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "dropout"])
def test_the_gradient_of_the_penalty_is_that_of_pytorchs_double_backward(name, rng):
    torch = pytest.importorskip("torch")
    net = network(name)
    net.flat_params += 0.1 * rng.standard_normal(net.flat_params.size)
    x, penalty = rng.standard_normal((8, *NETWORKS[name][1])), penalties.WGANGP(10)
    function, leaves = torch_function(net, torch)
    penalty.points = lambda real, generated, rng: real
    net.zero_grads()
    value = penalty.add(net, x, x, rng, ALONE)
    points = torch.tensor(x, requires_grad=True)
    (g,) = torch.autograd.grad(function(points).sum(), points, create_graph=True)
    theirs = 10 * ((g.reshape(len(x), -1).norm(dim=1) - 1) ** 2).mean()
    theirs.backward()
    wanted = flat(leaves, lambda leaf: leaf.grad)
    assert abs(wanted).max() > 1e-3
    np.testing.assert_allclose(value, theirs.item(), rtol=1e-10)
    assert abs(net.flat_grads - wanted).max() / abs(wanted).max() < 1e-8


@pytest.mark.torch
@pytest.mark.parametrize("curved", [False, True])
def test_twenty_steps_of_wgan_gp_are_those_of_pytorch(curved, rng):
    """n_critic 5, lambda 10, Adam 1e-4 (0, .9): the recipe of the paper, with the same random numbers."""
    torch = pytest.importorskip("torch")
    activation = Tanh if curved else LeakyReLU
    layers = [Conv2D(4, 3, 2), activation(), Flatten(), Dense(8), activation(), Dense(1)]
    gan = gan_with([penalties.WGANGP(10)], layers=layers, d_steps=5)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        optimizer.lr = 1e-4
    (g_function, g_leaves), (d_function, d_leaves) = (
        torch_function(net, torch) for net in (gan.generator, gan.discriminator)
    )
    g_adam, d_adam = (torch.optim.Adam(leaves, 1e-4, betas=(0.0, 0.9)) for leaves in (g_leaves, d_leaves))
    random = copy.deepcopy(gan.rng)
    start = gan.discriminator.flat_params.copy()
    for step in range(20):
        images = rng.uniform(-1, 1, (8, *SHAPE))
        ours = gan.train_step(images)
        real = torch.tensor(images)
        generated = g_function(torch.tensor(random.standard_normal((8, 3))))
        u = torch.tensor(random.random((8, 1, 1, 1)))
        points = (real + u * (generated.detach() - real)).requires_grad_()
        (g,) = torch.autograd.grad(d_function(points).sum(), points, create_graph=True)
        penalty = 10 * ((g.reshape(8, -1).norm(dim=1) - 1) ** 2).mean()
        loss = d_function(generated.detach()).mean() - d_function(real).mean() + penalty
        d_adam.zero_grad()
        loss.backward()
        d_adam.step()
        np.testing.assert_allclose(ours[0], loss.item(), rtol=1e-9)
        if (step + 1) % 5 == 0:
            g_adam.zero_grad()
            (-d_function(generated).mean()).backward()
            g_adam.step()
    assert abs(gan.discriminator.flat_params - start).max() > 1e-4
    for net, leaves in ((gan.generator, g_leaves), (gan.discriminator, d_leaves)):
        assert abs(net.flat_params - flat(leaves, lambda leaf: leaf)).max() < 1e-8
