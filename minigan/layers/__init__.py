"""The layers, each with its forward and its backward pass; `base.py` holds the contract that they keep."""

from minigan.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from minigan.layers.base import Layer
from minigan.layers.dense import Dense
from minigan.layers.dropout import Dropout
from minigan.layers.normalization import BatchNorm
from minigan.layers.reshaping import Flatten, Reshape

ALL = (Dense, ReLU, LeakyReLU, Tanh, Sigmoid, Dropout, BatchNorm, Flatten, Reshape)

__all__ = [
    "ALL",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Flatten",
    "Layer",
    "LeakyReLU",
    "ReLU",
    "Reshape",
    "Sigmoid",
    "Tanh",
]
