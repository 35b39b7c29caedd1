"""The errors minigan raises: each says where, what was expected, what came, and what to do."""


class MiniganError(Exception):
    """The base of every error below, to catch them all."""


class ShapeError(MiniganError, ValueError):
    """An array, or the output of the layer before, has the wrong shape."""


class DtypeError(MiniganError, ValueError):
    """An array has the wrong number type; minigan never converts one silently."""


class OptionError(MiniganError, ValueError):
    """An option of a layer, optimizer, network or program is out of range or unknown."""


class TooLargeError(MiniganError, MemoryError):
    """Arrays of the sizes that were asked for cannot fit into the memory of the device."""


class GradientError(MiniganError, AssertionError):
    """A check found a layer whose backward pass, or whose behaviour, is wrong; the text is the report."""


class CacheError(MiniganError, RuntimeError):
    """backward was called without a forward before it, or twice after one."""


class DataError(MiniganError, ValueError):
    """A data set is missing, damaged, incomplete, or not what its name says."""


class CheckpointError(MiniganError, ValueError):
    """A saved network or run is missing, damaged or does not fit."""


class NonFiniteError(MiniganError, ArithmeticError):
    """NaN or infinity where a finite number was expected."""


class DeviceError(MiniganError, RuntimeError):
    """The GPU that was asked for is not there, or arrays of two devices were mixed."""


class FileError(MiniganError, OSError):
    """A file or folder cannot be read or written."""


class MisuseWarning(UserWarning):
    """Something that runs without an error, and is a mistake nearly always; it is told once."""


class NonFiniteWarning(UserWarning):
    """A loss became NaN or infinite; training goes on, but the networks are spoiled."""
