"""The objectives: values by hand, gradients against central differences, extreme logits, steps of a GAN with each."""

import numpy as np
import pytest

from minigan import GAN, Sequential
from minigan.errors import DtypeError, OptionError, ShapeError
from minigan.gan.latent import Latent
from minigan.gan.objectives import (
    Hinge,
    LeastSquares,
    Minimax,
    NaiveNonSaturating,
    NonSaturating,
    Objective,
    Wasserstein,
)
from minigan.layers import BatchNorm, Dense, LeakyReLU
from minigan.losses import BinaryCrossEntropy
from minigan.optimizers import SGD, RMSProp

ALL = [NonSaturating, Minimax, LeastSquares, Hinge, Wasserstein]
WITH_NAIVE = [NaiveNonSaturating, *ALL]  # whose losses are not finite for extreme logits
NOISY = [NonSaturating(label_noise=True), NonSaturating(smoothing=0.1), Minimax(label_noise=True)]


def losses(objective, seed=0):
    """The three methods as functions of the logits alone, with the same random numbers in every call."""
    return {
        "real": lambda logits: objective.real(logits, np.random.default_rng(seed)),
        "fake": lambda logits: objective.fake(logits, np.random.default_rng(seed)),
        "generator": objective.generator,
    }


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# formulas


@pytest.mark.parametrize("objective", [*(make() for make in WITH_NAIVE), *NOISY], ids=lambda o: type(o).__name__)
def test_gradients_against_central_differences(objective, rng):
    logits = 2 * rng.standard_normal((40, 1))
    logits[abs(abs(logits) - 1) < 1e-3] += 0.1  # away from the kinks of the hinge
    for name, loss in losses(objective).items():
        value, gradient = loss(logits)
        assert np.ndim(value) == 0 and gradient.shape == logits.shape
        numeric = np.zeros_like(logits)
        for i in range(len(logits)):
            step = np.zeros_like(logits)
            step[i] = 1e-5
            numeric[i] = (loss(logits + step)[0] - loss(logits - step)[0]) / 2e-5
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-9, err_msg=name)
        assert abs(gradient).max() > 1e-3


x = np.array([[-2.0], [0.5], [3.0]])


