"""check_layer: checks the whole contract of a layer, clause by clause."""

import copy
import tempfile
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from minigan.checks.arguments import checked_arguments, listed
from minigan.checks.contract import BATCH, Contract, forward, labels_of, mode
from minigan.checks.gradient_check import check_gradients
from minigan.checks.tangent_check import TANGENT_CLAUSES
from minigan.errors import CacheError, MiniganError, MisuseWarning, OptionError
from minigan.hints import Seed, Shape
from minigan.layers.base import Layer
from minigan.network import Sequential
from minigan.options import shown


def check_layer(make_layer: Callable[[], Layer], input_shape: Shape, tolerance: float = 1e-6, seed: Seed = 0) -> str:
    """Check the whole contract of a layer: `check_layer(lambda: MyLayer(3), input_shape=(5,))`.

    make_layer   a function without arguments that returns a new layer; input_shape: of one sample
    Returns      a text that lists what was checked, with the tables of both gradient checks; print it
    Errors       GradientError that says which clause is broken, by what, and what to do. A layer that has no gradient
                 somewhere (a step function, rounding) cannot pass
    """
    arguments = checked_arguments("check_layer", make_layer, input_shape, tolerance, seed)
    contract = Contract(*arguments)
    lines = [f"{contract.name}, input {contract.input_shape}: keeps the contract of a layer"]
    for clause in CLAUSES:
        report = clause(contract)
        lines.append(report or f"  ok  {what_is_checked(clause)}")
    return "\n".join(lines)


