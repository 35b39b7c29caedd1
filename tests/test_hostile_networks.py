"""Networks from strangers: a small file cannot take much memory or time, whatever its description says.

The files of CASES are loaded one after the other in one process with limits on both.
"""

import io
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hostile import run_limited

from minigan import Sequential, npz
from minigan.budget import budget, limited, spend
from minigan.errors import CheckpointError, TooLargeError
from minigan.layers import Dense, Tanh

MEGABYTES, SECONDS = 150, 5


def crafted(layers, input_shape, params=10, dtype="float32", state=None, **more):
    """The content of a network file that says what it likes; layers as JSON objects, or as a text of JSON."""
    text, layers = (layers, "LAYERS") if isinstance(layers, str) else ("", layers)
    architecture = {"format": "minigan network 2", "input_shape": input_shape, "dtype": dtype, "layers": layers, **more}
    state = {f"state.{name}": array for name, array in (state or {}).items()}
    params = np.zeros(params, "float32")
    architecture = json.dumps(architecture).replace('"LAYERS"', text)
    return npz.to_bytes({"architecture": architecture, "params": params, **state})


def layer(name, **options):
    return {"layer": name, **options}


def nested(depth, inner):
    """Networks in one another as a text: json.dumps would not go so deep"""
    return '[{"layer": "Sequential", "layers": ' * depth + json.dumps([inner]) + "}]" * depth


def conv(filters, kernel_size, **options):
    return layer("Conv2D", filters=filters, kernel_size=kernel_size, **options)


CASES = {  # name -> (content, what the error says)
    "a network in it that builds itself": (
        lambda: crafted([layer("Sequential", layers=[layer("Dense", units=30_000)], input_shape=[30_000])], [3]),
        "Sequential has no option 'input_shape'",
    ),
    "a network in it on a GPU": (
        lambda: crafted([layer("Sequential", layers=[layer("Tanh")], device="gpu")], [3]),
        "Sequential has no option 'device'",
    ),
    "a large layer": (lambda: crafted([layer("Dense", units=10**8)], [100]), "W of shape .* stored"),
    "a large layer without numbers": (lambda: crafted([layer("Dense", units=10**8)], [100], params=0), "W of shape"),
    "a large layer in a network in it": (
        lambda: crafted(nested(3, layer("Dense", units=10**7)), [100]),
        "W of shape .* stored",
    ),
    "400 layers, each as large as the file": (
        lambda: crafted([layer("Dense", units=1000)] * 400, [1000], params=1000 * 1001),
        "stored",
    ),
    "a recurrent layer": (lambda: crafted([layer("LSTM", units=10**5)], [4, 4]), "stored"),
    "many channels to normalise": (lambda: crafted([layer("BatchNorm")], [10**8]), "stored"),
    "a large image before a pool": (
        lambda: crafted([layer("UpSampling2D", size=30_000), layer("AveragePool2D", pool_size=30_000)], [1, 1, 1]),
        "sample",
    ),
    "a large image that fits, before a pool": (
        lambda: crafted([layer("UpSampling2D", size=15_000), layer("AveragePool2D", pool_size=15_000)], [1, 1, 1]),
        "windows",
    ),
    "large images in many layers": (
        lambda: crafted([layer("UpSampling2D", size=1)] * 100, [3000, 3000, 1]),
        "sample",
    ),
    "a window of 30,000": (
        lambda: crafted([layer("AveragePool2D", pool_size=30_000, padding="same")], [1, 1, 1]),
        "pool_size",
    ),
    "a window of 30,000 on as large an image": (
        lambda: crafted([layer("MaxPool2D", pool_size=30_000)], [30_000, 30_000, 1]),
        "sample",
    ),
    "padding": (lambda: crafted([conv(1, 1, padding=50_000)], [1, 1, 1]), "sample"),
    "padding on both sides": (lambda: crafted([conv(1, 1, padding=[[0, 10**9], [0, 10**9]])], [1, 1, 1]), "sample"),
    "a dilation": (lambda: crafted([conv(1, 2, dilation=2**31 - 1)], [3, 3, 1], params=5), "sample"),
    "a large kernel on a large image": (
        lambda: crafted([conv(1, 200, algorithm="im2col")], [5000, 5000, 1], params=40_001),
        "matrices",
    ),
    "the same as a transposed convolution": (
        lambda: crafted(
            [layer("Conv2DTranspose", filters=1, kernel_size=200, algorithm="kn2row")], [5000, 5000, 1], params=40_001
        ),
        "matrices",
    ),
    "a Fourier plan": (lambda: crafted([conv(1, 1, algorithm="fourier")], [300, 300, 1]), "fourier"),
    "50 Fourier plans": (
        lambda: crafted([conv(1, k, algorithm="fourier", padding="valid") for k in range(1, 51)], [62, 62, 1], 50_000),
        "matrices|empty",
    ),
    "100,000 layers": (lambda: crafted([layer("Tanh")] * 100_000, [3]), "longer than|layers"),
    "20,000 layers": (lambda: crafted([layer("Tanh")] * 20_000, [3]), "layers"),
    "20,000 layers in two networks": (
        lambda: crafted([layer("Sequential", layers=[layer("Tanh")] * 10_000)] * 2, [3]),
        "layers",
    ),
    "100 networks in one another": (lambda: crafted(nested(100, layer("Tanh")), [3]), "in one another"),
    "20,000 networks in one another": (lambda: crafted(nested(20_000, layer("Tanh")), [3]), "."),
    "an input of 100,000 axes": (lambda: crafted([layer("Tanh")], [10**18] * 100_000), "."),
    "a reshape to 50,000 axes": (
        lambda: crafted([layer("Reshape", target_shape=[10**18] * 40_000)], [3]),
        "axes|shape",
    ),
    "a number of 4,000 digits": (lambda: crafted([layer("Dense", units=10**4000)], [3]), "."),
    "numbers of another size": (lambda: crafted([layer("Dense", units=2)], [4], dtype="float64"), "float64"),
    "a description of 10 MB": (lambda: crafted([layer("Tanh")], [3], comment="x" * 10**7), "longer than"),
    "lists in lists": (lambda: crafted([conv(1, 1, padding=[[[[[[1]]]]]])], [3, 3, 1]), "padding"),
    "an infinite rate": (lambda: crafted([layer("Dropout", rate=float("inf"))], [3]), "rate"),
    "a rate that is none": (lambda: crafted([layer("Dropout", rate=float("nan"))], [3]), "rate"),
    "layers that are no list": (lambda: crafted({"layer": "Tanh"}, [3]), "not a network"),
    "a layer that is none": (lambda: crafted(["Tanh"], [3]), "not a network"),
    "a layer whose name is a list": (lambda: crafted([layer(["Tanh"])], [3]), "not one of minigan's"),
    "an initializer with odd options": (
        lambda: crafted([layer("Dense", units=1, initializer={"initializer": "Zeros", "x": 1})], [3]),
        "Zeros",
    ),
}