@pytest.mark.parametrize(
    ("objective", "real", "fake", "generator"),
    [
        (
            NonSaturating(),
            (-np.log(sigmoid(x)).mean(), (sigmoid(x) - 1) / 3),
            (-np.log(1 - sigmoid(x)).mean(), sigmoid(x) / 3),
            (-np.log(sigmoid(x)).mean(), (sigmoid(x) - 1) / 3),
        ),
        (
            Minimax(),
            (-np.log(sigmoid(x)).mean(), (sigmoid(x) - 1) / 3),
            (-np.log(1 - sigmoid(x)).mean(), sigmoid(x) / 3),
            (np.log(1 - sigmoid(x)).mean(), -sigmoid(x) / 3),
        ),
        (
            LeastSquares(),
            ((9 + 0.25 + 4) / 6, [[-1], [-1 / 6], [2 / 3]]),
            ((4 + 0.25 + 9) / 6, [[-2 / 3], [1 / 6], [1]]),
            ((9 + 0.25 + 4) / 6, [[-1], [-1 / 6], [2 / 3]]),
        ),
        (
            Hinge(),
            ((3 + 0.5 + 0) / 3, [[-1 / 3], [-1 / 3], [0]]),
            ((0 + 1.5 + 4) / 3, [[0], [1 / 3], [1 / 3]]),
            (-0.5, [[-1 / 3]] * 3),
        ),
        (Wasserstein(), (-0.5, [[-1 / 3]] * 3), (0.5, [[1 / 3]] * 3), (-0.5, [[-1 / 3]] * 3)),
    ],
    ids=lambda o: type(o).__name__ if isinstance(o, Objective) else "",
)
def test_by_hand(objective, real, fake, generator):
    for name, (value, gradient) in {"real": real, "fake": fake, "generator": generator}.items():
        got, dlogits = losses(objective)[name](x)
        np.testing.assert_allclose(got, value, rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(dlogits, gradient, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("make", ALL)
def test_extreme_logits_in_float32(make):
    logits = np.array([[1e4], [-1e4], [0.0], [1e-30]], "float32")
    kept = logits.copy()
    for loss in losses(make()).values():
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            value, gradient = loss(logits)
        assert value.dtype == gradient.dtype == np.float32
        assert np.isfinite(value) and np.isfinite(gradient).all()
        value64, gradient64 = loss(logits.astype("float64"))
        np.testing.assert_allclose(value, value64, rtol=1e-6)
        np.testing.assert_allclose(gradient, gradient64, rtol=1e-6, atol=1e-30)
        np.testing.assert_array_equal(logits, kept)


@pytest.mark.filterwarnings("error")
def test_where_the_naive_loss_breaks():
    """In float32 s is 1 for a logit of 17, and 0 for one of -89. Both losses are the same in between."""
    logits = np.arange(-88, 17, dtype="float32")[:, None]
    for name, loss in losses(NaiveNonSaturating()).items():
        inside = logits if name != "fake" else logits[logits > -15][:, None]  # 1 - s keeps few digits of a small s
        value, gradient = loss(inside)
        expected = losses(NonSaturating())[name](inside)
        assert value.dtype == gradient.dtype == np.float32
        np.testing.assert_allclose(value, expected[0], rtol=1e-2, err_msg=name)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-2, atol=1e-7, err_msg=name)
    for name, logit in (("real", -89), ("fake", 17), ("generator", -89)):
        for extreme in (logit, 5 * logit):
            value, gradient = losses(NaiveNonSaturating())[name](np.array([[extreme]], "float32"))
            assert value == np.inf and np.isnan(gradient).all()
            value, gradient = losses(NonSaturating())[name](np.array([[extreme]], "float32"))
            assert value == abs(extreme) and abs(gradient.item()) == 1


def test_where_the_generators_gradient_vanishes():
    """D sure that the image is generated: Minimax gives nearly nothing, all others a full gradient."""
    rejected = np.array([[-20.0]])
    gradients = {make: make().generator(rejected)[1].item() for make in ALL}
    assert gradients.pop(Minimax) == pytest.approx(-np.exp(-20.0), rel=1e-6)
    assert max(gradients.values()) < -0.999


@pytest.mark.parametrize("objective", [make() for make in WITH_NAIVE], ids=lambda o: type(o).__name__)
def test_nothing_waits_for_a_number(objective, standin, monkeypatch):
    """On a GPU a value stays there, as an array of one number: to read it is to wait."""
    monkeypatch.setattr("minigan.backend.cupy", standin)
    logits = standin.array([[2.0], [-3.0]])
    with standin.forbid_syncs():
        with pytest.raises(RuntimeError):
            float(logits.mean())
        for loss in losses(objective).values():
            value, gradient = loss(logits)
            assert isinstance(value, standin.ndarray) and value.shape == () and gradient.shape == (2, 1)


# labels


def test_smoothing_is_one_sided():
    for objective in (NonSaturating(smoothing=0.1), Minimax(smoothing=0.1)):
        logits = np.zeros((1, 1))
        assert objective.real(logits, None)[1].item() == pytest.approx(0.5 - 0.9)
        assert objective.fake(logits, None)[1].item() == 0.5
        assert objective.generator(logits)[1].item() == -0.5


def test_label_noise_has_the_reports_ranges(rng):
    objective, logits = NonSaturating(label_noise=True), np.zeros((10_000, 1), np.float32)
    real = 0.5 - objective.real(logits, rng)[1] * len(logits)  # the targets, from the gradient
    fake = 0.5 - objective.fake(logits, rng)[1] * len(logits)
    for targets, low, high in ((real, 0.7, 1.2), (fake, 0.0, 0.3)):
        assert low - 1e-3 <= targets.min() < low + 0.01 and high - 0.01 < targets.max() <= high + 1e-3
    assert real.dtype == np.float32
    assert objective.generator(logits)[1][0] * len(logits) == -0.5, "G's targets are exact"


def test_label_noise_is_cross_entropy_with_targets_from_the_generator_of_the_gan(rng):
    objective, logits = NonSaturating(label_noise=True), rng.standard_normal((5, 1)).astype("float32")
    ours, theirs = np.random.default_rng(3), np.random.default_rng(3)
    for loss, low, high in ((objective.real, 0.7, 1.2), (objective.fake, 0.0, 0.3)):
        targets = theirs.uniform(low, high, (5, 1)).astype("float32")
        for got, expected in zip(loss(logits, ours), BinaryCrossEntropy()(logits, targets), strict=True):
            np.testing.assert_array_equal(got, expected)


# in a GAN


def layers(units):
    return [Dense(8), LeakyReLU(), Dense(units)]


def tiny_gan(objective, optimizer=lambda net: SGD(net, 0.1), **options):
    generator = Sequential(layers(2), (3,), seed=1, dtype="float64")
    discriminator = Sequential(layers(1), (2,), seed=2, dtype="float64")
    optimizers = {"g_optimizer": optimizer(generator), "d_optimizer": optimizer(discriminator)}
    return GAN(generator, discriminator, objective=objective, **optimizers, **options)


@pytest.mark.parametrize("make", [*WITH_NAIVE[:-1], lambda: Wasserstein(clip=10)])
def test_both_networks_go_downhill(make, rng):
    """A small enough step of a network lowers its own loss on the batch that it learned from."""
    gan, objective, images = (
        tiny_gan(make(), lambda net: SGD(net, 1e-3), d_steps=2),
        make(),
        rng.standard_normal((6, 2)),
    )
    latents = np.random.default_rng(0)  # those of the GAN
    G, D = gan.generator, gan.discriminator
    fake = G.predict(latents.standard_normal((6, 3)))
    before, _ = gan.train_step(images)  # the discriminator alone
    assert objective.real(D.predict(images), None)[0] + objective.fake(D.predict(fake), None)[0] < before
    _, before = gan.train_step(images)
    fake = G.predict(latents.standard_normal((6, 3)))
    assert objective.generator(D.predict(fake))[0] < before


def test_a_critics_weights_are_clipped_after_each_of_its_steps(rng):
    gan = tiny_gan(Wasserstein(clip=0.02), d_steps=3)
    net, images = gan.discriminator, rng.standard_normal((6, 2))
    assert abs(net.flat_params).max() > 0.1
    start, generator = net.flat_params.copy(), gan.generator.flat_params.copy()
    gan.train_step(images)
    np.testing.assert_allclose(net.flat_params, np.clip(start - 0.1 * net.flat_grads, -0.02, 0.02), rtol=1e-12)
    assert abs(net.flat_params).max() == 0.02 and abs(net.flat_params).min() < 0.02
    for _ in range(3):
        gan.train_step(images)
        assert abs(net.flat_params).max() <= 0.02
    assert abs(gan.generator.flat_params).max() > 0.1 and (gan.generator.flat_params != generator).any()


def test_a_critic_with_batch_norm_is_clipped_whole(rng):
    generator = Sequential(layers(2), (3,), dtype="float64")
    critic = Sequential([Dense(4), BatchNorm(), LeakyReLU(), Dense(1)], (2,), dtype="float64")
    GAN(generator, critic, objective=Wasserstein()).train_step(rng.standard_normal((6, 2)))
    assert all(abs(value).max() <= 0.01 for value in critic.params.values())


def test_a_wasserstein_gan_finds_the_place_of_the_data(rng):
    gan = tiny_gan(Wasserstein(clip=0.1), lambda net: RMSProp(net, 5e-3), d_steps=5)
    place = np.array([2.0, -1.0])
    start = gan.sample(200, seed=0).mean(axis=0)
    for _ in range(1000):
        d_loss, _ = gan.train_step(place + 0.1 * rng.standard_normal((32, 2)))
        assert np.isfinite(d_loss)
    end = gan.sample(200, seed=0).mean(axis=0)
    assert np.linalg.norm(end - place) < 0.25 < 1 < np.linalg.norm(start - place)


def test_the_hook_comes_after_the_update_of_the_discriminator_and_before_the_generators(rng):
    calls = []

    class Noting(Hinge):
        def generator(self, logits):
            calls.append("generator")
            return super().generator(logits)

        def after_discriminator_step(self, discriminator):
            calls.append((discriminator, discriminator.flat_params.copy()))

    gan = tiny_gan(Noting(), d_steps=2)
    start = gan.discriminator.flat_params.copy()
    gan.train_step(rng.standard_normal((6, 2)))
    gan.train_step(rng.standard_normal((6, 2)))
    (first, after_one), (second, after_two), last = calls
    assert first is second is gan.discriminator and last == "generator"
    assert (after_one != start).any() and (after_two != after_one).any()
    np.testing.assert_array_equal(after_two, gan.discriminator.flat_params)


def torch_naive(torch):
    """The losses of NaiveNonSaturating as PyTorch computes them: on real, on generated images, and G's."""
    return (
        lambda x: -torch.log(torch.sigmoid(x)),
        lambda x: -torch.log(1 - torch.sigmoid(x)),
        lambda x: -torch.log(torch.sigmoid(x)),
    )


@pytest.mark.torch
def test_the_naive_loss_breaks_where_that_of_torch_does():
    torch = pytest.importorskip("torch")
    for logit in (-100, -89, -88, -20, 0, 16, 17, 20, 100):
        for ours, theirs in zip(losses(NaiveNonSaturating()).values(), torch_naive(torch), strict=True):
            x = torch.tensor([[float(logit)]], requires_grad=True)
            loss = theirs(x)
            loss.backward()
            value, gradient = ours(x.detach().numpy())
            np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-6, atol=1e-37, err_msg=str(logit))
            np.testing.assert_allclose(value, loss.item(), rtol=1e-6, atol=2e-7, err_msg=str(logit))


