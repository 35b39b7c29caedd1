"""Stopping a run with Ctrl-C or SIGTERM, or from another thread: the loop finishes the current step, then it stops."""

import signal
import threading

import numpy as np

from minigan.parallel import ALONE


class StopRequest:
    """A context in which the first signal only sets `signal`; a second one interrupts at once.

    with StopRequest() as stop:
        while not stop.signal: ...

    Python gives signals to its main thread only. In any other thread (of a web server, of Dask, of some notebooks) this
    class does nothing: signals act as before. But any thread can ask to stop by `ask`, also before the context.
    group      the processes that have to stop after the same step: there only `agree` sets `signal`
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, group=ALONE):
        self.group, self.signal, self.asked, self.previous = group, None, None, {}

    def ask(self, number=signal.SIGINT):
        """Ask to stop, as Ctrl-C does."""
        self.asked = number
        if self.group.size == 1:
            self.signal = number

    def agree(self):
        """Let all processes know whether one of them was asked to stop. Each has to call it after the same step."""
        if self.group.size > 1:
            asked = self.group.sum(np.array([self.asked == number for number in self.SIGNALS], "float32"))
            self.signal = next((number for number, ranks in zip(self.SIGNALS, asked, strict=True) if ranks), None)

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                if signal.getsignal(number) is not None:  # None: a handler that is not Python's and cannot be restored
                    self.previous[number] = signal.signal(number, self.handle)
        return self

    def handle(self, number, frame):
        if self.asked is not None:
            raise KeyboardInterrupt
        self.ask(number)

    def __exit__(self, *error):
        for number, handler in self.previous.items():
            signal.signal(number, handler)
