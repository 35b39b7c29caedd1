"""Convolution as three adjoint maps, computed in three ways; `choose.py` takes the one that costs least."""