@pytest.mark.torch
@pytest.mark.parametrize("max_grad_norm", [None, 0.05])
@pytest.mark.parametrize("make", WITH_NAIVE)
def test_steps_as_in_torch(make, max_grad_norm, rng):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    log_s = functional.logsigmoid
    real_loss, fake_loss, g_loss = {
        NaiveNonSaturating: torch_naive(torch),
        NonSaturating: (lambda x: -log_s(x), lambda x: -log_s(-x), lambda x: -log_s(x)),
        Minimax: (lambda x: -log_s(x), lambda x: -log_s(-x), lambda x: log_s(-x)),
        LeastSquares: (lambda x: (x - 1) ** 2 / 2, lambda x: x**2 / 2, lambda x: (x - 1) ** 2 / 2),
        Hinge: (lambda x: functional.relu(1 - x), lambda x: functional.relu(1 + x), lambda x: -x),
        Wasserstein: (lambda x: -x, lambda x: x, lambda x: -x),
    }[make]
    gan = tiny_gan(make(), max_grad_norm=max_grad_norm)
    G, D = (
        {name: torch.tensor(value.copy(), requires_grad=True) for name, value in net.params.items()}
        for net in (gan.generator, gan.discriminator)
    )
    latents = np.random.default_rng(0)

    def forward(params, x):
        W1, b1, W2, b2 = params.values()
        return functional.leaky_relu(x @ W1 + b1, 0.2) @ W2 + b2

    def update(params, loss):
        grads = torch.autograd.grad(loss, list(params.values()))
        norm = torch.cat([g.flatten() for g in grads]).norm()
        scale = 1 if max_grad_norm is None else min(1, max_grad_norm / norm.item())
        with torch.no_grad():
            for value, grad in zip(params.values(), grads, strict=True):
                value -= 0.1 * scale * grad
        return norm.item()

    for images in rng.standard_normal((5, 6, 2)):
        fake = forward(G, torch.tensor(latents.standard_normal((6, 3))))
        d_value = real_loss(forward(D, torch.tensor(images))).mean() + fake_loss(forward(D, fake.detach())).mean()
        d_norm = update(D, d_value)
        if make is Wasserstein:
            with torch.no_grad():
                for value in D.values():
                    value.clamp_(-0.01, 0.01)
        g_value = g_loss(forward(D, fake)).mean()
        g_norm = update(G, g_value)
        np.testing.assert_allclose(gan.train_step(images), (d_value.item(), g_value.item()), rtol=1e-9)
        np.testing.assert_allclose((gan.d_grad_norm, gan.g_grad_norm), (d_norm, g_norm), rtol=1e-9)
    for net, twin in ((gan.generator, G), (gan.discriminator, D)):
        for name, value in net.params.items():
            np.testing.assert_allclose(value, twin[name].detach().numpy(), rtol=1e-9, atol=1e-13, err_msg=name)


