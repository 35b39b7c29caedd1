"""Random changes of images in front of a discriminator, in training: DiffAugment, for GANs that have few images.

D sees real and generated images only after such a change, a new one for each image in each pass. So it cannot learn the
real images by heart, and the generator learns through the change: its gradient is that of the unchanged image.
Source of all: Zhao et al. 2020, "Differentiable augmentation for data-efficient GAN training", arXiv:2006.10738
"""

from minigan.layers.base import Layer
from minigan.ops.random_bits import draw_seed, uniform_numbers
from minigan.options import require_non_negative, require_share, require_share_or_all


class Augmentation(Layer):
    """The base class: in training each image gets its own random numbers; in inference y = x.

    draws          how many numbers from U(0, 1) an image gets
    choose(u)      what becomes of each image, from these numbers u (n, draws): a tuple of arrays
    State          seed, calls: the numbers of a pass depend only on these two and on the place of the image in the
                   whole batch, as with Dropout
    """

    draws = 2

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.require_images()
        self.add_state("seed", draw_seed(rng, xp))
        self.add_state("calls", xp.zeros((), "int64"))
        return self.output_shape

    def chosen(self, x, training):
        """Check x, choose what becomes of its images, and save that: a tuple of arrays, or None in inference."""
        self.check_input(x)
        if not training:
            self.save_for_backward(None)
            return None
        shape, places = (len(x), self.draws), self.group.places(len(x))
        u = uniform_numbers(shape, self.state["seed"], self.state["calls"], self.xp, places)
        self.state["calls"] += 1
        choice = self.choose(u)
        self.save_for_backward(choice)
        return choice

    def pixels_of_ratio(self):
        """Return ratio h and ratio w, rounded to whole pixels; for a class with the option ratio."""
        return tuple(int(self.ratio * size + 0.5) for size in self.input_shape[:2])  # halves become larger


class RandomColor(Augmentation):
    """Brightness, saturation and contrast of each image change at random.

    Forward    training, in this order:   u = x + b
                                          v = s u + (1 - s) grey(u),   grey: the mean over c, at each pixel
                                          y = k v + (1 - k) mean(v),   mean: over h, w and c
               with b ~ U(-brightness, brightness), s ~ U(1 -+ saturation), k ~ U(1 -+ contrast), one for each image.
               Since mean(v) = mean(x) + b, this is   y = k s x + k (1 - s) grey(x) + (1 - k) mean(x) + b
    Backward   (1) dx = k s dy + k (1 - s) grey(dy) + (1 - k) mean(dy)         the matrix of y is symmetric
    Shapes     x (n,h,w,c) -> y, same shape
    Cost       about 8 flops per element; saves three numbers per image
    Options    brightness 0.5, saturation 1, contrast 0.5, as in the authors' code for images in [-1, 1]; for images in
               [0, 1] take brightness=0.25
    Source     arXiv:2006.10738; docs/layers/augmentation.md
    """

    draws = 3

    def __init__(self, brightness: float = 0.5, saturation: float = 1.0, contrast: float = 0.5):
        self.brightness = require_non_negative("RandomColor", brightness=brightness)
        self.saturation, self.contrast = require_share_or_all("RandomColor", saturation=saturation, contrast=contrast)

    def choose(self, u):
        spread = 2 * u - 1
        b, s, k = self.brightness * spread[:, 0], 1 + self.saturation * spread[:, 1], 1 + self.contrast * spread[:, 2]
        return tuple(number.astype(self.dtype)[:, None, None, None] for number in (b, s, k))

    def forward(self, x, training=False):
        choice = self.chosen(x, training)
        if choice is None:
            return x
        b, s, k = choice
        return self.mixed(x, s, k) + b

    def backward(self, dy, param_grads=True, input_grad=True):
        choice = self.saved(dy)
        if not input_grad:
            return None
        return dy if choice is None else self.mixed(dy, *choice[1:])  # (1)

    def tangent(self, xdot):
        _, choice = self.retained(xdot)
        return xdot if choice is None else self.mixed(xdot, *choice[1:])

    def mixed(self, x, s, k):
        """Return k s x + k (1 - s) grey(x) + (1 - k) mean(x)."""
        grey = x.mean(axis=3, keepdims=True)
        mean = grey.mean(axis=(1, 2), keepdims=True)
        y = x * (k * s)
        y += k * (1 - s) * grey + (1 - k) * mean
        return y

    def flops(self):
        return 8 * super().flops()


