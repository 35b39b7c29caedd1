"""Stopping in order: Ctrl-C and SIGTERM are noted, and the loop ends after the step that it is in."""

import signal


class StopRequest:
    """While it is entered, the first signal only sets `signal`; a second one interrupts at once.

    with StopRequest() as stop:
        while not stop.signal: ...
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self):
        self.signal = None
        self.previous = {number: signal.signal(number, self.handle) for number in self.SIGNALS}
        return self

    def handle(self, number, frame):
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    def __exit__(self, *error):
        for number, handler in self.previous.items():
            signal.signal(number, handler)
