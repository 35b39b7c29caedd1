"""Measure what D answers for the classes that G seldom makes: for docs/causes.md.

    python docs/rare_classes.py out/B1-300-seed0 --data-dir DIR      the folders of the runs

For the newest checkpoint of each run, and for each class, the program takes the share of 10,000 samples that the
classifier of the metrics puts into this class, and the mean of what D answers, as probabilities and without Dropout,
for all training images, for all test images and for the samples of the class. Beside them stands what the best D would
answer that sees nothing but the class of an image: p / (p + share), where p is the share of the class among the
training images. A row for each run and class goes into docs/results/causes/rare_classes.csv. The rows of the same
experiment, seed and epoch are replaced.
"""

from causes import RESULTS, given_runs, names_of, replace_rows
from memory_of_d import mean_answer, real_images, splits_of

from minigan.metrics.classifier import trained_classifier
from minigan.training.trained import load_trained

FILE, SAMPLES = "rare_classes.csv", 10_000


def look(folder, data_dir=None, samples=SAMPLES):
    """Return the rows of a run at its newest checkpoint, one for each class."""
    run = load_trained(folder)
    train, test = splits_of(run, data_dir)
    generated, classes = samples_and_classes(run, train, samples)
    names = names_of(run)
    rows = []
    for number, name in enumerate(train.classes):
        share, p = float((classes == number).mean()), float((train.labels == number).mean())
        seen, unseen = (
            mean_answer(run.gan, real_images(run, split.images[split.labels == number])) for split in (train, test)
        )
        made = mean_answer(run.gan, generated[classes == number]) if share else ""
        answers = {"D(training images)": seen, "D(test images)": unseen, "D(samples)": made}
        shares = {"class": name, "share": share, "share in %": f"{100 * share:.2g}"}
        rows.append(names | shares | answers | {"p / (p + share)": p / (p + share)})
    return rows


def samples_and_classes(run, train, samples):
    """Return samples as D gets them, and the class that the classifier of the metrics gives to each."""
    z = run.latents(samples, seed=1)
    return run.gan.generator.predict(z), trained_classifier(train).predict(run.images(z)).argmax(axis=1)


def main(folders, data_dir=None, results=RESULTS, samples=SAMPLES):
    """Look at the runs, and write their rows among those that the file has."""
    replace_rows(results / FILE, [row for folder in folders for row in look(folder, data_dir, samples)])


if __name__ == "__main__":
    main(*given_runs(__doc__))