@pytest.mark.gpu
@pytest.mark.parametrize("make", WITH_NAIVE)
def test_the_same_on_a_gpu(make, rng):
    from minigan.backend import to_cpu

    images = rng.standard_normal((3, 6, 2))
    one = tiny_gan(make(), max_grad_norm=0.5)
    G, D = one.generator.to("gpu"), one.discriminator.to("gpu")
    other = GAN(G, D, objective=make(), g_optimizer=SGD(G, 0.1), d_optimizer=SGD(D, 0.1), max_grad_norm=0.5)
    for batch in images:
        ours = one.train_step(batch)
        theirs = other.train_step(G.xp.asarray(batch))
        np.testing.assert_allclose(ours, [float(value) for value in theirs], rtol=1e-9)
    np.testing.assert_allclose(one.generator.flat_params, to_cpu(G.flat_params), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.d_grad_norm, float(other.d_grad_norm), rtol=1e-9)


# errors


@pytest.mark.parametrize("objective", [make() for make in WITH_NAIVE], ids=lambda o: type(o).__name__)
def test_wrong_logits(objective):
    name = type(objective).__name__
    for loss in losses(objective).values():
        for wrong in (np.zeros(4), np.zeros((4, 2)), np.zeros((0, 1)), np.zeros((2, 2, 1)), np.float64(1), [1.0]):
            with pytest.raises(ShapeError, match=rf"{name}: expected logits of shape \(n, 1\)"):
                loss(wrong)
        with pytest.raises(DtypeError, match=f"{name}.*int64"):
            loss(np.zeros((4, 1), "int64"))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: NonSaturating(smoothing=1.0), "NonSaturating: expected smoothing"),
        (lambda: Minimax(label_noise=True, smoothing=0.1), "Minimax.*choose one"),
        (lambda: Wasserstein(clip=0), "clip > 0"),
        (lambda: Wasserstein(clip=float("nan")), "clip > 0"),
    ],
)
def test_wrong_options(make, match):
    with pytest.raises(OptionError, match=match):
        make()


