"""The layers, each with its forward and its backward pass. `base.py` holds the contract that all of them follow."""

from minigan.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from minigan.layers.augmentation import Cutout, RandomColor, RandomTranslation
from minigan.layers.base import Layer
from minigan.layers.branches import Add, Concatenate
from minigan.layers.conditional import ConcatenateLabel, Embedding, Projection
from minigan.layers.conditional_normalization import ConditionalBatchNorm
from minigan.layers.convolution import Conv2D, Conv2DTranspose
from minigan.layers.dense import Dense
from minigan.layers.dropout import Dropout
from minigan.layers.noise import GaussianNoise
from minigan.layers.normalization import BatchNorm
from minigan.layers.pooling import AveragePool2D, GlobalAveragePool2D, MaxPool2D
from minigan.layers.recurrent import LSTM
from minigan.layers.reshaping import Flatten, Reshape
from minigan.layers.sample_norms import GroupNorm, InstanceNorm, LayerNorm
from minigan.layers.smooth_activations import ELU, GELU, SiLU, Softplus
from minigan.layers.softmax import Softmax
from minigan.layers.spectral import SpectralNorm
from minigan.layers.upsampling import UpSampling2D

__all__ = [
    "ELU",
    "GELU",
    "LSTM",
    "Add",
    "AveragePool2D",
    "BatchNorm",
    "Concatenate",
    "ConcatenateLabel",
    "ConditionalBatchNorm",
    "Conv2D",
    "Conv2DTranspose",
    "Cutout",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePool2D",
    "GroupNorm",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2D",
    "Projection",
    "RandomColor",
    "RandomTranslation",
    "ReLU",
    "Reshape",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "SpectralNorm",
    "Tanh",
    "UpSampling2D",
]

# the layers that a network in a file can have
ALL = tuple(globals()[name] for name in __all__ if name != "Layer")
