"""What the processes of test_mpi.py do: python mpi_program.py NAME ..."""

import hashlib
import os
import signal
import sys

import numpy as np
from run_helpers import SMALL
from test_parallel import in_float64
from test_processes import GANS, OTHERS, close, small, trained

from minigan import GAN, machine, pictures
from minigan.__main__ import main
from minigan.errors import DataError
from minigan.experiments import EXPERIMENTS, find
from minigan.parallel import processes


def sums(group):
    """The sum of arrays, in place and not, and rows that come together."""
    assert group is processes()
    for dtype in ("float32", "float64"):
        array = np.full((3, 2), group.rank + 1, dtype)
        total = sum(range(1, group.size + 1))
        assert (group.sum(array) == total).all() and (array == group.rank + 1).all()
        group.add_up(array)
        assert (array == total).all()
    whole = np.arange(10.0).reshape(5, 2)
    group.take(5)
    np.testing.assert_array_equal(group.gather(group.own(whole)), whole)
    group.take(5, batches=2)
    whole = np.arange(20.0).reshape(10, 2)
    np.testing.assert_array_equal(group.gather(group.own(whole)), whole)
    assert group.sum(np.float64(2)) == 2 * group.size
    assert group.broadcast(group.rank) == 0 and group.collect(group.rank) == list(range(group.size))
    assert machine.blas_threads() in (1, None)


def gans(group):
    """Training in all processes is training in one; the same bits each time, and in each process."""
    makes = {name: (lambda options=options: small(**options), (6,), 7) for name, options in GANS.items()}
    makes |= {name: (make, (6,), 8) for name, make in OTHERS.items()}
    makes["mlp-gan"] = lambda: in_float64(find("mlp-gan"), (28, 28, 1)), (28, 28, 1), 8
    for name, make in makes.items():
        losses, arrays, values, _ = trained(*make, steps=3)
        (shared, found, found_values, _), again = (trained(*make, steps=3, group=group) for _ in range(2))
        np.testing.assert_allclose(shared, losses, rtol=1e-11, err_msg=name)
        for part, array in arrays.items():
            close(array, found[part], 1e-12 if "params" not in part and "optimizer" not in part else 1e-9)
            assert found[part].tobytes() == again[1][part].tobytes()
        assert found_values["rng"] == values["rng"]
        digest = hashlib.md5(b"".join(array.tobytes() for array in found.values())).hexdigest()
        assert len(set(group.collect(digest))) == 1


def trouble(kind, rank, step):
    """Let something happen to one process, after a step of a run."""
    train_step, taken = GAN.train_step, []

    def step_and_trouble(gan, images):
        losses = train_step(gan, images)
        taken.append(losses)
        if len(taken) == int(step) and processes().rank == int(rank):
            if kind == "error":
                raise DataError("the disk of this machine is broken.")
            if kind == "bug":
                raise RuntimeError("a bug")
            os.kill(os.getpid(), getattr(signal, kind))
        return losses

    GAN.train_step = step_and_trouble


def run(*arguments):
    """The command line of minigan, with a small experiment and without plots; MINIGAN_TROUBLE says what happens."""
    EXPERIMENTS[SMALL.name] = SMALL
    pictures.save_figure = lambda path, figure: None
    if "MINIGAN_TROUBLE" in os.environ:
        trouble(*os.environ["MINIGAN_TROUBLE"].split())
    main(arguments)


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(*sys.argv[2:])
    {"sums": sums, "gans": gans}[sys.argv[1]](processes())
    print(f"rank {processes().rank} of {processes().size}: right")
