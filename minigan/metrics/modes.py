"""How many of the 1,000 numbers of stacked digits a GAN makes, and how evenly: the usual test of mode collapse."""

import numpy as np

from minigan import backend
from minigan.errors import ShapeError
from minigan.hints import Array
from minigan.metrics.class_scores import kl_to_uniform
from minigan.metrics.classifier import features_and_probabilities
from minigan.network import Sequential
from minigan.options import require_built, shown

DIGITS = 10


def mode_scores(samples: Array, classifier: Sequential) -> dict:
    """Return which modes the samples show, by a classifier of single digits that looks at each channel by itself.

    samples    (n, h, w, channels), uint8 0 ... 255 or floats in [-1, 1]; three channels: the modes are 000 to 999
    classifier that of `trained_classifier(minigan.data.load("digits"))`
    Returns    modes              how many of all modes at least one sample shows
               all_modes          how many there are, 10^channels
               mode_kl            KL(p, uniform) = sum_k p[k] log(all_modes p[k]), p the shares of the modes; 0 at best
    The number of samples decides how many modes can be seen: the field takes 26,000.
    Errors     ShapeError if the classifier is not one of ten classes for images of one channel
    Source     Srivastava et al. 2017, "VEEGAN", arXiv:1705.07761; Lin et al. 2018, "PacGAN", arXiv:1712.04086
    """
    require_built("mode_scores", classifier=classifier)
    if not backend.is_array(samples) or samples.ndim != 4:
        raise ShapeError(f"mode_scores: expected samples as an array (n, h, w, channels), got {shown(samples)}.")
    if classifier.output_shape != (DIGITS,) or classifier.input_shape != (*samples.shape[1:3], 1):
        raise ShapeError(
            f"mode_scores: expected a classifier of {DIGITS} digits in images of {(*samples.shape[1:3], 1)}, got one "
            f"that makes {classifier.output_shape} of {classifier.input_shape}."
        )
    modes, channels = np.zeros(len(samples), "int64"), samples.shape[3]
    for channel in range(channels):
        _, probabilities = features_and_probabilities(classifier, samples[..., channel : channel + 1])
        modes = DIGITS * modes + probabilities.argmax(axis=1)
    shares = np.bincount(modes, minlength=DIGITS**channels) / len(samples)
    return {
        "modes": int((shares > 0).sum()),
        "all_modes": DIGITS**channels,
        "mode_kl": kl_to_uniform(shares),
    }
