"""Weights under a spectral norm: what PyTorch and Keras divide by, and what minigan divides by.

All three compute sigma, the largest singular value of the weights as a matrix, by power iteration: u and v turn towards
the singular vectors. In which matrix, and what is kept of it:

minigan    (k, outputs); a pass computes v = M u / |M u| and sigma = |M u|. u (outputs,) is kept
PyTorch    (outputs, k), the transpose; of an Embedding (classes, size), as here. u and v are kept, sigma = u^T W v
Keras      (k, outputs), of an Embedding (classes, size). The kernel itself is replaced by kernel / sigma in each
           training pass, and nothing is divided in inference. u (1, outputs) is kept
           Conv2DTranspose: (kh kw outputs, inputs). This is another matrix with another norm

So the three agree once the power iteration has converged. If it has not, `tell_of_sigma` says so.
"""

import warnings

import numpy as np

from minigan import backend
from minigan.errors import CheckpointError, MisuseWarning
from minigan.layers import Embedding

CLOSE = 1e-3  # of two values of sigma
LENGTH = 0.01  # that a vector of length 1 may be longer or shorter: in 16 bits, too


def matrix_of(layer):
    """Return the names of the matrix of a SpectralNorm with one, and of its u: ("W", "u") or ("E", "u_E")."""
    ((name, of_u),) = layer.matrices.items()
    return name, of_u


def is_embedding(layer):
    return isinstance(layer.inner, Embedding)


def direction(vector):
    """Return a vector with the length 1; 0 stays."""
    length = np.linalg.norm(vector)
    return vector if length == 0 else vector / length


def require_length(vector, what, advice):
    """Raise CheckpointError unless a vector has the length 1."""
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= LENGTH:
        raise CheckpointError(f"{what} has the length {length:.3g}, expected 1. {advice}")


def tell_of_sigma(owner, place, theirs, library, advice):
    """Give a MisuseWarning if a filled SpectralNorm divides by another number than the other library does.

    theirs     sigma there
    """
    ((_, sigma, _),) = place.layer.measured().values()
    ours = float(backend.to_cpu(sigma))
    if not abs(theirs - ours) <= CLOSE * ours:
        warnings.warn(
            f"{owner}: {place.layer.name} divides its weights by {ours:.5g}, but {library} by {theirs:.5g}, so the "
            f"outputs differ. The power iteration has not converged yet. {advice}",
            MisuseWarning,
            stacklevel=3,
        )
