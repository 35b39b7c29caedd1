"""The JavaScript form of networks: under Node it computes what `predict` does, for every layer."""

import base64
import json

import javascript
import numpy as np
import pytest
from layer_cases import LAYERS, labels_for

from minigan import Sequential, layers
from minigan.errors import OptionError
from minigan.layers import BatchNorm, Conv2DTranspose, Dense, Reshape, SpectralNorm, Tanh
from minigan.pages.network_data import FORMS, network_data

needs_node = pytest.mark.skipif(javascript.NODE is None, reason="Node is not installed here")


def varied(net, rng):
    """The network with parameters and running statistics away from their special first values."""
    noise, params = 0.1 * rng.standard_normal(net.flat_params.size), net.flat_params
    net.flat_params = np.where(params == 0, noise, params * (1 + noise)).astype(net.dtype)
    for layer in net.inner_layers():
        for name in layer.state.keys() & {"mean", "variance"}:
            layer.state[name] = rng.uniform(0.3, 2, layer.state[name].shape).astype(net.dtype)
    return net


def networks(rng):
    for make, shape in LAYERS.values():
        yield varied(Sequential([make()], input_shape=shape), rng)


@needs_node
def test_every_layer_computes_what_predict_does(rng):
    nets = list(networks(rng))
    xs = [rng.standard_normal((5, *net.input_shape)).astype("float32") for net in nets]
    labels = [labels_for(net, 5) for net in nets]
    jobs = [
        javascript.job(network_data(net), x, given.get("labels"))
        for net, x, given in zip(nets, xs, labels, strict=True)
    ]
    results = javascript.run(javascript.PROGRAM, jobs)
    for name, net, x, given, y in zip(LAYERS, nets, xs, labels, results, strict=True):
        y = np.reshape(y, (5, *net.output_shape))
        np.testing.assert_allclose(y, net.predict(x, **given), rtol=1e-5, atol=1e-5, err_msg=name)
        # the sums are float64: nearer to the network in float64 than float32 can be
        exact = net.astype("float64").predict(x.astype("float64"), **given)
        np.testing.assert_allclose(y, exact, rtol=1e-6, atol=1e-6, err_msg=name)


@needs_node
@pytest.mark.parametrize(
    "outer",
    [
        lambda layer: layers.Add([layer, Dense(2)], [Dense(2)]),
        lambda layer: layers.Concatenate([], [layer]),
        lambda layer: Sequential([layer, Tanh()]),
    ],
    ids=["Add", "Concatenate", "Sequential"],
)
def test_labels_reach_a_layer_inside_another(outer, rng):
    net = varied(Sequential([outer(layers.ConcatenateLabel(3, size=2)), Dense(2)], input_shape=(4,)), rng)
    x, labels = rng.standard_normal((5, 4)).astype("float32"), np.array([0, 2, 1, 1, 0])
    (y,) = javascript.run(javascript.PROGRAM, [javascript.job(network_data(net), x, labels)])
    np.testing.assert_allclose(np.reshape(y, (5, 2)), net.predict(x, labels=labels), rtol=1e-5, atol=1e-5)


@needs_node
def test_a_product_of_any_size(rng):
    """Rows come in pairs and outputs in fours, and what is left over by itself."""
    sizes = [(rows, size, outputs) for rows in (1, 2, 3) for size in (1, 3) for outputs in (1, 3, 4, 9)]
    program = """
    require("vm").runInThisContext(require("fs").readFileSync(JSON.parse(process.argv[1])[0], "utf8"));
    for (const line of require("fs").readFileSync(0, "utf8").split("\\n").filter(Boolean)) {
      const [x, rows, size, W, outputs] = JSON.parse(line);
      console.log(JSON.stringify(Array.from(matmul(x, rows, size, W, outputs))));
    }
    """
    cases = [(rng.standard_normal((r, k)), r, k, rng.standard_normal((o, k)), o) for r, k, o in sizes]
    lines = [(x.reshape(-1).tolist(), r, k, W.reshape(-1).tolist(), o) for x, r, k, W, o in cases]
    for (x, _, _, W, _), y in zip(cases, javascript.run(program, lines, ("network.js",)), strict=True):
        np.testing.assert_allclose(y, (x @ W.T).reshape(-1), rtol=1e-12, atol=1e-12)


def test_every_layer_has_a_form():
    assert set(layers.ALL) <= FORMS.keys()


def test_the_numbers_are_those_of_the_network_bit_by_bit():
    net = Sequential([Dense(6), Reshape((1, 2, 3)), BatchNorm(), Conv2DTranspose(2, 3, 2), Tanh()], input_shape=(4,))
    data = json.loads(json.dumps(network_data(net)))
    numbers = np.frombuffer(base64.b64decode(data["numbers"]), "<f4")
    place = data["layers"][0]["arrays"]["W"]
    W = numbers[place["start"] : place["start"] + place["size"]].reshape(6, 4)
    assert np.array_equal(W, net.layers[0].params["W"].T)
    assert numbers.size == net.flat_params.size + 2 * 3  # the running statistics
    assert (data["input"], data["output"], data["classes"]) == ([4], [2, 4, 2], None)


class Doubled(Tanh):
    """A layer of one's own: that it is also a Tanh does not make it one in JavaScript."""

    def forward(self, x, training=False):
        return 2 * super().forward(x, training)


@pytest.mark.parametrize("wrapped", [lambda layer: layer, lambda layer: Sequential([layer])])
def test_a_layer_without_a_form_is_refused_by_its_name(wrapped):
    net = Sequential([Dense(2), wrapped(Doubled())], input_shape=(2,))
    with pytest.raises(OptionError, match="Doubled has no form in JavaScript"):
        network_data(net)


def test_an_inner_layer_without_a_form_is_refused_by_its_name():
    class DoubledDense(Dense):
        pass

    with pytest.raises(OptionError, match=r"0\.SpectralNorm: DoubledDense has no form in JavaScript"):
        network_data(Sequential([SpectralNorm(DoubledDense(2))], input_shape=(2,)))
