"""Which array module computes: NumPy on the CPU or CuPy on a GPU.

Outside `minigan.ops` this is the only file that imports CuPy. Everything else asks an array for its module,
`xp = array_module(x)`, and calls `xp` alone; there is no global switch.
"""

import numpy as np

from minigan.errors import DeviceError, OptionError

try:
    import cupy
except ImportError:
    cupy = None

DEVICES = ("cpu", "gpu", "auto")


def array_module(x):
    """The module that `x` belongs to: cupy for CuPy arrays, numpy for everything else."""
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else np


def gpu_available():
    """True where CuPy is installed and finds a device: the wheel alone imports without one."""
    return cupy is not None and cupy.cuda.is_available()


def device_module(device):
    """The array module of a device: "cpu", "gpu", or "auto" (the GPU where there is one).

    Errors: OptionError for another name; DeviceError where "gpu" is asked for and not to be had.
    """
    if device not in DEVICES:
        raise OptionError(f"device: expected one of {', '.join(DEVICES)}, got {device!r}.")
    if device == "gpu" and cupy is None:
        raise DeviceError(
            'device "gpu" needs CuPy, which is not installed: pip install "minigan[cuda12x]" (or cuda13x for a '
            'driver of CUDA 13), or use device="cpu".'
        )
    if device == "gpu" and not gpu_available():
        raise DeviceError(
            'device "gpu": CuPy is installed but finds no CUDA device. Check the driver with nvidia-smi, or use '
            'device="cpu" (or "auto", which takes the GPU only where there is one).'
        )
    return cupy if device == "gpu" or (device == "auto" and gpu_available()) else np


def to_device(x, xp):
    """`x` as an array of the module `xp`, copied over only where it lives elsewhere."""
    return xp.asarray(to_cpu(x) if xp is np else x)


def to_cpu(x):
    """`x` as a NumPy array; waits for the GPU where it lives there."""
    return x if array_module(x) is np else cupy.asnumpy(x)


def finite_where_cheap(x):
    """False where a CPU array holds NaN or infinity. One on a GPU counts as finite: to look, one would wait for it."""
    return array_module(x) is not np or bool(np.isfinite(x).all())
