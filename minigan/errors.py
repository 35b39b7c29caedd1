"""The errors that minigan raises. Each text says where, what was expected, what came, and what to do."""


class MiniganError(Exception):
    """The base class of all errors below, to catch them all."""


class ShapeError(MiniganError, ValueError):
    """An array, or the output of the layer before, has the wrong shape."""


class DtypeError(MiniganError, ValueError):
    """An array has the wrong dtype; minigan never converts arrays silently."""


class OptionError(MiniganError, ValueError):
    """An option of a layer, optimizer, network or program is out of range or unknown."""


class UnknownArrayError(OptionError, KeyError):
    """A layer or network has no parameter, gradient or state of this name."""

    def __str__(self):
        return self.args[0]


class TooLargeError(MiniganError, MemoryError):
    """An array is too large for the memory of the device."""


class GradientError(MiniganError, AssertionError):
    """A check found a layer whose backward pass or behaviour is wrong; the text is the report."""


class CacheError(MiniganError, RuntimeError):
    """backward found nothing that forward saved: no forward came before it, it saved nothing, or all was used up."""


class DataError(MiniganError, ValueError):
    """A data set is missing, damaged, incomplete, or not what its name says."""


class CheckpointError(MiniganError, ValueError):
    """A saved network or run is missing, damaged or does not fit."""


class NonFiniteError(MiniganError, ArithmeticError):
    """NaN or infinity where a finite number was expected."""


class DriftError(MiniganError, RuntimeError):
    """Processes that train one GAN together no longer have the same parameters."""


class DeviceError(MiniganError, RuntimeError):
    """The GPU that was asked for is not there, or arrays of two devices were mixed."""


class FileError(MiniganError, OSError):
    """A file or folder cannot be read or written."""


class MisuseWarning(UserWarning):
    """A warning, given once, about something that gives no error but is nearly always a mistake."""


class NonFiniteWarning(UserWarning):
    """A loss became NaN or infinite; training continues, but the networks cannot recover."""
