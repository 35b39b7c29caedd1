"""Measure what D answers between a class that G makes often and one that it makes seldom: for docs/causes.md.

    python docs/valley.py out/B3-seed1 --data-dir DIR      the folders of the runs

For the newest checkpoint of each run, the program takes samples of the class that is most frequent among 10,000, and
test images of the rarest class, as many of both. It goes from each sample to one of the images on a straight line,
(1 - w) sample + w image, and writes the mean of D's logits and of its answers, as probabilities and without Dropout,
for each w into docs/results/causes/valley.csv. Rows of the same experiment, seed and epoch are replaced. The picture,
docs/images/causes/valley.png, shows the runs that were given: the logits, and the first way in pictures.
"""

import numpy as np
from causes import PICTURES, RESULTS, given_runs, names_of, replace_rows, save_small
from memory_of_d import mean_answer, real_images, splits_of
from rare_classes import SAMPLES, samples_and_classes

from minigan import pictures
from minigan.training.trained import load_trained

FILE, STEPS = "valley.csv", 10


def look(folder, data_dir=None, samples=SAMPLES):
    """Return the rows of a run at its newest checkpoint, one for each place on the way, and the images of one way."""
    run = load_trained(folder)
    train, test = splits_of(run, data_dir)
    generated, classes = samples_and_classes(run, train, samples)
    counts = np.bincount(classes, minlength=len(train.classes))
    often, seldom = int(counts.argmax()), int(counts.argmin())
    start, end = generated[classes == often], real_images(run, test.images[test.labels == seldom])
    pairs = min(len(start), len(end))
    start, end = start[:pairs], end[:pairs]
    names = names_of(run) | {"from": train.classes[often], "to": train.classes[seldom]}
    rows, way = [], []
    for step in range(STEPS + 1):
        w = step / STEPS
        x = (1 - w) * start + w * end  # a Python number: float32 stays float32
        logits = run.gan.discriminator.predict(x).astype("float64")
        rows.append(names | {"w": w, "logit": float(logits.mean()), "D": mean_answer(run.gan, x)})
        way.append(x[0])
    return rows, pictures.to_uint8(np.stack(way), *run.experiment.data_range)


def draw(path, looks):
    """Draw the mean logit on the way, one run beside the other, with the images of one way above it."""
    figure = pictures._figure(3.2 * len(looks), 3.4)
    places = figure.add_gridspec(2, len(looks), height_ratios=(1, 4))
    axes = None
    for column, (rows, way) in enumerate(looks):
        above, axes = figure.add_subplot(places[0, column]), figure.add_subplot(places[1, column], sharey=axes)
        pictures.show_grid(above, pictures.grid(way[::2], columns=len(way[::2])))
        name, seed = rows[0]["experiment"], rows[0]["seed"]
        above.set_title(f"{name}, seed {seed}", fontsize="small")
        axes.plot([row["w"] for row in rows], [row["logit"] for row in rows], "C0.-")
        axes.axhline(0, color="0.7", linewidth=0.8)
        axes.set(xlabel=f"w, from a generated {rows[0]['from']} to a real {rows[0]['to']}")
        if column == 0:
            axes.set(ylabel="logit of D")
    save_small(path, figure)


def main(folders, data_dir=None, results=RESULTS, images=PICTURES, samples=SAMPLES):
    """Look at the runs, write their rows among those that the file has, and draw them."""
    looks = [look(folder, data_dir, samples) for folder in folders]
    replace_rows(results / FILE, [row for rows, _ in looks for row in rows])
    draw(images / "valley.png", looks)


if __name__ == "__main__":
    main(*given_runs(__doc__))