class TookTooLong(BaseException):
    pass


def load_all():
    """Load each file of CASES and print what was said, as JSON: run in a process with limits."""
    import signal

    def stop(number, frame):
        raise TookTooLong

    signal.signal(signal.SIGALRM, stop)
    messages = {}
    for name, (make, _) in CASES.items():
        content = make()
        signal.alarm(SECONDS)
        try:
            Sequential.load(io.BytesIO(content))
            messages[name] = "loaded"
        except CheckpointError as error:
            messages[name] = str(error)
        except BaseException as error:
            messages[name] = f"{type(error).__name__}, not a CheckpointError: {error}"
        signal.alarm(0)
    print(json.dumps(messages))


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    code = """
    import sys
    sys.path.insert(0, TESTS)
    import test_hostile_networks
    start()
    test_hostile_networks.load_all()
    """.replace("TESTS", repr(str(Path(__file__).parent)))
    printed = run_limited(code, tmp_path_factory.mktemp("hostile"), MEGABYTES, seconds=60)
    return json.loads(printed.splitlines()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_network(messages, name):
    message = messages[name]
    assert message != "loaded" and "not a CheckpointError" not in message
    assert "MemoryError" not in message, "refused only when the memory was gone"
    assert len(message) < 1500
    with pytest.raises(CheckpointError, match=CASES[name][1]):
        raise CheckpointError(message)


def test_a_network_as_large_as_allowed_loads():
    content = crafted([layer("Dense", units=100)] * 3, [100], params=3 * 10_100)
    assert Sequential.load(io.BytesIO(content)).flat_params.size == 30_300
    content = crafted([layer("Dense", units=100)] * 3, [100], params=3 * 10_100 - 1)
    with pytest.raises(CheckpointError, match=r"expected params of shape \(30300,\).*found \(30299,\)"):
        Sequential.load(io.BytesIO(content))


def test_a_budget_ends_with_its_block_and_is_that_of_its_thread_alone():
    with budget(parameters=10):
        spend("parameters", 6, "a", "b")
        thread = threading.Thread(target=lambda: seen.append(limited()))
        seen = []
        thread.start()
        thread.join()
        assert limited() and seen == [False]
        with budget(parameters=100):
            spend("parameters", 100, "a", "b")
        spend("parameters", 4, "a", "b")
        with pytest.raises(TooLargeError, match="a: with b the network would have too many numbers as parameters"):
            spend("parameters", 1, "a", "b")
    assert not limited()
    spend("parameters", 10**100, "a", "b")


def test_networks_that_the_program_itself_describes_have_no_budget():
    assert Sequential([Dense(3)] + [Tanh() for _ in range(10_001)], (2,)).output_shape == (3,)
