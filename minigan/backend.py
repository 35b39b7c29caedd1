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
    """Return the module that `x` belongs to: cupy for CuPy arrays, numpy for everything else."""
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else np


def is_array(x):
    """Return True for an array of NumPy or CuPy. A matrix or a masked array is none: there, * and sums differ."""
    if type(x) is np.ndarray:  # nearly always: each layer asks in each pass
        return True
    if isinstance(x, (np.matrix, np.ma.MaskedArray)):
        return False
    return isinstance(x, np.ndarray) or array_module(x) is not np


def is_module(xp):
    """Return True for the modules themselves, numpy and, where it is installed, cupy."""
    return xp is np or (cupy is not None and xp is cupy)


def gpu_available():
    """Return True if CuPy is installed and finds a device: the wheel alone imports without one."""
    return cupy is not None and cupy.cuda.is_available()


def device_module(device):
    """Return the array module of a device: "cpu", "gpu", or "auto" (the GPU where there is one).

    Errors: OptionError for another name; DeviceError where "gpu" is asked for and not to be had.
    """
    if not isinstance(device, str) or device not in DEVICES:
        raise OptionError(f"device: expected one of {', '.join(DEVICES)}, got {device!r}.")
    if device == "cpu" or (device == "auto" and not gpu_available()):
        return np
    if not gpu_available():
        raise DeviceError(f'device "gpu": {why_no_gpu()} Or use device="cpu" (or "auto", the GPU only where it works).')
    return cupy


def device_name(xp):
    """Return where the arrays of a module live: "cpu" or "gpu"."""
    return "cpu" if xp is np else "gpu"


def module_of(name):
    """Return the array module of a device by the name that `device_name` gives."""
    return np if name == "cpu" else cupy


def why_no_gpu():
    """Return what is missing for a GPU, and what to do, in words."""
    if cupy is None:
        return (
            'it needs CuPy, which is not installed: pip install "minigan[cuda12x]" (or cuda13x for a driver of CUDA '
            "13)."
        )
    try:
        cupy.cuda.runtime.getDeviceCount()
        reason = "no CUDA device"
    except Exception as error:  # CuPy's own kinds of errors, by their text
        reason = str(error)
    if "InsufficientDriver" in reason:
        return (
            f"CuPy finds no NVIDIA driver, or one that is too old for its CUDA ({reason}). nvidia-smi shows the "
            "driver and the newest CUDA that it can do: update it, or install the extra that fits, cuda12x or cuda13x."
        )
    return f"CuPy is installed but finds no CUDA device ({reason}). Check with nvidia-smi that there is one."


def to_device(x, xp):
    """Return `x` as an array of the module `xp`, copied only if it lives elsewhere."""
    return xp.asarray(to_cpu(x) if xp is np else x)


def to_cpu(x):
    """Return `x` as a NumPy array; waits for the GPU where it lives there."""
    return x if array_module(x) is np else cupy.asnumpy(x)


def protected(array, x):
    """Return what a layer saves in a form that nobody can change until backward reads it; x is the layer's input.

    What shares memory with x belongs to the caller, who may change it: it is copied, unless it is read-only. What the
    layer made becomes read-only itself: if it is the output as well, an error tells whoever writes to it. Arrays of a
    GPU have no such flag: see safe_copy.
    """
    if not isinstance(array, np.ndarray) or not array.flags.writeable:
        return array
    if x is None or np.may_share_memory(array, x):
        array = array.copy()
    array.flags.writeable = False
    return array


def make_read_only(x):
    """Let nobody change an array of the CPU from now on, so that a layer can save it without a copy."""
    if isinstance(x, np.ndarray):
        x.flags.writeable = False


def share_memory(x, y):
    """Return whether two arrays of the CPU may lie in the same memory; of a GPU's, which nobody protects, True."""
    return not isinstance(x, np.ndarray) or np.may_share_memory(x, y)


def safe_copy(x):
    """Return a copy of an array of a GPU, which has no flag to make it read-only; an array of the CPU as it is."""
    return x if array_module(x) is np else x.copy()


def reading_waits(xp):
    """Return True if a number of an array can be read only after waiting for all the work before it: on a GPU."""
    return xp is not np


def finite_where_cheap(x):
    """Return False if a CPU array holds NaN or infinity. A GPU array counts as finite: a look would have to wait."""
    return array_module(x) is not np or bool(np.isfinite(x).all())
