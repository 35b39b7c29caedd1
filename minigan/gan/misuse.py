"""Mistakes in a GAN that give no error: wrong last layers, wrong ranges or axes of images. See docs/gan.md"""

from minigan.gan.objectives import Wasserstein
from minigan.gan.penalties import DRAGAN, R1, WGANGP, ZeroCentered
from minigan.layers import (
    ELU,
    GELU,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cutout,
    Dropout,
    Flatten,
    GaussianNoise,
    MaxPool2D,
    RandomColor,
    RandomTranslation,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpectralNorm,
    Tanh,
    UpSampling2D,
)
from minigan.layers.trainable import slices_that_learn
from minigan.misuse import tell_once
from minigan.network import Sequential

# layers that should not be the last one of a discriminator or a generator, and why
D_ENDS = {
    Sigmoid: "the objectives take unbounded logits, and apply a sigmoid themselves if they need one",
    Tanh: "its logits stay between -1 and 1, so D can never be sure",
    ReLU: "its logits are never negative, so D can never call an image generated",
    Softplus: "its logits are never negative, so D can never call an image generated",
    ELU: "its logits have a lower bound, so D can never be sure that an image is generated",
    SiLU: "its logits have a lower bound, -0.28, so D can never be sure that an image is generated",
    GELU: "its logits have a lower bound, -0.17, so D can never be sure that an image is generated",
    Softmax: "the shares of a single logit are always 1, whatever the image is",
    Dropout: "in training, many of its logits are 0 by chance, whatever the image is",
    GaussianNoise: "in training, a part of its logits is chance, whatever the image is",
    BatchNorm: (
        "real and generated images pass it as two batches, and it gives both the same mean, so D cannot tell them apart"
    ),
}
AUGMENTATIONS = (RandomColor, RandomTranslation, Cutout)
G_ENDS = {
    **dict.fromkeys(AUGMENTATIONS, "it belongs in front of D, which then sees real and generated images changed alike"),
    Dropout: "in training, many pixels of its images are 0 by chance",
    GaussianNoise: "in training, its images have noise and real ones do not, so D can tell them apart by that alone",
}

RANGES = {Tanh: (-1, 1), Sigmoid: (0, 1)}  # of what a generator makes that ends so
KEEP_RANGE = (Reshape, Flatten, UpSampling2D, MaxPool2D, AveragePool2D)
MOST_MOMENTUM = 0.5  # the largest with which a penalty was published
OPTIMIZERS = {  # of D, in the papers of the penalties or in their authors' code
    WGANGP: "Adam(discriminator, lr=1e-4, beta1=0, beta2=0.9)",
    ZeroCentered: "Adam(discriminator, lr, beta1=0.5, beta2=0.9)",
    R1: "RMSProp(discriminator, lr=1e-4)",
    DRAGAN: "Adam(discriminator, lr=1e-4, beta1=0.5, beta2=0.9)",
}
FAR = 0.25  # of the width of its range: images that reach further beyond it are none that the generator could make
FLAT = 0.02  # of that width: images whose numbers all lie so close together show nothing
DARKEST, BRIGHTEST = 0.1, 0.9  # where images in [0, 1] have some of their numbers, in a batch


def tell_of_networks(gan):
    """Warn if the last layer of a network is a mistake, or if the channels of the images seem to come first."""
    for name, net, ends in (("discriminator", gan.discriminator, D_ENDS), ("generator", gan.generator, G_ENDS)):
        last = type(last_layer(net, (Reshape, Flatten)))
        if last in ends:
            tell_once(gan, f"GAN: the {name} ends in {last.__name__}: {ends[last]}. Leave it out.", stacklevel=4)
    for name, net in (("generator", gan.generator), ("discriminator", gan.discriminator)):
        if net.flat_params.size and not slices_that_learn(net):
            tell_once(
                gan,
                f"GAN: all layers of the {name} are frozen, so it will never learn. To train the generator, minigan "
                f"needs no frozen discriminator. Set {name}.trainable = True.",
                stacklevel=4,
            )
    layers, shape = gan.discriminator.inner_layers(), gan.discriminator.input_shape
    first = next((layer for layer in layers if not isinstance(layer, AUGMENTATIONS)), None)
    if isinstance(first, SpectralNorm):
        first = first.inner
    if isinstance(first, (Conv2D, Conv2DTranspose, MaxPool2D, AveragePool2D)) and channels_first(shape):
        tell_once(
            gan,
            f"GAN: in images of shape {shape} the channels seem to come first. In minigan they come last, "
            f"{(*shape[1:], shape[0])}: use images.transpose(0, 2, 3, 1).",
            stacklevel=4,
        )


