"""Draw samples of trained runs side by side: for docs/experiments.md.

    python docs/side_by_side.py PICTURE.png out/study/D1-seed0 out/study/D2-seed0      the folders of the runs

All runs make their samples from the latents of the same seed.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from failures import reduce_colours  # noqa: E402

from minigan import pictures  # noqa: E402
from minigan.training.trained import load_trained  # noqa: E402

COLUMNS = 5


def main(picture, folders):
    """Draw the same latents for all runs, each run below the name of its experiment."""
    samples = {}
    for folder in folders:
        run = load_trained(folder)
        samples[run.experiment.name] = run.sample(COLUMNS**2, seed=0)
    pictures.save_side_by_side(picture, samples, columns=COLUMNS)
    reduce_colours(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