def parametrize_with_checks(
    pairs: Iterable[tuple[Callable[[], Layer], Shape]], tolerance: float = 1e-6, seed: Seed = 0
) -> Callable:
    """Return a decorator that makes a pytest test of each clause of the contract, for each of several layers.

        @parametrize_with_checks([(lambda: MyLayer(3), (5,)), (Square, (2, 3))])
        def test_my_layers(check):
            check()

    pairs      (make_layer, input_shape) of each layer, as for check_layer
    Returns    the decorator. A test's name gives layer, input and clause: test_my_layers[Square-2x3-dtype_kept]
    Needs      pytest
    """
    import pytest  # needed only for tests

    cases = []
    for pair in listed(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise OptionError(
                f"parametrize_with_checks: expected pairs (make_layer, input_shape), got {shown(pair)}. For example: "
                "[(lambda: MyLayer(3), (5,))]."
            )
        make_layer, input_shape = pair
        arguments = checked_arguments("parametrize_with_checks", make_layer, input_shape, tolerance, seed)
        name = f"{type(make_layer()).__name__}-{'x'.join(map(str, input_shape))}"
        for clause in CLAUSES:
            check = partial(check_clause, clause, arguments)
            cases.append(pytest.param(check, id=f"{name}-{clause.__name__.removeprefix('check_')}"))
    return pytest.mark.parametrize("check", cases)


def check_clause(clause, arguments):
    clause(Contract(*arguments))


def what_is_checked(clause):
    """Return the first line of a clause's docstring, or its name if `python -OO` has removed the docstrings."""
    return (clause.__doc__ or clause.__name__.replace("_", " ")).split("\n")[0].rstrip(".")


def check_shapes(c):
    """The output has the shape that build announced, dx the shape of x, in both modes and for one sample."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MisuseWarning)  # a BatchNorm on one row, on purpose
        for n, training in product((BATCH, 1), (True, False)):
            net = c.network()
            y, dx, grads, _ = c.run(net, *c.batch(net, n), training)  # compares the shapes
            c.require(
                all(np.isfinite(part).all() for part in (y, dx, grads)),
                "finite",
                f"batch of {n}, {mode(training)}: forward or backward gave NaN or infinity. The check draws x from the "
                "normal distribution, so half of its numbers are below 0. If your layer is not made for such x, as a "
                "logarithm is not, check its gradients at an x of your own: check_gradients(layer, x).",
            )


def check_inputs_unmodified(c):
    """forward and backward leave x and dy as they were."""
    net = c.network()
    for training in (True, False):
        x, dy = c.batch(net)
        x0, dy0 = x.copy(), dy.copy()
        c.run(net, x, dy, training)
        c.require((x == x0).all(), "x modified", "forward or backward wrote to x. Work on a new array: y = x * 2.")
        c.require((dy == dy0).all(), "dy modified", "backward wrote to dy. Work on a new array: dx = dy * slope.")


def check_reproducible(c):
    """The same seed gives the same output and gradients, bit for bit."""
    x, dy = c.batch(c.network())
    for training in (True, False):
        one, other = (c.run(c.network(), x, dy, training)[:3] for _ in range(2))
        c.require(
            all(np.array_equal(a, b) for a, b in zip(one, other, strict=True)),
            "same seed, same result",
            f"in {mode(training)}, two layers built with the same seed differ. Draw from build's rng only, never from "
            "np.random. A forward that needs random numbers draws them as Dropout does: build keeps a seed from its "
            "rng in the state, and forward makes the numbers from the seed and the count of its calls.",
        )


def check_non_contiguous(c):
    """Arrays that are not contiguous in memory give the same results."""
    net = c.network()
    x, dy = c.batch(net)
    y, dx, grads, _ = c.run(net, x, dy)
    strided = [np.repeat(array, 2, axis=-1)[..., ::2] for array in (x, dy)]
    again = c.run(net, *strided)
    for name, one, other in (("y", y, again[0]), ("dx", dx, again[1]), ("gradients", grads, again[2])):
        c.require(
            np.allclose(one, other, rtol=1e-10, atol=1e-12),
            "non-contiguous arrays",
            f"{name} is different for x and dy that are not contiguous in memory. Do not rely on the memory layout.",
        )


def check_dtype_kept(c):
    """float32 stays float32 and float64 stays float64: output, dx, gradients, parameters."""
    for dtype in ("float32", "float64"):
        net = c.network(dtype)
        for training in (True, False):
            x, dy = c.batch(net)
            y, dx, _, net_after = c.run(net, x, dy, training)
            layer = net_after.layers[0]
            arrays = {"y": y, "dx": dx, **layer.params, **{f"d{name}": grad for name, grad in layer.grads.items()}}
            for name, array in arrays.items():
                c.require(
                    array.dtype == dtype,
                    "dtype kept",
                    f"{name} is {array.dtype} in a {dtype} network. Plain Python numbers keep the dtype; NumPy's "
                    "float64 scalars and bool * float do not.",
                )


def check_zero_upstream(c):
    """dy = 0 gives zero gradients."""
    net = c.network()
    x, dy = c.batch(net)
    _, dx, grads, _ = c.run(net, x, np.zeros_like(dy))
    c.require(not dx.any() and not grads.any(), "dy = 0", "a gradient is not 0: a term does not depend on dy.")


def check_gradients_add_up(c):
    """A second forward and backward adds to the gradients."""
    net = c.network()
    (x, dy), (x2, dy2) = c.batch(net), c.batch(net)
    for training in (True, False):
        _, _, first, after = c.run(net, x, dy, training)
        twin = copy.deepcopy(after)
        _, _, second, _ = c.run(after, x2, dy2, training)
        c.forward(twin, x2, training)
        c.backward(twin, dy2, training)
        c.require(
            np.allclose(twin.flat_grads, first + second, rtol=1e-10, atol=1e-12),
            "gradients add up",
            "after two backward passes, grads is not the sum of both. Write grads[name] += ..., not =.",
        )


def check_mixes_samples(c):
    """The outputs of a sample depend on the rest of its batch only where mixes_samples = True says so."""
    net = c.network()
    x, _ = c.batch(net)
    other = x.copy()
    other[0] += 1
    for training in (True, False):
        y, y_other = (np.array(c.forward(copy.deepcopy(net), batch, training)) for batch in (x, other))
        c.require(
            net.mixes_samples or np.array_equal(y[1:], y_other[1:]),
            "mixes_samples",
            "another first sample changes the outputs of the other samples. If this is right, set mixes_samples = "
            "True in the class. Then a GAN gives real and generated images to the discriminator as separate batches.",
        )


def check_labels(c):
    """Where forward takes labels: each sample gets its own, and labels stay as they were."""
    net = c.network()
    if not net.takes_labels or net.classes == 1:
        return
    x, dy = c.batch(net)
    labels = labels_of(net, len(x))
    other = labels.copy()
    other[0] = (labels[0] + 1) % net.classes
    for training in (True, False):
        y, y_other = (np.array(c.forward(copy.deepcopy(net), x, training, k.copy())) for k in (labels, other))
        c.require(
            net.mixes_samples or np.array_equal(y[1:], y_other[1:]),
            "labels",
            "another label of the first sample changes the outputs of the other samples.",
        )
        c.require(
            not np.array_equal(y[0], y_other[0]),
            "labels",
            "another label of the first sample does not change its output. Then labels need not be taken.",
        )
        given = labels.copy()
        twin = copy.deepcopy(net)
        c.forward(twin, x, training, given)
        c.backward(twin, dy, training)
        c.require(np.array_equal(given, labels), "labels modified", "forward or backward wrote to labels.")


def check_workers(c):
    """Two workers that share a batch compute what one computes."""
    net = c.network()
    if net.mixes_samples and not net.layers[0].asks_group:
        return  # such a layer always gets whole batches
    x, dy = c.batch(net)
    for training in (True, False):
        alone, shared = copy.deepcopy(net), copy.deepcopy(net)
        shared.parallel(2)
        results = []
        for twin in (alone, shared):
            try:
                y = np.array(forward(twin, x, training))
                results.append((y, twin.backward(dy), twin.flat_grads.copy(), *twin.state.values()))
            except OptionError as error:  # some worker sums where another does not
                c.require(False, "workers", str(error))
        for name, one, two in zip(("y", "dx", "gradients", *net.state), *results, strict=True):
            c.require(
                np.allclose(one, two, rtol=1e-10, atol=1e-12),
                "workers",
                f"{name} is different if two workers share the batch. A sum over the batch must be a sum over all "
                "workers: self.group.sum(...), self.group.total(len(x)). Random numbers must follow from the places of "
                "the rows in the whole batch: self.group.places(len(x)). Examples: BatchNorm, Dropout.",
            )


def check_gradient_options(c):
    """param_grads=False leaves grads alone, input_grad=False returns None, and neither changes the other."""
    net = c.network()
    x, dy = c.batch(net)
    for training in (True, False):
        _, dx, grads, _ = c.run(net, x, dy, training)
        _, dx_only, untouched, _ = c.run(net, x, dy, training, param_grads=False)
        c.require(not untouched.any(), "param_grads=False", "backward added to grads anyway.")
        c.require(
            dx_only is not None and np.array_equal(dx, dx_only),
            "param_grads=False",
            "dx is not the same as with param_grads=True.",
        )
        _, none, grads_only, _ = c.run(net, x, dy, training, input_grad=False)
        c.require(none is None, "input_grad=False", "expected None, since dx is not needed.")
        c.require(np.array_equal(grads, grads_only), "input_grad=False", "the gradients differ from input_grad=True.")


def check_cache_used_up(c):
    """backward without a forward before it, or a second time, is a CacheError."""
    net = c.network()
    x, dy = c.batch(net)
    for case in ("before any forward", "a second time"):
        try:
            net.layers[0].backward(dy)
            raised = "no CacheError"
        except CacheError:
            c.forward(net, x, training=True)
            c.backward(net, dy, training=True)
            continue
        except Exception as error:  # such as that of an attribute which only forward sets
            raised = f"no CacheError, but {type(error).__name__}: {error}"
        c.require(
            False,
            "cache used up",
            f"backward {case} raised {raised}. Keep what backward needs by self.save_for_backward(x) in forward, and "
            "get it by x = self.saved(dy) in backward. Do not keep it in attributes such as self.x.",
        )


def check_flat_views(c):
    """Parameters, gradients and state are written in place, and backward changes no parameter."""
    net = c.network()
    x, dy = c.batch(net)
    before, states = net.flat_params.copy(), dict(net.layers[0].state)
    for training in (True, False):
        c.forward(net, x, training)
        c.backward(net, dy, training)
    layer = net.layers[0]
    for kind, flat in (("params", net.flat_params), ("grads", net.flat_grads)):
        for name, array in getattr(layer, kind).items():
            c.require(
                np.shares_memory(array, flat),
                "flat views intact",
                f"{kind}[{name!r}] was replaced by a new array. Write into it: {kind}[{name!r}] += ...",
            )
    for name, array in states.items():
        c.require(
            layer.state[name] is array,
            "state in place",
            f"state[{name!r}] was replaced by a new array. Write into it: state[{name!r}][...] = ...",
        )
    c.require((net.flat_params == before).all(), "parameters unchanged", "backward changed a parameter.")
    c.require(
        set(layer.params) == set(layer.grads), "names", f"params has {set(layer.params)}, grads {set(layer.grads)}."
    )


def check_save_and_load(c):
    """A saved and loaded network gives the same output, bit for bit."""
    net = c.network(seed=1)  # load builds with seed 0, so what build draws for an attribute would be the same
    x, _ = c.batch(net)
    forward(net, x, True)  # so that there is a state worth saving
    net.clear_cache()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        try:
            net.save(path)
            loaded = Sequential.load(path, custom_layers=[type(net.layers[0])])
        except MiniganError as error:
            c.require(False, "save and load", str(error))
    for training in (False, True):
        y, again = (forward(copy.deepcopy(n), x, training) for n in (net, loaded))
        c.require(
            np.array_equal(y, again),
            "save and load",
            "the loaded network gives another output. Everything that forward needs must be in params or state "
            "(arrays), or follow from the constructor's arguments, stored in attributes of the same names. In build, "
            "self.add_param(...) makes weights, and self.add_state(...) other arrays.",
        )


def check_float32(c):
    """float32 results lie near those of float64."""
    net = c.network("float32")
    for training in (True, False):
        x, dy = c.batch(net)
        low = c.run(net, x, dy, training)[:3]
        high = c.run(net.astype("float64"), x.astype("float64"), dy.astype("float64"), training)[:3]
        for name, a, b in zip(("y", "dx", "gradients"), low, high, strict=True):
            if b.size:
                error = np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-3)
                c.require(
                    error < 1e-4, "float32 near float64", f"{name} differs from float64 by {error:.1e} (relative)."
                )


def check_gradients_in_training(c):
    """In training mode every gradient is what central differences measure."""
    return check_gradients_by_differences(c, training=True)


def check_gradients_in_inference(c):
    """In inference mode every gradient is what central differences measure."""
    return check_gradients_by_differences(c, training=False)


def check_gradients_by_differences(c, training):
    """Return the report of check_gradients as a text."""
    x = c.rng.standard_normal((BATCH, *c.input_shape))
    return str(check_gradients(c.network().layers[0], x, training, c.tolerance, c.seed))


CLAUSES = (
    check_shapes,
    check_flat_views,
    check_inputs_unmodified,
    check_reproducible,  # before all that compare two passes: random numbers would look like their faults
    check_non_contiguous,
    check_dtype_kept,
    check_zero_upstream,
    check_gradients_add_up,
    check_mixes_samples,
    check_labels,
    check_gradient_options,
    check_cache_used_up,
    check_save_and_load,
    check_float32,
    check_gradients_in_training,
    check_gradients_in_inference,
    check_workers,
    *TANGENT_CLAUSES,
)
