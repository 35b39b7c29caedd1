"""All metrics of a set of samples, and tables of them."""

import numpy as np

from minigan.backend import to_cpu
from minigan.errors import OptionError
from minigan.hints import Array, Labels
from minigan.labels import checked_labels
from minigan.metrics import class_scores
from minigan.metrics.classifier import features_and_probabilities
from minigan.metrics.frechet import mean_and_covariance, normalised_frechet_distance
from minigan.metrics.images import check_samples
from minigan.metrics.manifold import precision_recall_density_coverage
from minigan.metrics.memorisation import distances_to_training, memorisation
from minigan.metrics.reference import NEIGHBORS, Reference, chosen
from minigan.options import is_real, require_instance, shown

# the columns of a table: heading, key, format
COLUMNS = (
    ("nFD %", "nfd", ".2f"),
    ("score", "score", ".2f"),
    ("confidence", "confidence", ".3f"),
    ("smallest class", "smallest_class", ".3f"),
    ("precision", "precision", ".3f"),
    ("recall", "recall", ".3f"),
    ("density", "density", ".3f"),
    ("coverage", "coverage", ".3f"),
    ("memorisation", "memorisation_ratio", ".2f"),
    ("copied", "copied_share", ".3f"),
)


def evaluate(samples: Array, reference: Reference, labels: Labels | None = None) -> dict:
    """Return all metrics of generated images, as a dict of plain numbers that JSON can hold.

    samples    (n, h, w, c), uint8 0 ... 255 or floats in [-1, 1]; the first `reference.samples` of them are used
    labels     the classes that a conditional GAN was asked for, (n,)
    Returns    dataset, samples      the data set's name; how many samples were used
               nfd                   normalised Frechet distance in percent, 0 at best
               score                 classifier score, from 1 to the number of classes
               confidence            the mean of the largest class probability
               class_shares          the class histogram, a list
               class_kl              its KL divergence to the uniform one, 0 at best
               smallest_class        the smallest class share
               precision, recall, density, coverage          with k = 5 neighbours
               memorisation_ratio, copied_share              or None, and then
               memorisation_note                             the reason, else None
               asked_share              only with labels: the share of samples that the classifier puts into the class
                                        that was asked for
    Errors     ShapeError, DtypeError; NonFiniteError; DataError: too few samples, or not in the range [-1, 1]
    What each metric means, and what fools it: docs/evaluation.md
    """
    require_instance("evaluate", Reference, 'load_reference(minigan.data.load("mnist"))', reference=reference)
    check_samples(samples, reference.image_shape, reference.samples)
    if labels is not None:
        classes = reference.classifier.output_shape[0]
        labels = checked_labels("evaluate", labels, len(samples), classes, np)[: reference.samples]
    samples = samples[: reference.samples]
    features, probabilities = features_and_probabilities(reference.classifier, samples)
    shares = class_scores.class_shares(probabilities)
    compared = features[chosen(len(samples), reference.neighbor_samples)]
    return {
        "dataset": reference.name,
        "samples": reference.samples,
        "nfd": normalised_frechet_distance(*mean_and_covariance(features), reference.mean, reference.covariance),
        "score": class_scores.classifier_score(probabilities),
        "confidence": class_scores.mean_confidence(probabilities),
        "class_shares": shares.tolist(),
        "class_kl": class_scores.kl_to_uniform(shares),
        "smallest_class": float(shares.min()),
        **({} if labels is None else {"asked_share": class_scores.asked_share(probabilities, labels)}),
        **precision_recall_density_coverage(reference.real_features, compared, NEIGHBORS),
        **memorisation_scores(samples, reference),
    }


def memorisation_scores(samples, reference):
    """Return the metrics of `evaluate` that search for copies of training images."""
    if reference.test_distances is None:
        ratio = copied = None
    else:
        searched = to_cpu(samples)[chosen(len(samples), reference.copy_samples)]
        distances = distances_to_training(searched, reference.train_images)
        ratio, copied = memorisation(distances, reference.test_distances)
    return {"memorisation_ratio": ratio, "copied_share": copied, "memorisation_note": reference.no_test}


def table(evaluations: dict[str, dict]) -> str:
    """Return a Markdown table of evaluations, name -> what `evaluate` returned: one row each, "-" for None.

    Errors     OptionError for other values
    """
    if not isinstance(evaluations, dict) or not all(map(is_evaluation, evaluations.values())):
        raise OptionError(f"table: expected a dict, name -> what evaluate returned, got {shown(evaluations)}.")
    for name, scores in evaluations.items():
        for _, key, _ in COLUMNS:
            if scores[key] is not None and not is_real(scores[key]):
                raise OptionError(
                    f"table: expected {key} of {shown(name)} as a number or None, as evaluate returns it, got "
                    f"{shown(scores[key])}."
                )
    lines = [f"| set | {' | '.join(heading for heading, _, _ in COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, scores in evaluations.items():
        values = [(scores[key], style) for _, key, style in COLUMNS]
        cells = ["-" if value is None else format(value, style) for value, style in values]
        lines.append(f"| {cell_text(name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell_text(name):
    """Return a name as a Markdown table can hold it: on one line, without the sign that ends a cell."""
    return " ".join(str(name).splitlines()).replace("|", "\\|")


def is_evaluation(scores):
    return isinstance(scores, dict) and all(key in scores for _, key, _ in COLUMNS)
