"""The whole step of a GAN, discriminator and generator, as one CUDA graph: see docs/gpu.md"""

import copy
import warnings

from minigan.ops.gpu.graphs import WARM_UP, CapturedStep, captures


class CaptureWarning(UserWarning):
    """A step that cannot be captured; it runs kernel by kernel."""


def capture_steps(gan, say):
    """What takes the steps of a GAN: graphs on a GPU, `gan.compute_step` itself elsewhere."""
    return GraphSteps(gan, warn if say is None else say) if captures(gan.generator.xp) else gan.compute_step


def warn(text):
    """A Python warning at the line that called train_step"""
    warnings.warn(text, CaptureWarning, stacklevel=5)


class GraphSteps:
    """Called as gan.compute_step. The first steps of each kind run as they are, the others as the graph of that kind.

    Kinds differ in the shape of the batch and in whether the generator is trained (with d_steps > 1 not always).
    say        told in a text, once, where there can be no graph
    """

    def __init__(self, gan, say):
        self.gan, self.say, self.possible = gan, say, True
        self.taken, self.graphs = {}, {}

    def __call__(self, images, trains_generator):
        kind = images.shape, trains_generator
        self.taken[kind] = self.taken.get(kind, 0) + 1
        if kind not in self.graphs and self.possible and self.taken[kind] > WARM_UP:
            self.record(kind, images, trains_generator)
        if kind not in self.graphs:
            return self.gan.compute_step(images, trains_generator)
        batch, graph = self.graphs[kind]
        batch[...] = images
        # copies: the next launch overwrites what the graph gives
        return [loss.copy() for loss in graph.launch()]

    def record(self, kind, images, trains_generator):
        """Keep (where the graph reads its batch, the graph); where there can be none, say so and never try again."""
        gan, batch = self.gan, images.copy()
        # recording runs the Python code of a step and nothing on the GPU; it must leave no trace if it fails
        before = gan.g_optimizer.steps, gan.d_optimizer.steps, copy.deepcopy(gan.rng.bit_generator.state)
        try:
            self.graphs[kind] = batch, CapturedStep(lambda: gan.compute_step(batch, trains_generator))
        except Exception as error:  # whatever the reason, training can go on
            self.possible = False
            gan.g_optimizer.steps, gan.d_optimizer.steps, gan.rng.bit_generator.state = before
            for net in (gan.generator, gan.discriminator):
                net.clear_cache()
            self.say(
                f"GAN.capture: this step cannot be one CUDA graph, so it runs kernel by kernel, with the same results "
                f"but slower. Reason: {type(error).__name__}: {error}"
            )
