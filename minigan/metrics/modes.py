"""How many of the 1,000 numbers of stacked digits a GAN makes, and how evenly: the usual test of mode collapse."""

import numpy as np

from minigan import backend
from minigan.errors import ShapeError
from minigan.hints import Array
from minigan.metrics.class_scores import x_log_x
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
    Errors     ShapeError if the samples have no channel, or the classifier is not one of ten classes for images of one
    Source     Srivastava et al. 2017, "VEEGAN", arXiv:1705.07761; Lin et al. 2018, "PacGAN", arXiv:1712.04086
    """
    require_built("mode_scores", classifier=classifier)
    if not backend.is_array(samples) or samples.ndim != 4 or samples.shape[3] == 0:
        raise ShapeError(
            "mode_scores: expected samples as an array (n, h, w, channels) of at least one channel, got "
            f"{shown(samples)}."
        )
    if classifier.output_shape != (DIGITS,) or classifier.input_shape != (*samples.shape[1:3], 1):
        raise ShapeError(
            f"mode_scores: expected a classifier of {DIGITS} digits in images of {(*samples.shape[1:3], 1)}, got one "
            f"that makes {classifier.output_shape} of {classifier.input_shape}."
        )
    channels, digits = samples.shape[3], []
    for channel in range(channels):
        _, probabilities = features_and_probabilities(classifier, samples[..., channel : channel + 1])
        digits.append(probabilities.argmax(axis=1))
    # only the modes that occur: of many channels, all modes fit into no memory, and their numbers into no integer
    _, counts = np.unique(np.stack(digits, axis=1), axis=0, return_counts=True)
    return {
        "modes": len(counts),
        "all_modes": DIGITS**channels,
        "mode_kl": float(x_log_x(counts / len(samples)).sum() + channels * np.log(DIGITS)),
    }
