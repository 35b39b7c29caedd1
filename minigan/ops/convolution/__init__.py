"""Convolution as three adjoint maps, computed in several ways; `choose.py` takes the one that costs least."""
