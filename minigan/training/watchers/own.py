"""Watchers of one's own: called so that neither their errors nor what they do can spoil a run unnoticed."""

import traceback
import zlib

import numpy as np

from minigan import backend
from minigan.errors import OptionError
from minigan.files import printable
from minigan.gan.state import plain_random_state
from minigan.options import require_instance, shown
from minigan.training.watchers.watcher import Watcher

EVERY = 100  # steps between two checks whether a watcher has changed the GAN: as much work as reading all parameters


class OwnWatchers(Watcher):
    """The user's watchers, as one watcher of Training.

    say        a function that is called with one line of text
    """

    def __init__(self, watchers, say):
        self.watchers, self.say = list(watchers), say
        self.training, self.looked, self.told = None, False, set()

    def start(self, training):
        """Start all watchers; an error in one of them ends the run before its first step."""
        self.training = training
        for watcher in self.watchers:
            try:
                watcher.start(training)
            except Exception as error:
                raise OptionError(
                    f"the watcher {name(watcher)} cannot start: {told(error)}. Repair it, or leave it out."
                ) from error

    def after_step(self, step, batch, d_loss, g_loss, labels=None):
        if self.watchers:
            look = step % EVERY == 0 or not self.looked
            self.looked = True
            self.call("after_step", step, read_only(batch), d_loss, g_loss, read_only(labels), look=look)

    def after_epoch(self, row, picture):
        if self.watchers:
            self.call("after_epoch", dict(row), read_only(picture), look=True)

    def close(self):
        for watcher in self.watchers:
            try:
                watcher.close()
            except Exception as error:
                self.say(f"the watcher {name(watcher)} fails in close: {told(error)}.")

    def call(self, method, *arguments, look):
        """Call a method of all watchers; those that fail are left out from now on. look: report a change of the GAN."""
        gan, step = self.training.gan, self.training.step
        before, names = fingerprint(gan) if look else None, ", ".join(map(name, self.watchers))
        for watcher in list(self.watchers):
            try:
                getattr(watcher, method)(*arguments)
            except Exception as error:
                self.watchers.remove(watcher)
                self.say(
                    f"step {step:,}: the watcher {name(watcher)} fails in {method}: {told(error)}. The run goes on "
                    "without it."
                )
                OwnWatchers([watcher], self.say).close()
        if look and fingerprint(gan) != before and method not in self.told:
            self.told.add(method)
            self.say(
                f"step {step:,}: a watcher ({names}) has changed the GAN in {method}: parameters, running statistics "
                "or random numbers. From here on this is not the run that config.json describes, and nobody can "
                "repeat it. A watcher may read everything, and must change nothing: take copies."
            )


def checked_watchers(watchers):
    """Return the watchers as a list; OptionError unless all of them are instances of Watcher."""
    if not isinstance(watchers, (list, tuple)):
        raise OptionError(f"expected watchers as a list of watchers, [MyWatcher()], got {shown(watchers)}.")
    for watcher in watchers:
        require_instance("watchers", Watcher, "MyWatcher(), with: class MyWatcher(Watcher)", watcher=watcher)
    return list(watchers)


def fingerprint(gan):
    """Return a value that changes with every bit of the parameters, the running statistics and the random numbers."""
    nets = gan.generator, gan.discriminator
    arrays = [array for net in nets for array in (net.flat_params, *net.state.values())]
    sums = [zlib.crc32(np.ascontiguousarray(backend.to_cpu(array)).view("uint8")) for array in arrays]
    return sums, plain_random_state(gan.rng)


def read_only(array):
    """Return a view of an array that cannot be written to; of an array on a GPU, itself: CuPy has no such views."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def name(watcher):
    return type(watcher).__name__


def told(error):
    """Return an error in one line: its kind, its text, and the line of code where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({printable(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {printable(error)[:500]}{place}"
