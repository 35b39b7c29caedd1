"""How sharply the losses of a run curved while it trained: a table and a picture in the folder of the run.

A run keeps only its newest checkpoints. But it is reproducible bit for bit. So its training is repeated here, in
memory, from the first step to the newest checkpoint, and the largest eigenvalues are measured on the way.
"""

import sys
from itertools import count as counted_from

from tqdm.auto import tqdm

from minigan import backend, data, pictures
from minigan.analysis.sharpness import watched_sharpness
from minigan.errors import NonFiniteError
from minigan.hints import PathLike
from minigan.options import require_count
from minigan.training import sharing
from minigan.training.config import versions
from minigan.training.run_data import batches_of_epoch, data_of_run, labels_of_data
from minigan.training.trained import TrainedRun

COLUMNS = ("step", "epoch", "network", "rank", "eigenvalue")


def sharpness_of_run(
    run: TrainedRun,
    every: int = 1,
    count: int = 1,
    samples: int = 128,
    data_dir: PathLike | None = None,
    quiet: bool = False,
) -> list[dict]:
    """Return a row for each eigenvalue, and write sharpness.csv and sharpness.png into the folder of the run.

    every      measure after so many epochs each, also at the start and at the end
    count      how many of the largest eigenvalues of each loss; samples: on how many images
    data_dir   the folder of the data set's files; by default the run's own
    Errors     CheckpointError if the images are not those of the run
    """
    owner = "sharpness_of_run"
    every, count = require_count(owner, every=every), require_count(owner, count=count)
    samples = require_count(owner, samples=samples)
    run.folder.refuse_links()
    config = run.config
    dataset = data_of_run(run, data_dir)
    xp = run.gan.generator.xp
    images, labels = backend.to_device(dataset.images, xp), labels_of_data(run.experiment, dataset)
    low, high = run.experiment.data_range
    chosen = data.scale(images[:samples], low, high, run.gan.generator.dtype)
    chosen_labels = None if labels is None else labels[:samples]
    shape, device = images.shape[1:], backend.device_name(xp)
    gan = run.experiment.make_gan(shape, config.seed, device, config.schedule_steps, config.classes)
    if config.workers != 1 and backend.device_name(xp) == "cpu":
        gan.parallel(config.workers)

    rows, bar = [], tqdm(total=run.step, unit=" steps", disable=quiet)

    def measure(step):
        epoch, products = step / config.steps_per_epoch, counted_from(1)

        def show(network):
            bar.set_postfix_str(f"epoch {epoch:g}: {network}'s curvature, product {next(products)}")

        for network, values in watched_sharpness(gan, chosen, count, 0, chosen_labels, show).items():
            for rank, value in enumerate(values, start=1):
                rows.append(dict(zip(COLUMNS, (step, epoch, network, rank, value), strict=True)))
        last = ", ".join(f"{row['network']} {row['eigenvalue']:.4g}" for row in rows if row["step"] == step)
        bar.set_postfix_str("training again")
        if not quiet:
            bar.write(f"epoch {epoch:g}: {last}", file=sys.stderr)

    with bar:
        measure(0)
        for step in replayed(gan, run, images, labels):
            bar.update()
            if step % (every * config.steps_per_epoch) == 0 or step == run.step:
                measure(step)
    if not (gan.discriminator.flat_params == run.gan.discriminator.flat_params).all():
        sys.stderr.write(
            "note: the training that was repeated ends with other numbers than the run, so the curve is that of a "
            f"similar run. {reason(config, device)}\n"
        )
    write(run.folder, rows)
    return rows


def replayed(gan, run, images, labels):
    """Take the steps of a run again, and yield the number of each."""
    config, step = run.config, 0
    while step < run.step:
        epoch = step // config.steps_per_epoch
        for batch in batches_of_epoch(images, labels, config, epoch, run.experiment.data_range):
            d_loss, _ = gan.train_step(*batch)
            step += 1
            if not backend.finite_where_cheap(d_loss):
                raise NonFiniteError(f"{run.folder.path}: D's loss is not finite in step {step:,} of the repetition.")
            yield step
            if step == run.step:
                break


def reason(config, device):
    """Return a sentence: why a repetition may end with other numbers than the run."""
    changes = config.changes(versions(device), sharing.numerics(config.workers))
    if device != config.device:
        changes.insert(0, f"the device was {config.device}, now it is {device}")
    if config.processes > 1:
        changes.insert(0, f"{config.sharers} shared each batch, now it is one")
    if changes:
        return f"Changed since the training: {'; '.join(changes)}."
    return "Perhaps the run was resumed with other versions, another device, or other workers than it began with."


def write(folder, rows):
    """Write the table and the picture into the folder of a run."""
    folder.write_table("sharpness.csv", COLUMNS, rows)
    curves = {}
    for row in rows:
        name = f"{row['network']}, number {row['rank']}"
        epochs, values = curves.setdefault(name, ([], []))
        epochs.append(row["epoch"])
        values.append(row["eigenvalue"])
    pictures.save_curves(folder.path / "sharpness.png", curves, "epoch", "eigenvalue of the loss's Hessian")