class RandomTranslation(Augmentation):
    """Each image moves by a random number of pixels, up or down and left or right; what it leaves becomes 0.

    Forward    training: y[n,i,j,c] = x[n, i - p, j - q, c], 0 where there is no such pixel;
               p and q are whole numbers from -r to r, one pair for each image, with r = ratio h or ratio w, rounded
    Backward   (1) dx[n,i,j,c] = dy[n, i + p, j + q, c]                        the same way back
    Shapes     x (n,h,w,c) -> y, same shape
    Cost       no flops; saves two numbers per image
    Options    ratio in [0, 1): the largest move, as a part of the image; 1/8 in the paper
    Source     arXiv:2006.10738; docs/layers/augmentation.md
    """

    def __init__(self, ratio: float = 0.125):
        self.ratio = require_share("RandomTranslation", ratio=ratio)

    def choose(self, u):
        return tuple(
            self.xp.floor(u[:, axis] * (2 * r + 1)).astype("int64") - r for axis, r in enumerate(self.pixels_of_ratio())
        )

    def forward(self, x, training=False):
        choice = self.chosen(x, training)
        return x if choice is None else self.moved(x, *choice)

    def backward(self, dy, param_grads=True, input_grad=True):
        choice = self.saved(dy)
        if not input_grad:
            return None
        return dy if choice is None else self.moved(dy, *(-move for move in choice))  # (1)

    def tangent(self, xdot):
        _, choice = self.retained(xdot)
        return xdot if choice is None else self.moved(xdot, *choice)

    def moved(self, x, p, q):
        """Return the images moved down by p and to the right by q pixels."""
        xp, (n, h, w, c), (top, left) = self.xp, x.shape, self.pixels_of_ratio()
        padded = xp.pad(x, ((0, 0), (top, top), (left, left), (0, 0)))
        rows = xp.arange(top, top + h) - p[:, None]
        columns = xp.arange(left, left + w) - q[:, None]
        # the number of each pixel among those of all padded images
        rows += (xp.arange(n) * (h + 2 * top))[:, None]
        pixels = rows[:, :, None] * (w + 2 * left) + columns[:, None, :]
        return xp.take(padded.reshape(-1, c), pixels, axis=0)

    def flops(self):
        return 0


class Cutout(Augmentation):
    """A rectangle at a random place of each image becomes 0.

    Forward    training: y = x keep,   keep[n,i,j] = 0 in a rectangle of ratio h x ratio w pixels, rounded, else 1; its
               middle is anywhere in the image, so a part of it can lie outside
    Backward   (1) dx = dy keep                                                with the same keep, never a new one
    Shapes     x (n,h,w,c) -> y, same shape
    Cost       no flops; saves two numbers per image
    Options    ratio in [0, 1): the sides of the rectangle, as a part of the image; 1/2 in the paper
    Source     arXiv:2006.10738; docs/layers/augmentation.md
    """

    def __init__(self, ratio: float = 0.5):
        self.ratio = require_share("Cutout", ratio=ratio)

    def choose(self, u):
        """Return the first row and the first column of each rectangle; they can be negative."""
        first = []
        for axis, (size, side) in enumerate(zip(self.input_shape[:2], self.pixels_of_ratio(), strict=True)):
            middle = self.xp.floor(u[:, axis] * (size + 1 - side % 2)).astype("int64")
            first.append(middle - side // 2)
        return tuple(first)

    def forward(self, x, training=False):
        choice = self.chosen(x, training)
        return x if choice is None else self.cut(x, *choice)

    def backward(self, dy, param_grads=True, input_grad=True):
        choice = self.saved(dy)
        if not input_grad:
            return None
        return dy if choice is None else self.cut(dy, *choice)  # (1)

    def tangent(self, xdot):
        _, choice = self.retained(xdot)
        return xdot if choice is None else self.cut(xdot, *choice)

    def cut(self, x, *first):
        """Return x keep."""
        outside = []
        for start, size, side in zip(first, x.shape[1:3], self.pixels_of_ratio(), strict=True):
            place = self.xp.arange(size) - start[:, None]
            outside.append((place < 0) | (place >= side))
        keep = outside[0][:, :, None] | outside[1][:, None, :]
        return self.xp.where(keep[..., None], x, self.xp.zeros((), x.dtype))

    def flops(self):
        return 0
