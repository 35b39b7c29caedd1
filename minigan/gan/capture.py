"""A whole training step of a GAN, discriminator and generator, as one CUDA graph: see docs/gpu.md"""

import copy
import warnings

from minigan.ops.gpu.graphs import WARM_UP, CapturedStep, captures


class CaptureWarning(UserWarning):
    """A step cannot be captured as a CUDA graph, so it runs kernel by kernel."""


def graphs_for(gan, say):
    """Return the GraphSteps of a GAN on a GPU, else None."""
    return GraphSteps(warn if say is None else say) if captures(gan.generator.xp) else None


def warn(text):
    """Give a Python warning at the line that called train_step."""
    warnings.warn(text, CaptureWarning, stacklevel=5)


class GraphSteps:
    """The steps of a GAN on a GPU: the first ones run as usual, the others as a graph.

    Each kind of step has its own graph: kinds differ in the shape of the batch, in whether the generator is trained
    (with d_steps > 1, not always), in the penalties that count (lazy ones not always), and in which layers are frozen.
    say        a function that is called once with a text if there can be no graph
    The GAN holds its GraphSteps, which do not hold the GAN: so its memory is free as soon as nobody else holds it.
    """

    def __init__(self, say):
        self.say, self.possible = say, True
        self.taken, self.graphs = {}, {}

    def step(self, gan, images, trains_generator, labels=None):
        """Take a step as gan.compute_step does."""
        layers = (*gan.generator.inner_layers(), *gan.discriminator.inner_layers())
        frozen = tuple(i for i, layer in enumerate(layers) if not layer.trainable)
        kind = images.shape, trains_generator, gan.penalties_due(), frozen
        self.taken[kind] = self.taken.get(kind, 0) + 1
        if kind not in self.graphs and self.possible and self.taken[kind] > WARM_UP:
            self.record(gan, kind, images, trains_generator, labels)
        if kind not in self.graphs:
            return gan.compute_step(images, trains_generator, labels)
        batch, of_batch, graph = self.graphs[kind]
        batch[...] = images
        if labels is not None:
            of_batch[...] = labels
        # copies, since the next launch overwrites the results
        return [loss.copy() for loss in graph.launch()]

    def record(self, gan, kind, images, trains_generator, labels):
        """Record the graph of a kind of step; if that is impossible, say so and never try again."""
        batch, of_batch = images.copy(), None if labels is None else labels.copy()
        # recording runs only the Python code of a step, nothing on the GPU; if it fails, it must leave no trace
        counters = [part for part in (gan.g_optimizer, gan.d_optimizer, gan.moving_average) if part]
        steps, random_state = [part.steps for part in counters], copy.deepcopy(gan.rng.bit_generator.state)
        try:
            step = CapturedStep(lambda: gan.compute_step(batch, trains_generator, of_batch))
            self.graphs[kind] = batch, of_batch, step
        except Exception as error:  # whatever the reason, training can continue
            self.possible = False
            gan.rng.bit_generator.state = random_state
            for part, before in zip(counters, steps, strict=True):
                part.steps = before
            for net in (gan.generator, gan.discriminator):
                net.clear_cache()
            self.say(
                "GAN.capture: this step cannot be one CUDA graph. It runs kernel by kernel, with the same results "
                f"but slower. Reason: {type(error).__name__}: {error}"
            )
