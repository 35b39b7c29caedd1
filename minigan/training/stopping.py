"""Stopping a run with Ctrl-C or SIGTERM, or from another thread: the loop finishes the current step, then it stops."""

import signal
import threading


class StopRequest:
    """A context in which the first signal only sets `signal`; a second one interrupts at once.

    with StopRequest() as stop:
        while not stop.signal: ...

    Python gives signals to its main thread only. In any other thread (of a web server, of Dask, of some notebooks) this
    class does nothing: signals act as before. But any thread can set `signal` by `ask`, also before the context.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        self.signal, self.previous = None, {}

    def ask(self):
        """Ask to stop, as Ctrl-C does."""
        self.signal = signal.SIGINT

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                if signal.getsignal(number) is not None:  # None: a handler that is not Python's and cannot be restored
                    self.previous[number] = signal.signal(number, self.handle)
        return self

    def handle(self, number, frame):
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    def __exit__(self, *error):
        for number, handler in self.previous.items():
            signal.signal(number, handler)
