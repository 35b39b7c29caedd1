"""The microscope for a run: one batch through both networks at each checkpoint that the run keeps, as a page.

A run keeps the newest three checkpoints. The same latents and the same real images go through all of them.
"""

from pathlib import Path

import numpy as np

from minigan import backend, data
from minigan.analysis.microscope import microscope
from minigan.analysis.microscope.page import Network, write_microscope
from minigan.errors import CheckpointError, OptionError
from minigan.hints import PathLike
from minigan.labels import labels_to_make
from minigan.options import require_choice, require_count
from minigan.training import checkpoints
from minigan.training.run_data import data_of_run, labels_of_data
from minigan.training.trained import TrainedRun, make_gan, restore_checkpoint

OWNER = "microscope_of_run"
NETWORKS = ("generator", "discriminator")
SEED = 0  # of the latents


def microscope_of_run(
    run: TrainedRun,
    network: str = "both",
    checkpoint: int | None = None,
    images: int = 8,
    data_dir: PathLike | None = None,
    path: PathLike | None = None,
) -> tuple[Path, int]:
    """Write the page of the microscope for a run, and return its path and its size in bytes.

    network    "generator", "discriminator" or "both"
    checkpoint the step of one of the checkpoints; by default all that the run keeps
    images     the size of the batch: so many latents; half as many real images and half generated ones
    data_dir   the folder of the data set's files; by default the run's own
    path       of the page, by default microscope.html in the folder of the run
    Errors     CheckpointError if the images are not those of the run, or there is no such checkpoint
    """
    names = NETWORKS if require_choice(OWNER, (*NETWORKS, "both"), network=network) == "both" else (network,)
    images = require_count(OWNER, images=images)
    if images < 2:
        raise OptionError(f"{OWNER}: expected images as at least 2: BatchNorm learns nothing from a single one.")
    run.folder.refuse_links()
    real = real_images(run, images // 2, data_dir) if "discriminator" in names else None
    scopes, notes = {name: {} for name in names}, []
    for label, gan in gans_of(run, checkpoint, notes):
        for name, scope in passes(gan, real, images, names).items():
            scopes[name][label] = scope
    if not scopes[names[0]]:  # the one that was asked for is damaged
        raise CheckpointError(" ".join(notes))
    path = run.folder.path / "microscope.html" if path is None else Path(path)
    found = [Network(name, words(run, name, images), scopes[name]) for name in names]
    if run.gan.penalties and "discriminator" in names:
        notes.append("The gradients of the discriminator are those of its objective alone, without the penalties.")
    title = f"The microscope: {run.folder.path.name}"
    return path, write_microscope(path, title, found, lead_of(run, scopes[names[0]]), notes)


def gans_of(run, checkpoint, notes):
    """Yield (label, GAN) for each checkpoint, oldest first; damaged ones are skipped, with a note."""
    found = checkpoints.in_folder(run.folder.checkpoints)
    if checkpoint is not None:
        steps = [step for step, _ in found]
        found = [(step, path) for step, path in found if step == checkpoint]
        if not found:
            raise CheckpointError(
                f"{run.folder.path} has no checkpoint of step {checkpoint}. It keeps the newest: steps "
                f"{', '.join(map(str, steps))}."
            )
    device = backend.device_name(run.gan.generator.xp)
    for step, path in found:
        try:
            arrays, values = checkpoints.read(path)
        except (checkpoints.DamagedError, checkpoints.MissingError) as error:
            notes.append(f"The checkpoint of step {step:,} is left out: {error}")
            continue
        gan = make_gan(run.experiment, run.config, device, arrays)
        restore_checkpoint(gan, run.config, run.folder, arrays, values)
        yield f"step {step:,}, epoch {step / run.config.steps_per_epoch:g}", gan


def real_images(run, n, data_dir):
    """Return the first n real images in the range of the run, and their labels, or None."""
    dataset = data_of_run(run, data_dir, "Or look at the generator alone, which needs none: --network generator")
    low, high = run.experiment.data_range
    labels = labels_of_data(run.experiment, dataset)
    scaled = data.scale(dataset.images[:n], low, high, run.gan.generator.dtype)
    return scaled, None if labels is None else np.asarray(labels[:n]).astype("int64")


def passes(gan, real, n, names):
    """Return {name of a network: its Microscope}, in the way that a step of training runs them.

    The generator gets its gradient through the discriminator. The discriminator judges real images and generated ones,
    in one batch; if it mixes the samples of a batch, the page shows the pass of the real ones.
    """
    G, D, objective, rng = gan.generator, gan.discriminator, gan.objective, np.random.default_rng(SEED)
    labels = labels_to_make(n, None, G.classes)
    z = gan.latent.sample(n, rng, G.dtype, G.xp)
    first = {}

    def through_discriminator(generated):
        scope = microscope(D, generated, lambda logits: objective.generator(logits)[1], labels)
        first["generated"] = generated.copy()
        return backend.to_device(scope.dx, G.xp)

    scope = microscope(G, z, through_discriminator, labels, True, gan.g_optimizer, gan.max_grad_norm)
    found = {"generator": scope}
    if "discriminator" in names:
        images, real_labels = real
        images = backend.to_device(images, D.xp)
        count = len(images)
        both, twice = D.xp.concatenate([images, first["generated"][: n - count]]), None
        if real_labels is not None:
            twice = np.concatenate([real_labels, labels[: n - count]])
        if D.mixes_samples:
            both, twice = images, real_labels

        def gradient(logits):
            parts = [objective.real(logits[:count], rng)[1]]
            if len(logits) > count:
                parts.append(objective.fake(logits[count:], rng)[1])
            return D.xp.concatenate(parts)

        found["discriminator"] = microscope(D, both, gradient, twice, True, gan.d_optimizer, gan.max_grad_norm)
    return {name: found[name] for name in names}


def words(run, name, n):
    """Return what the batch of a network is, in words."""
    if name == "generator":
        return (
            f"One batch of {n} latents, in training mode: through the generator, through the discriminator, and back. "
            "dy of the last layer is what the discriminator hands to the generator."
        )
    if run.gan.discriminator.mixes_samples:
        return (
            f"One batch of {n // 2} real images, in training mode, forward and back. (This discriminator mixes the "
            "samples of a batch, so real and generated images pass it separately.)"
        )
    return (
        f"One batch of {n // 2} real images (first) and {n - n // 2} generated ones, in training mode, forward and "
        "back."
    )


def lead_of(run, scopes):
    """Return the sentence below the title."""
    several = f"the {len(scopes)} checkpoints that the run keeps"
    steps = several if len(scopes) > 1 else f"the checkpoint at {next(iter(scopes))}"
    return (
        f"{run.config.experiment} on {run.config.dataset}, {steps}. Choose a layer, then click on a number, or move to "
        "it with the arrow keys: you see the sum that made it. Batches are small here, so the statistics of a "
        f"BatchNorm are not those of a training step of {run.config.batch_size} images."
    )
