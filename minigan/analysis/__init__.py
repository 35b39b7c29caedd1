"""What second derivatives say about a loss: Hessian-vector products, and the largest eigenvalues."""

from minigan.analysis.eigenvalues import largest_eigenvalues
from minigan.analysis.hessian import hessian_vector_product
from minigan.analysis.sharpness import gan_sharpness

__all__ = ["gan_sharpness", "hessian_vector_product", "largest_eigenvalues"]
