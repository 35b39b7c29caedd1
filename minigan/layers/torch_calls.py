"""Calls as PyTorch has them, where a size stands in the place of an option of minigan: what to write instead."""

from minigan.errors import OptionError
from minigan.misuse import tell_once
from minigan.options import is_count, is_integer, is_real, is_shape, shown

WIDE = 7  # the widest window of which is never warned


def require_no_inputs(owner, what, call, **flags):
    """Raise OptionError for a size in the place of a flag: Dense(784, 64). `call` is right without the inputs."""
    for name, value in flags.items():
        if is_count(value):
            raise OptionError(
                f"{owner}: expected {name} as True or False, got {shown(value)}. {owner} takes only the number of "
                f"{what}: {call}. It sees the inputs when the network is built."
            )


def require_no_channels(owner, call, **options):
    """Raise OptionError for a number or a shape of channels in the place of an option below 1: LayerNorm(16)."""
    for name, value in options.items():
        if is_shape(value) or (is_real(value) and value >= 1):
            raise OptionError(
                f"{owner}: expected {name} below 1, got {shown(value)}. It takes no number of channels: {call}. It "
                "sees the channels when the network is built."
            )


def require_filters_first(owner, kernel_size, strides, padding, use_bias):
    """Raise OptionError for five sizes, such as (100, 512, 4, 1, 0): the first is that of the input's channels."""
    if is_integer(use_bias) and is_integer(padding):
        raise OptionError(
            f"{owner}: expected use_bias as True or False, got {shown(use_bias)}. {owner} takes no number of input "
            f"channels: {owner}({shown(kernel_size)}, {shown(strides)}, {shown(padding)}, {shown(use_bias)}). It sees "
            "the channels when the network is built."
        )


def tell_of_channels_first(layer):
    """Warn of Conv2D(3, 16, 3), which is PyTorch's call for 16 filters: here 3 filters, wide windows, large strides.

    Only if the first number is that of the input's channels, and the window is wider than usual: some do mean this.
    """
    kind, size, strides = type(layer).__name__, layer.kernel_size, layer.strides
    if layer.filters == layer.input_shape[2] and min(size) > WIDE and min(strides) > 1:
        tell_once(
            layer,
            f"{layer.name} has filters={layer.filters}, kernel_size={size} and strides={strides}. The number of "
            f"filters comes first; {kind} takes no number of input channels. Did you mean {kind}({size[0]}, "
            f"{strides[0]})?",
            stacklevel=7,  # the line that makes the network
        )
