"""Metrics of the classifier's answers: does each image clearly show one class, and are all classes there?"""

import numpy as np


def classifier_score(probabilities):
    """Return exp E_x KL(p(y|x) || p(y)), from 1 (all answers the same) to the number of classes.

    It is high if every single answer is sure, and all answers together cover the classes equally.
    Shapes     probabilities p(y|x) (n, classes), rows that sum to 1; p(y) is their mean
    Source     Salimans et al. 2016, arXiv:1606.03498, section 4: the Inception score, with another classifier
    """
    mean = probabilities.mean(axis=0)
    return float(np.exp((x_log_x(probabilities).sum(axis=1)).mean() - x_log_x(mean).sum()))


def mean_confidence(probabilities):
    """Return the mean of the largest probability of each image."""
    return float(probabilities.max(axis=1).mean())


def class_shares(probabilities):
    """Return the class histogram, (classes,): the share of images that the classifier puts into each class."""
    classes = probabilities.shape[1]
    return np.bincount(probabilities.argmax(axis=1), minlength=classes) / len(probabilities)


def asked_share(probabilities, labels):
    """Return the share of images that the classifier puts into the class that was asked for: labels (n,)"""
    return float((probabilities.argmax(axis=1) == labels).mean())


def kl_to_uniform(shares):
    """Return KL(shares || uniform) = sum_k s[k] log(s[k] K), from 0 (all K classes alike) to log K (one class)."""
    return float(x_log_x(shares).sum() + np.log(len(shares)))


def x_log_x(x):
    """Return x log x, with 0 log 0 = 0."""
    return x * np.log(np.where(x > 0, x, 1))
