"""The clauses of check_layer about a layer's tangent, for layers that have one."""

import copy

import numpy as np

from minigan.checks.contract import BATCH, forward
from minigan.checks.gradient_check import check_gradients
from minigan.errors import OptionError
from minigan.input_gradient import InputGradient
from minigan.layers.base import has_tangent, retaining

CLOSE = 1e-9


def run(net, x, dy, training):
    """Return (y, dx, gradients) of an ordinary forward and backward."""
    net.zero_grads()
    y = np.array(forward(net.layers[0], x, training))
    dx = np.array(net.layers[0].backward(dy))
    return y, dx, net.flat_grads.copy()


def after_backward(c, dtype="float64", training=True):
    """Return (a network of the one layer, retained backward behind it, x, dy, dx), or None if it has no tangent."""
    net = c.network(dtype)
    if not has_tangent(net.layers[0]):
        return None
    x, dy = c.batch(net)
    net.zero_grads()
    forward(net.layers[0], x, training)
    with retaining():
        dx = np.array(net.layers[0].backward(dy.copy(), param_grads=False))
    return net, x, dy, dx


def check_tangent_gives_the_change_of_y(c):
    """Where there is a tangent: sum(dy ydot) is sum(dx xdot), since both are how fast sum(dy y) changes."""
    for training in (True, False):
        before = after_backward(c, training=training)
        if before is None:
            return None
        net, x, dy, dx = before
        xdot = c.rng.standard_normal(x.shape)
        ydot = net.layers[0].tangent(xdot.copy())
        c.require(ydot.shape == dy.shape, "tangent", f"expected ydot of the shape of y, {dy.shape}, got {ydot.shape}.")
        one, other = float((dy * ydot).sum()), float((dx * xdot).sum())
        size = float(np.abs(dy * ydot).sum() + np.abs(dx * xdot).sum())
        c.require(
            abs(one - other) <= CLOSE * size,
            "tangent, ydot",
            f"sum(dy ydot) is {one:+.6e}, but sum(dx xdot) is {other:+.6e}. ydot must be how y changes if x moves "
            "along xdot: each line of forward differentiated, without what is only added.",
        )
    return None


def check_tangent_gradients(c):
    """Where there is a tangent: its gradients and its bend are what central differences of backward measure."""
    for training in (True, False):
        layer = c.network().layers[0]
        if not has_tangent(layer):
            return None
        x, dy = (c.rng.standard_normal((BATCH, *shape)) for shape in (layer.input_shape, layer.output_shape))
        check_gradients(InputGradient(layer, dy), x, training, c.tolerance, c.seed)
    return None


def check_tangent_adds(c):
    """Where there is a tangent: it adds to the gradients, and a backward after it adds the ordinary results."""
    start = c.network()
    if not has_tangent(start.layers[0]):
        return None
    x, dy = c.batch(start)
    xdot, dy2 = c.rng.standard_normal(x.shape), c.rng.standard_normal(dy.shape)
    for training in (True, False):
        _, dx, grads = run(copy.deepcopy(start), x, dy2, training)
        results = []
        for last, at_first in ((None, 0.0), (None, 1.0), (dy2, 0.0)):
            net = copy.deepcopy(start)
            forward(net.layers[0], x, training)
            with retaining():
                net.layers[0].backward(dy, param_grads=False)
            net.flat_grads[...] = at_first
            net.layers[0].tangent(xdot)
            bend = net.layers[0].tangent_backward(last)
            results.append((0.0 if bend is None else bend, net.flat_grads.copy()))
        (bend, alone), (_, added), (dx_after, grads_after) = results
        c.require(
            np.allclose(added, alone + 1, rtol=1e-10, atol=1e-12),
            "tangent, gradients add up",
            "tangent did not add to what was there. Use self.add_grad(name, ...), or grads[name] += ...",
        )
        c.require(
            np.allclose(dx_after, dx + bend, rtol=1e-10, atol=1e-12)
            and np.allclose(grads_after, grads + alone, rtol=1e-10, atol=1e-12),
            "tangent, backward after it",
            "after tangent, backward gives something else than before. tangent must leave what forward saved as it is.",
        )
    return None