def tell_of_penalties(gan):
    """Warn of networks and optimizers that do not suit the penalties of a GAN, and of a critic without a bound."""
    if not gan.penalties:
        tell_of_unbounded_critic(gan)
        return
    mixing = next((layer for layer in gan.discriminator.inner_layers() if layer.mixes_samples), None)
    if mixing is not None:
        tell_once(
            gan,
            f"GAN: {mixing.name} of the discriminator mixes the samples of a batch, so the slope at one image depends "
            "on all others, and the penalty is not what its paper means. Leave it out.",
            stacklevel=4,
        )
    optimizer = gan.d_optimizer
    momentum = max(getattr(optimizer, "momentum", 0), getattr(optimizer, "beta1", 0))
    for penalty in gan.penalties:
        published = next((text for kind, text in OPTIMIZERS.items() if isinstance(penalty, kind)), None)
        if published is not None and momentum > MOST_MOMENTUM:
            tell_once(
                gan,
                f"GAN: {penalty} with {type(optimizer).__name__} of momentum {momentum:g} for D: the slope overshoots "
                f"what the penalty asks for. Use {published}, as its authors did.",
                stacklevel=4,
            )


def tell_of_unbounded_critic(gan):
    """Warn of Wasserstein(clip=None) if nothing else bounds the slope of the critic."""
    objective = gan.objective
    if not isinstance(objective, Wasserstein) or objective.clip is not None:
        return
    own_bound = type(objective).after_discriminator_step is not Wasserstein.after_discriminator_step
    if own_bound or any(isinstance(layer, SpectralNorm) for layer in gan.discriminator.inner_layers()):
        return
    tell_once(
        gan,
        "GAN: Wasserstein(clip=None) without a penalty: nothing bounds the slope of the critic, so it can make its "
        "loss as low as it likes without learning anything. Add penalties=[penalties.WGANGP()], or put each layer "
        "of the critic that has weights into a SpectralNorm.",
        stacklevel=5,
    )


def tell_of_images(gan, images):
    """Warn if real images have another range than the generator's images, or are nearly of one colour.

    In a batch of images in [-1, 1], the darkest number is hardly ever just above 0. So these are images in [0, 1], in
    which black would be grey. An experiment that wants this says so in gan.data_range.
    """
    made = RANGES.get(type(last_layer(gan.generator, KEEP_RANGE)))
    if made is None:
        return
    (bottom, top), low, high = made, float(images.min()), float(images.max())
    width = top - bottom
    what = f"GAN.train_step: the images go from {low:.4g} to {high:.4g}, but the images of G go from {bottom} to {top}"
    if low < bottom - FAR * width or high > top + FAR * width:
        advice = f"D can tell them apart by that alone. To scale bytes: minigan.data.scale(images, {bottom}, {top})."
        tell_once(gan, f"{what}. {advice}", stacklevel=5)
    elif 0 < high - low < FLAT * width:
        tell_once(gan, f"{what}: they are nearly all of one colour. Were they scaled twice?", stacklevel=5)
    elif gan.data_range is None and bottom < 0 <= low <= DARKEST and BRIGHTEST <= high <= top:
        advice = "If they are in [0, 1], take 2 * images - 1; for bytes: minigan.data.scale(images)."
        tell_once(gan, f"{what}, where 0 is grey and not black. {advice}", stacklevel=5)


def in_a_row(net):
    """Return the layers of a network; a network within it is replaced by its layers, a layer with branches is not."""
    return [part for layer in net.layers for part in (in_a_row(layer) if isinstance(layer, Sequential) else [layer])]


def last_layer(net, but):
    """Return the last layer that does not belong to the classes `but`, or None."""
    return next((layer for layer in reversed(in_a_row(net)) if not isinstance(layer, but)), None)


def channels_first(shape):
    """Return whether a shape of three sizes looks like (c, h, w): one or three channels, then a square."""
    return len(shape) == 3 and shape[0] in (1, 3) and shape[1] == shape[2] >= 8
