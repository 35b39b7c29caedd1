"""The licences of the data sets. A generator makes images after these, so whoever hands it on should know them."""

CC_BY_SA = "CC BY-SA 3.0 (Y. LeCun, C. Cortes and C. Burges, the MNIST database)"
LICENCES = {
    "digits": CC_BY_SA,
    "mnist": CC_BY_SA,
    "stacked-digits": CC_BY_SA,
    "stacked-mnist": CC_BY_SA,
    "fashion-mnist": "MIT (Zalando SE)",
    "cifar10": "none is stated (A. Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images)",
    "svhn": "non-commercial use only (Netzer et al. 2011, Reading Digits in Natural Images)",
}
UNKNOWN = "unknown to minigan: that of the images which the run was given"


def licence_of(name):
    """Return the licence of the data set of that name, as a text."""
    return LICENCES.get(name, UNKNOWN)
