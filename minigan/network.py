"""Sequential: a network of consecutive layers, with one flat vector of parameters and one of gradients."""

import copy
import math
from collections.abc import Sequence
from typing import IO

import numpy as np

from minigan import backend, storage, summary
from minigan.budget import counting, spend
from minigan.errors import OptionError
from minigan.hints import Array, DType, Labels, PathLike, Seed, Shape
from minigan.initializers import Initializer
from minigan.labels import checked_labels, labels_for
from minigan.layers.advice import no_tangent
from minigan.layers.arrays import copy_into
from minigan.layers.base import Layer, has_tangent, saves_nothing, saving_nothing
from minigan.layers.container import (
    Container,
    backward_through,
    build_in_a_row,
    forward_through,
    tangent_backward_through,
    tangent_through,
    with_inner_layers,
)
from minigan.layers.fused import fuse
from minigan.layers.lists import checked_layers, common_classes
from minigan.layers.trainable import config_of
from minigan.options import require_count, require_dtype, require_flag, require_seed, require_shape, shown
from minigan.parallel.sharing import share_network


class Sequential(Container):
    """A network of layers that run one after the other. It is itself a layer.

    Every parameter of every layer is a view into `flat_params`, and every gradient is a view into `flat_grads`. So an
    optimizer's update, a gradient norm or weight clipping is one operation on one vector.

    Options    layers; input_shape: of one sample, without the batch axis (leave it out if the network becomes a layer
               of another network: then the other one builds it, with its own seed, dtype and device); seed: of the
               initial weights and of dropout, None for a new one each time; dtype: "float32" or "float64"; device:
               "cpu", "gpu" or "auto"
    Errors     ShapeError if two layers do not fit, OptionError for wrong options, DeviceError without a GPU
    """

    shared = None  # a SharedNetwork where threads share the batch
    spent: dict[str, int] = {}  # what it took to build it, by kind: see budget.py

    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: Shape | None = None,
        seed: Seed = 0,
        dtype: DType = "float32",
        device: str = "cpu",
    ):
        self._layers = checked_layers(layers)
        self.classes = common_classes(self._layers)
        rng = np.random.default_rng(require_seed("Sequential", seed=seed))
        dtype, xp = require_dtype("Sequential", dtype), backend.device_module(device)
        if input_shape is not None:
            self.build(input_shape, rng, dtype, xp)

    def build(self, input_shape, rng, dtype, xp):
        """Build every layer for the output shape of the layer before, then move all parameters into flat vectors.

        If a layer does not fit, all layers stay as they were, so they can be used again.
        """
        shape, dtype = require_shape("Sequential", input_shape=input_shape), require_dtype("Sequential", dtype)
        before = [(layer, dict(vars(layer))) for layer in with_inner_layers(self)]
        try:
            with counting() as self.spent:
                super().build(shape, rng, dtype, xp)
                shape = build_in_a_row(self.layers, shape, rng, dtype, xp)
                spend("sample", math.prod(shape), self.name, f"one output of shape {shape}")
            self.output_shape = shape
            self._allocate()
        except BaseException:
            for layer, values in before:
                vars(layer).clear()
                vars(layer).update(values)
            raise
        return shape

    def make_parts(self):
        self.parts = fuse(self.layers, self.xp)

    @property
    def flat_params(self) -> Array:
        """Return all parameters as one vector; assigning to it copies the numbers into the layers."""
        self.require_built()
        return self._flat_params

    @flat_params.setter
    def flat_params(self, values):
        copy_into(self.flat_params, values, "flat_params")

    @property
    def flat_grads(self) -> Array:
        """Return all gradients as one vector; those that `forget_grads` cleared are set to 0 first."""
        self.require_built()
        self.write_forgotten_zeros()
        return self._flat_grads

    @flat_grads.setter
    def flat_grads(self, values):
        copy_into(self.flat_grads, values, "flat_grads")

    def forward(self, x, training=False, labels=None):
        """Pass x through all layers; those that take labels get them: one integer for each sample, its class.

        On the CPU, arrays that a layer saves for backward are read-only, and y may be one of them: to change y, copy it
        first. Arrays on a GPU cannot be read-only, so there x is copied, and a copy of y is returned.
        """
        self.check_input(x)
        training = require_flag("Sequential.forward", training=training)
        labels = self.given_labels("Sequential.forward", labels, len(x))
        is_shared = self.shared is not None and self.shared.shares(len(x))
        self.save_for_backward(is_shared)
        run = self.shared.forward if is_shared else self._forward_rows
        return run(x, training, labels)

    def given_labels(self, where, labels, n):
        """Return the labels of n samples, checked, or None if no layer takes labels."""
        if labels_for(self, labels, where) is None:
            return None
        return backend.safe_copy(checked_labels(where, labels, n, self.classes, self.xp))

    def _forward_rows(self, x, training, labels):
        """Pass checked rows through all layers."""
        if not saves_nothing():
            x = backend.safe_copy(x)
        x = forward_through(self.parts, x, training, labels)
        return x if saves_nothing() else backend.safe_copy(x)

    def backward(self, dy, param_grads=True, input_grad=True):
        """Pass dy through all layers, last to first.

        Without `input_grad` it ends at the first layer that has parameters to learn: nothing before that is needed.
        """
        param_grads, input_grad = require_flag("Sequential.backward", param_grads=param_grads, input_grad=input_grad)
        is_shared = self.saved(dy)
        run = self.shared.backward if is_shared else self._backward_rows
        return run(dy, param_grads, input_grad)

    def _backward_rows(self, dy, param_grads, input_grad):
        """Pass checked rows through all layers, last to first."""
        return backward_through(self.parts, dy, param_grads, input_grad)

    def tangent(self, xdot):
        """Pass xdot through all layers: see Layer.tangent. Errors: OptionError for a layer without a tangent."""
        require_tangents(self)
        _, is_shared = self.retained(xdot)
        run = self.shared.tangent if is_shared else self._tangent_rows
        return run(xdot)

    def _tangent_rows(self, xdot):
        """Pass checked rows of xdot through all layers."""
        return tangent_through(self.parts, xdot)

    def tangent_backward(self, dy=None, param_grads=True, input_grad=True):
        """Pass dy through all layers, last to first, and add the bend of each on the way; None counts as 0."""
        self.require_retained()
        (is_shared,) = self.cache[1]
        if dy is not None:
            self.saved(dy)
        elif not any(layer.bend is not None for layer in self.inner_layers()):
            self.clear_cache()
            return None
        self.cache = self.upstream = None
        run = self.shared.tangent_backward if is_shared else self._tangent_backward_rows
        return run(dy, param_grads, input_grad)

    def _tangent_backward_rows(self, dy, param_grads, input_grad):
        """Pass checked rows of dy, or None, through all layers, last to first, with the bends."""
        return tangent_backward_through(self.parts, dy, param_grads, input_grad)

    def clear_cache(self):
        super().clear_cache()
        if self.shared is not None:
            self.shared.clear_cache()

    def parallel(self, workers: int | str = "auto") -> int:
        """Let threads share every batch from now on: each computes a part of its rows. Returns the number of threads.

        The results do not depend on the number of threads, but for rounding; with one number they are always the same
        bits. Call `parallel` again after a change of a layer's options. Copies of the network start with one thread.
        workers    how many threads; "auto": as many as BLAS has, which have nothing to do meanwhile, and only for
                   batches that are worth it. 1 ends the sharing
        Errors     OptionError on a GPU, or for a layer of your own that mixes the samples of a batch and does not sum
                   over the workers
        How it works: docs/parallel.md
        """
        self.require_built()
        self.shared = share_network(self, workers)
        return self.workers

    @property
    def workers(self) -> int:
        """Return how many threads share a batch."""
        return 1 if self.shared is None else self.shared.size

    def zero_grads(self) -> None:
        """Set all gradients to 0. Do this before each step, since backward adds to them."""
        self.require_built()
        self.forget_grads()
        self.write_forgotten_zeros()

    def write_forgotten_zeros(self):
        """Write the zeros that `forget_grads` postponed."""
        for layer in self.inner_layers():
            layer.grads.write_zeros()

    def predict(self, x: Array, batch_size: int = 256, labels: Labels | None = None) -> Array:
        """Return the outputs for x in inference mode, batch by batch: x (n, ...) -> a new array (n, ...).

        labels     (n,), the class of each sample, if the network has layers that take them
        It saves nothing for backward, and does not touch what a training pass has saved, even in another thread.
        """
        batch_size = require_count("Sequential.predict", batch_size=batch_size)
        with saving_nothing():
            self.check_input(x, "predict")
            labels = self.given_labels("Sequential.predict", labels, len(x))
            y = self.xp.empty((len(x), *self.output_shape), self.dtype)
            for start in range(0, len(x), batch_size):
                rows = slice(start, start + batch_size)
                y[rows] = self.forward(x[rows], labels=None if labels is None else labels[rows])
        return y

    def to(self, device: str) -> "Sequential":
        """Return a copy of this network on a device: "cpu", "gpu" or "auto". The network itself stays where it is."""
        return self._converted(self.dtype, backend.device_module(device))

    def astype(self, dtype: DType) -> "Sequential":
        """Return a copy of this network with another dtype, for example "float64" for gradient checks."""
        return self._converted(require_dtype("Sequential.astype", dtype), self.xp)

    def _converted(self, dtype, xp):
        self.require_built()
        twin = copy.deepcopy(self)
        twin.convert(dtype, xp)
        return twin

    def __repr__(self):
        return f"Sequential({self.layers}, input_shape={self.input_shape})"

    def config(self):
        """Return the architecture as JSON values."""
        return {"layers": [config_of(layer) for layer in self.layers]}

    def summary(self) -> str:
        """Return a table of all layers: output shape, parameters, forward flops and bytes saved for backward.

        Flops and bytes are per sample. The bytes are measured: what a second sample adds in a training pass.
        """
        self.require_built()
        return summary.as_text(self)

    def _repr_html_(self):
        """Return the summary as an HTML table, for notebooks."""
        return None if self.input_shape is None else summary.as_html(self)

    def save(self, path: PathLike | IO[bytes]) -> None:
        """Write the architecture, the parameters and the state to one .npz file. It is complete or not there at all.

        path       the file's name (.npz is not added), or a binary file object such as io.BytesIO
        Errors     FileError if the file cannot be written; OptionError if an option cannot be saved; NonFiniteError for
                   NaN or infinity; TooLargeError if `load` would refuse the file as too large
        """
        self.require_built()
        storage.save_network(self, path)

    def to_onnx(
        self, path: PathLike | IO[bytes], description: str = "", metadata: dict[str, str] | None = None
    ) -> None:
        """Write the network as an ONNX model, which other programs run: float32, in inference mode, any batch size.

        Its inputs are x and, where layers take them, labels (int64); its output is y, in minigan's shapes.
        path          the file's name, or a binary file object
        description   a text about the model, its doc_string
        metadata      more texts by name, its metadata_props: {"licence": "CC BY-SA 3.0"}
        Errors        OptionError without the package onnx (pip install "minigan[onnx]"), and for a layer of your own
                      without onnx_nodes; FileError, NonFiniteError. docs/interop.md
        """
        from minigan.interop import onnx_export

        self.require_built()
        onnx_export.export(self, path, description, metadata)

    def to_safetensors(self, path: PathLike | IO[bytes], metadata: dict[str, str] | None = None) -> None:
        """Write the network to a file of the format safetensors: an array for each parameter, by its name.

        path       the file's name, or a binary file object
        metadata   texts by name that the file holds, too: {"licence": "CC BY-SA 3.0"}
        Errors     FileError, NonFiniteError, TooLargeError; OptionError if an option cannot be saved. docs/interop.md
        """
        from minigan.interop import safetensors_network

        self.require_built()
        safetensors_network.save(self, path, metadata)

    @classmethod
    def from_safetensors(
        cls,
        path: PathLike | IO[bytes],
        device: str = "cpu",
        custom_layers: Sequence[type[Layer] | type[Initializer]] = (),
    ) -> "Sequential":
        """Read a network that `to_safetensors` wrote. Options and errors as for `load`.

        A file that PyTorch wrote has no architecture: make the network, and fill it by minigan.interop.from_torch.
        """
        from minigan.interop import safetensors_network

        require_own_classes(f"{cls.__name__}.from_safetensors", custom_layers)
        return safetensors_network.load(cls, path, backend.device_module(device), custom_layers)

    @classmethod
    def from_onnx(cls, path: PathLike | IO[bytes], device: str = "cpu") -> "Sequential":
        """Read an ONNX model of operators that minigan has as layers, its own or another program's.

        Images come and go with the channels last, (n, h, w, c), even if the model has them first. A second input of
        the model, a vector of integers, are the labels.
        path       the file's name, or a binary file object, which is read from its position to its end
        Errors     OptionError without the package onnx (pip install "minigan[onnx]"); CheckpointError if the file is
                   missing or damaged, or names the first operator that minigan does not have. docs/interop.md
        """
        from minigan.interop import onnx_import

        return onnx_import.load(cls, path, backend.device_module(device))

    @classmethod
    def load(
        cls,
        path: PathLike | IO[bytes],
        device: str = "cpu",
        custom_layers: Sequence[type[Layer] | type[Initializer]] = (),
    ) -> "Sequential":
        """Read a network that `save` wrote.

        path            the file's name, or a binary file object, which is read from its position to its end
        custom_layers   classes of layers and initializers that are not minigan's own
        Errors          CheckpointError if the file is missing or damaged, names an unknown class (of a layer, or of
                        the network), or describes a network that is larger than the file
        """
        require_own_classes("Sequential.load", custom_layers)
        return storage.load_network(cls, path, backend.device_module(device), custom_layers)


def require_tangents(network):
    """Raise OptionError that says what to write unless all layers of a network have a tangent."""
    for layer in network.inner_layers():
        if not has_tangent(layer):
            raise OptionError(no_tangent(layer))


def require_own_classes(where, custom_layers):
    """Raise OptionError unless these are classes of layers and initializers."""
    if not isinstance(custom_layers, (tuple, list)) or not all(map(is_own_class, custom_layers)):
        raise OptionError(
            f"{where}: expected custom_layers as a list of classes of layers and initializers, [MyLayer], got "
            f"{shown(custom_layers)}."
        )


def is_own_class(value):
    return isinstance(value, type) and issubclass(value, (Layer, Initializer))
