"""Metrics of generated images: they compare generated with real images through a small classifier.

reference = load_reference(data.load("mnist"))                      trains the classifier once, then caches it
scores = evaluate(gan.sample(10_000, seed=0), reference)            a dict of plain numbers
print(table({"my GAN": scores}))
"""

from minigan.metrics.classifier import features_and_probabilities, train_classifier, trained_classifier
from minigan.metrics.evaluation import evaluate, table
from minigan.metrics.memorisation import nearest_training_images
from minigan.metrics.modes import mode_scores
from minigan.metrics.pixels import pixel_scores
from minigan.metrics.reference import Reference, load_reference

__all__ = [
    "Reference",
    "evaluate",
    "features_and_probabilities",
    "load_reference",
    "mode_scores",
    "nearest_training_images",
    "pixel_scores",
    "table",
    "train_classifier",
    "trained_classifier",
]