def check_tangent_arrays(c):
    """Where there is a tangent: it leaves xdot and dy as they were, keeps the dtype, and takes any memory layout."""
    for dtype in ("float32", "float64"):
        before = after_backward(c, dtype)
        if before is None:
            return None
        net, x, _, _ = before
        layer = net.layers[0]
        xdot = c.rng.standard_normal(x.shape).astype(dtype)
        xdot0, dy, dy0 = xdot.copy(), layer.upstream, layer.upstream.copy()
        net.zero_grads()
        ydot = np.array(layer.tangent(xdot))
        grads, bend = net.flat_grads.copy(), layer.bend
        c.require((xdot == xdot0).all(), "tangent, xdot modified", "tangent wrote to xdot. Work on a new array.")
        c.require((dy == dy0).all(), "tangent, dy modified", "tangent wrote to dy. Work on a new array.")
        for name, array in (("ydot", ydot), ("bend", bend)):
            c.require(
                array is None or array.dtype == dtype,
                "tangent, dtype kept",
                f"{name} is not {dtype} in such a network.",
            )
        c.require(
            bend is None or bend.shape == x.shape,
            "tangent, bend",
            f"expected bend of the shape of x, {x.shape}, got {np.shape(bend)}.",
        )
        net.zero_grads()
        again = layer.tangent(np.repeat(xdot, 2, axis=-1)[..., ::2])
        same = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12}
        c.require(
            np.allclose(ydot, again, **same) and np.allclose(grads, net.flat_grads, **same),
            "tangent, non-contiguous arrays",
            "the results are different for an xdot that is not contiguous in memory.",
        )
    return None


def check_tangent_keeps_dy(c):
    """Where there is a tangent: who writes to dy after backward changes nothing."""
    start = c.network()
    if not has_tangent(start.layers[0]):
        return None
    x, dy = c.batch(start)
    xdot, results = c.rng.standard_normal(x.shape), []
    for changed in (False, True):
        net, given = copy.deepcopy(start), dy.copy()
        forward(net.layers[0], x, training=True)
        with retaining():
            net.layers[0].backward(given, param_grads=False)
        if changed:
            given.fill(0)
        net.zero_grads()
        net.layers[0].tangent(xdot)
        bend = net.layers[0].tangent_backward()
        results.append((net.flat_grads.copy(), 0.0 if bend is None else bend))
    for one, other in zip(*results, strict=True):
        c.require(
            np.allclose(one, other, rtol=1e-10, atol=1e-12),
            "tangent, dy changed in between",
            "the results are different if the caller writes to dy between backward and tangent. self.retained(xdot) "
            "returns a copy of dy: what backward keeps for tangent must be made from such a copy, self.upstream.",
        )
    return None


def check_tangent_of_workers(c):
    """Where there is a tangent: two workers that share a batch compute what one computes."""
    net = c.network()
    if not has_tangent(net.layers[0]) or (net.mixes_samples and not net.layers[0].asks_group):
        return None
    x, dy = c.batch(net)
    xdot, dy2 = c.rng.standard_normal(x.shape), c.rng.standard_normal(dy.shape)
    for training in (True, False):
        alone, shared = copy.deepcopy(net), copy.deepcopy(net)
        shared.parallel(2)
        results = []
        for twin in (alone, shared):
            twin.zero_grads()
            try:
                forward(twin, x, training)
                with retaining():
                    twin.backward(dy, param_grads=False)
                ydot = np.array(twin.tangent(xdot))
                results.append((ydot, twin.tangent_backward(dy2), twin.flat_grads.copy()))
            except OptionError as error:  # some worker sums where another does not
                c.require(False, "tangent, workers", str(error))
        for name, one, two in zip(("ydot", "dx with the bend", "gradients"), *results, strict=True):
            c.require(
                np.allclose(one, two, rtol=1e-10, atol=1e-12),
                "tangent, workers",
                f"{name} is different if two workers share the batch. In tangent, too, a sum over the batch must be a "
                "sum over all workers: self.group.sum(...). Example: BatchNorm.",
            )
    return None


TANGENT_CLAUSES = (
    check_tangent_gives_the_change_of_y,
    check_tangent_gradients,
    check_tangent_adds,
    check_tangent_arrays,
    check_tangent_keeps_dy,
    check_tangent_of_workers,
)
