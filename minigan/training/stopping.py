"""Stopping in order: Ctrl-C and SIGTERM are noted, and the loop ends after the step that it is in."""

import signal
import threading


class StopRequest:
    """While it is entered, the first signal only sets `signal`; a second one interrupts at once.

    with StopRequest() as stop:
        while not stop.signal: ...

    Python gives signals to its main thread alone. In any other one (of a web server, of Dask, of some notebooks) this
    changes nothing: signals do there what they did before, and `signal` stays None.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self):
        self.signal, self.previous = None, {}
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                if signal.getsignal(number) is not None:  # None: a handler that is not Python's, and cannot be put back
                    self.previous[number] = signal.signal(number, self.handle)
        return self

    def handle(self, number, frame):
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    def __exit__(self, *error):
        for number, handler in self.previous.items():
            signal.signal(number, handler)