def test_an_unfinished_objective_says_what_it_lacks(rng):
    class Unfinished(Objective):
        def real(self, logits, rng):
            return logits.mean(), logits

    gan = tiny_gan(Unfinished())
    with pytest.raises(NotImplementedError, match=r"Unfinished has no fake\(logits, rng\)"):
        gan.train_step(rng.standard_normal((6, 2)))


@pytest.mark.parametrize("label_noise", ["False", 0, None, 0.3, np.ones(2)])
def test_label_noise_is_true_or_false(label_noise):
    for kind in (NonSaturating, Minimax):
        with pytest.raises(OptionError, match=f"{kind.__name__}: expected label_noise as True or False"):
            kind(label_noise=label_noise)


@pytest.mark.parametrize(
    "logits", [None, [[1.0]], "1", np.ones((2, 1), object), np.array([["a"]]), np.ones((2, 1), bool)]
)
def test_odd_logits(logits, rng):
    for objective in (NonSaturating(), Hinge(), Wasserstein(), LeastSquares(), Minimax()):
        for call in (objective.generator, lambda x, o=objective: o.real(x, rng), lambda x, o=objective: o.fake(x, rng)):
            with pytest.raises((ShapeError, DtypeError), match="expected logits"):
                call(logits)


def test_label_noise_needs_a_generator_of_numpy():
    with pytest.raises(OptionError, match="expected rng to be a numpy Generator, got 0"):
        NonSaturating(label_noise=True).real(np.ones((2, 1)), 0)


@pytest.mark.parametrize("answer", [1.0, (1.0, None), (1.0, np.ones((6, 2))), [1.0, 2.0, 3.0]])
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", ["real", "fake", "generator"])
def test_an_objective_that_returns_something_else_is_named(answer, accumulate, name, rng):
    class Odd(NonSaturating):
        pass

    def method(self, logits, rng=None):
        return answer

    method.__qualname__ = f"Odd.{name}"
    setattr(Odd, name, method)
    gan = tiny_gan(Odd())
    gan.accumulate = accumulate
    with pytest.raises(OptionError, match=rf"Odd\.{name}: expected the pair \(value, dlogits\)"):
        gan.train_step(rng.standard_normal((6, 2)))


@pytest.mark.parametrize("z", [[1.0], None, np.ones(3)])
def test_a_latent_that_draws_something_else_is_named(z, rng):
    class Odd(Latent):
        def draw(self, shape, rng):
            return z

    with pytest.raises(ShapeError, match=r"Odd\.draw: expected a NumPy array of shape \(4, 3\)"):
        Odd(3).sample(4, rng)
