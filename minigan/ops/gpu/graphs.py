"""A training step as one CUDA graph: recorded once, then launched as a whole instead of kernel by kernel.

What a graph does is fixed when it is recorded: the kernels, their addresses, every number that Python handed over. So
whatever changes from step to step has to lie in the memory of the GPU. Two things see to that: counters that kernels
advance themselves (Dropout's), and `from_host` for what the CPU contributes: latents, label noise, Adam's corrections,
the weight of a moving average.
"""

from contextlib import contextmanager, suppress

import numpy as np

from minigan import backend

WARM_UP = 3  # steps before the recording: they compile the kernels and are real steps themselves

recording = None  # the CapturedStep that is being recorded, if any


def captures(xp):
    """Return whether steps on the arrays of this module can be graphs: those of CuPy."""
    return xp is not np


def from_host(make, xp):
    """Return the NumPy array that `make()` gives, as an array of the module `xp`.

    All that the CPU contributes to a training step passes here: in a captured step `make` is called again before
    every launch, in the same order, and its array written to where the graph reads it.
    """
    array = make()
    return backend.to_device(array, xp) if recording is None else recording.add_input(make, array)


class CapturedStep:
    """The graph of a function without arguments, recorded when it is made.

    function   works on arrays of the GPU alone and gives back some of them, which each launch overwrites
    Errors     whatever CuPy raises where something in the function cannot be recorded: a wait for the GPU, a copy to
               or from the CPU, a call of cuBLAS that is not minigan's
    """

    def __init__(self, function):
        cupy = backend.cupy
        self.inputs = []
        # a pool of its own: nobody else may get memory that the graph writes to, as long as the graph lives
        self.pool, stream = cupy.cuda.MemoryPool(), cupy.cuda.Stream(non_blocking=True)
        with cupy.cuda.using_allocator(self.pool.malloc), stream, self.collecting():
            stream.begin_capture()
            try:
                self.outputs = function()
            except BaseException:
                with suppress(Exception):  # what cannot be recorded has spoiled the recording
                    stream.end_capture()
                raise
            self.graph = stream.end_capture()
        self.fresh = True

    @contextmanager
    def collecting(self):
        """Let from_host add the inputs to this step."""
        global recording
        recording = self
        try:
            yield
        finally:
            recording = None

    def add_input(self, make, array):
        """Return memory for an input; what it holds at first is written when the recording is over."""
        memory = backend.cupy.empty(array.shape, array.dtype)
        self.inputs.append((make, memory, array))
        return memory

    def launch(self):
        """Take one step on the current stream, without waiting; the first one takes the inputs of the recording."""
        for make, memory, array in self.inputs:
            memory.set(array if self.fresh else make())
        self.fresh = False
        self.graph.launch()
        return self.outputs
