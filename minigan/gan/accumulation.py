"""A training step of a GAN in parts of the batch, whose gradients add up: less memory, the same step.

A loss is a mean over the n images of the batch, and so is its gradient. With n_p images in part p, and L_p for the mean
over them,

    (1) L    = sum_p n_p/n L_p
    (2) dL   = sum_p n_p/n dL_p                    backward adds to the gradients; the update comes after the last part

Between the parts no parameter changes. So the sums are those of the whole batch, unless a layer mixes the samples
(BatchNorm: it sees one part at a time), or draws random numbers (Dropout: it draws others). See docs/gan.md
"""

from minigan.errors import OptionError
from minigan.gan.objectives import loss_and_gradient
from minigan.layers.base import saving_nothing


def step_in_parts(gan, images, trains_generator, labels=None):
    """Take a step as gan.compute_step does, with gan.accumulate parts of the batch one after the other.

    What is drawn is that of the whole batch: its latents; then the label noise of the real images, part by part; then
    that of the generated ones. G makes its images twice: for D, without saving anything, and then to learn.
    """
    step = Parts(gan, len(images), labels)
    z = gan.latent.sample(len(images), gan.rng, gan.generator.dtype, gan.generator.xp)
    with gan.group.working((gan.generator, gan.discriminator)):
        state = {name: value.copy() for name, value in gan.generator.state.items()}
        generated = step.generate(z)
        losses = [step.train_discriminator(images, generated)]
        if trains_generator:
            gan.generator.state.update(state)  # so that it makes the same images again
            losses.append(step.train_generator(z))
    return losses


class Parts:
    """The parts of a batch of n rows; where processes share it, each takes its own rows of every part."""

    def __init__(self, gan, n, labels):
        if n < gan.accumulate:
            raise OptionError(
                f"GAN.train_step: a batch of {n} images cannot be computed in {gan.accumulate} parts (accumulate). "
                "Take larger batches, or fewer parts."
            )
        self.gan, self.n, self.labels = gan, n, labels
        self.group, self.objective = gan.group, gan.objective

    def each(self):
        """Yield (number, slice of the batch, n_p/n, labels of this worker's rows) of each part; the group takes it."""
        count = self.gan.accumulate
        for i in range(count):
            part = slice(self.n * i // count, self.n * (i + 1) // count)
            self.group.take(part.stop - part.start)
            labels = None if self.labels is None else self.group.own(self.labels[part])
            yield i, part, (part.stop - part.start) / self.n, labels

    def generate(self, z):
        """Return the images of this worker, part by part; nothing is saved for backward."""
        net = self.gan.generator
        with saving_nothing():
            return [
                net.forward(self.group.own(z[part]), training=True, labels=labels).copy()
                for _, part, _, labels in self.each()
            ]

    def train_discriminator(self, images, generated):
        """Update D on the sum of both losses and the penalties, over all parts."""
        gan, net = self.gan, self.gan.discriminator
        net.forget_grads()
        loss = 0
        for _, part, share, labels in self.each():
            loss = loss + self.add(self.group.own(images[part]), labels, share, self.objective.real)
        for i, _, share, labels in self.each():
            loss = loss + self.add(generated[i], labels, share, self.objective.fake)
        due = gan.penalties_due()
        if due:
            whole = net.xp.concatenate([self.group.gather(generated[i]) for i, *_ in self.each()])
            for penalty in due:
                points = penalty.points_to_judge(images, whole, gan.rng)
                for _, part, share, labels in self.each():
                    loss = loss + penalty.add_at(net, points[part], self.group, labels, share)
        gan._update(gan.d_optimizer)
        self.objective.after_discriminator_step(net)
        return loss

    def add(self, x, labels, share, objective):
        """Add the gradients (2) of a part to D's, and return its part of (1)."""
        net = self.gan.discriminator
        logits = self.group.gather(net.forward(x, training=True, labels=labels))
        value, dlogits = loss_and_gradient(objective, logits, self.gan.rng)
        net.backward(self.group.own(dlogits * share), input_grad=False)  # (2)
        return value * share  # (1)

    def train_generator(self, z):
        """Update G through D, over all parts."""
        gan, loss = self.gan, 0
        generator, discriminator = gan.generator, gan.discriminator
        generator.forget_grads()
        for _, part, share, labels in self.each():
            generated = generator.forward(self.group.own(z[part]), training=True, labels=labels)
            logits = self.group.gather(discriminator.forward(generated, training=True, labels=labels))
            value, dlogits = loss_and_gradient(self.objective.generator, logits)
            dimages = discriminator.backward(self.group.own(dlogits * share), param_grads=False)
            generator.backward(dimages, input_grad=False)  # (2)
            loss = loss + value * share  # (1)
        gan._update(gan.g_optimizer)
        return loss
