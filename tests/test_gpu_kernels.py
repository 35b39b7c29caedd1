"""The kernels of kernels.cu against their NumPy twins: compiled by g++ on any machine, with -m gpu on a device.

And the rest of what is of its own on a GPU: matrix products by cuBLAS, Philox by its published answers, nvcc.
"""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_convolution import geometries

from minigan.backend import to_cpu, to_device
from minigan.errors import DeviceError, ShapeError
from minigan.ops.adam_update import adam_update
from minigan.ops.convolution.choose import make_plan
from minigan.ops.cross_entropy import binary_cross_entropy
from minigan.ops.gather import gather_scaled
from minigan.ops.gpu import bias_leaky_dropout, kernels
from minigan.ops.matmul import matmul
from minigan.ops.random_bits import keep_mask, kept_scale
from minigan.ops.squares import norm
from minigan.ops.sums import column_dot, column_sum, mean

DTYPES = st.sampled_from(["float32", "float64"])
fast = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


def agree(ours, numpys):
    """Equal but for rounding: the order of sums and the library functions may differ."""
    tolerance = 2e-5 if numpys.dtype == np.float32 else 1e-12
    assert ours.shape == numpys.shape and ours.dtype == numpys.dtype
    np.testing.assert_allclose(to_cpu(ours), numpys, rtol=tolerance, atol=tolerance * max(1, abs(numpys).max()))


@fast
@given(geometries(), st.integers(1, 3), DTYPES, st.booleans())
def test_im2col_and_col2im(gpu, geometry, n, dtype, quads):
    image, kernel, strides, padding = geometry
    if quads:  # channels that the kernels take four at a time
        image, kernel = (*image[:2], 4 * image[2]), (*kernel[:2], 4 * kernel[2], kernel[3])
    rng = np.random.default_rng(n)
    on_cpu, on_gpu = (make_plan("t", image, kernel, strides, padding, dtype, xp, "im2col") for xp in (np, gpu))
    x, w, y = (
        rng.standard_normal(shape).astype(dtype) for shape in ((n, *image), kernel, (n, *on_cpu.outputs, kernel[3]))
    )
    results = []
    for plan, xp in ((on_gpu, gpu), (on_cpu, np)):
        X, W, Y = (
            encode(to_device(array, xp))
            for encode, array in ((plan.encode_image, x), (plan.encode_kernel, w), (plan.encode_output, y))
        )
        results.append((plan.correlate(X, W), plan.input_gradient(Y, W), plan.weight_gradient(X, Y)))
    for ours, numpys in zip(*results, strict=True):
        agree(ours, np.ascontiguousarray(numpys))


def test_im2col_in_several_blocks(gpu, rng, monkeypatch):
    monkeypatch.setattr("minigan.ops.gpu.im2col.Im2colGpu.block", 2000)
    plan = make_plan("t", (6, 5, 2), (3, 3, 2, 4), (1, 1), "same", "float64", gpu, "auto")
    assert len(plan.blocks(9)) == 3
    y, w = rng.standard_normal((9, 6, 5, 4)), rng.standard_normal((3, 3, 2, 4))
    cpu = make_plan("t", (6, 5, 2), (3, 3, 2, 4), (1, 1), "same", "float64", np, "im2col")
    ours = plan.input_gradient(plan.encode_output(to_device(y, gpu)), plan.encode_kernel(to_device(w, gpu)))
    agree(ours, np.ascontiguousarray(cpu.input_gradient(cpu.encode_output(y), cpu.encode_kernel(w))))


@fast
@given(st.integers(1, 700), st.integers(1, 20), DTYPES, st.integers(0, 99))
def test_column_sums(gpu, rows, columns, dtype, seed):
    x, y = np.random.default_rng(seed).standard_normal((2, rows, columns)).astype(dtype)
    X, Y = to_device(x, gpu), to_device(y, gpu)
    agree(column_sum(X), x.sum(axis=0))
    out = gpu.empty(columns, dtype)
    column_sum(X, out=out)
    agree(out, x.sum(axis=0))
    agree(column_dot(X, Y), (x * y).sum(axis=0))
    agree(column_sum(X.T), x.T.sum(axis=0))
    agree(mean(X), np.asarray(x.mean()))
    np.testing.assert_allclose(float(norm(X.ravel())), np.linalg.norm(x), rtol=1e-5)


@fast
@given(
    st.integers(1, 500), DTYPES, st.integers(1, 2000), st.integers(0, 99), st.sampled_from([0.0, 0.3]), st.booleans()
)
def test_adam(gpu, size, dtype, step, seed, weight_decay, decoupled):
    rng = np.random.default_rng(seed)
    arrays = [*rng.standard_normal((3, size)).astype(dtype), rng.random(size).astype(dtype)]
    numbers = np.array([1e-3, (1 - 0.5**step) / 0.5, (1 - 0.999**step) / 0.001], dtype)
    options = (0.5, 0.999, 1e-8, 2.0, weight_decay, decoupled)  # some of the gradients are beyond the limit
    on_gpu = [to_device(array, gpu) for array in arrays]
    adam_update(*on_gpu, to_device(numbers, gpu), *options)
    adam_update(*arrays, numbers, *options)
    for ours, numpys in zip(on_gpu, arrays, strict=True):
        agree(ours, numpys)


@fast
@given(st.integers(1, 300), DTYPES, st.sampled_from([0, 1, 0.9, "array"]), st.integers(0, 99))
def test_binary_cross_entropy(gpu, n, dtype, targets, seed):
    rng = np.random.default_rng(seed)
    x = (30 * rng.standard_normal((n, 1))).astype(dtype)
    t = rng.random((n, 1)).astype(dtype) if targets == "array" else targets
    ours = binary_cross_entropy(to_device(x, gpu), to_device(t, gpu) if targets == "array" else t)
    for one, other in zip(ours, binary_cross_entropy(x, t), strict=True):
        agree(one, np.asarray(other))


@fast
@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), DTYPES, st.integers(0, 99))
def test_gather(gpu, n, h, w, c, dtype, seed):
    rng = np.random.default_rng(seed)
    images, order = rng.integers(0, 256, (n, h, w, c), np.uint8), rng.integers(0, n, 7)
    ours = gather_scaled(to_device(images, gpu), to_device(order, gpu), -1, 1, dtype)
    agree(ours, gather_scaled(images, order, -1, 1, dtype))


@fast
@given(st.integers(1, 1000), st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.integers(0, 2**63 - 1), st.integers(0, 10**9))
def test_dropout_drops_the_very_same_units(gpu, size, rate, seed, call):
    numbers = np.array(seed), np.array(call)
    ours = keep_mask((size,), rate, *(to_device(number, gpu) for number in numbers), gpu)
    np.testing.assert_array_equal(to_cpu(ours), keep_mask((size,), rate, *numbers, np))


@fast
@given(st.integers(1, 30), st.integers(1, 40), DTYPES, st.booleans(), st.sampled_from([0.0, 0.2]), st.integers(0, 99))
def test_bias_leaky_dropout(gpu, n, units, dtype, bias, slope, seed):
    """Forward and backward against the three layers' formulas; z = 0 and dropped units included."""
    rng = np.random.default_rng(seed)
    z, dy = rng.standard_normal((2, n, units)).astype(dtype)
    z[rng.random(z.shape) < 0.2] = 0
    b = rng.standard_normal(units).astype(dtype) * (rng.random(units) < 0.5) if bias else None
    numbers = np.array(seed), np.array(3)
    keep = keep_mask(z.shape, 0.4, *numbers, np)
    factor = (keep * kept_scale(0.4)).astype(dtype)
    x = z if b is None else z + b
    active = np.where(x > 0, x, slope * x).astype(dtype)
    gradient = np.where(x > 0, dy, slope * dy).astype(dtype)

    y, B, DY = to_device(z.copy(), gpu), None if b is None else to_device(b, gpu), to_device(dy, gpu)
    bits = bias_leaky_dropout.bias_leaky_dropout(y, B, slope, 0.4, *(to_device(k, gpu) for k in numbers))
    agree(y, active * factor)
    agree(bias_leaky_dropout.leaky_dropout_backward(DY, bits, slope, 0.4), gradient * factor)
    y = to_device(z.copy(), gpu)
    bias_leaky_dropout.bias_leaky(y, B, slope)
    agree(y, active)
    agree(bias_leaky_dropout.leaky_backward(DY, y, slope), gradient)


# the published answers of Philox4x64-10: counter, key, and the four words (file kat_vectors of the Random123 library)
ANSWERS = [
    ([0] * 4, [0] * 2, "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
    ([2**64 - 1] * 4, [2**64 - 1] * 2, "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0"),
    (
        [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],
        [0x452821E638D01377, 0xBE5466CF34E90C6C],
        "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
    ),
]


def test_philox_gives_the_published_answers(gpu):
    code = (
        kernels.SOURCE.read_text()
        + "KERNEL answer(word* counter, const word* key) { philox(counter, key[0], key[1]); }"
    )
    kernel = gpu.RawModule(code=code, options=("--std=c++17", "-DREAL=float")).get_function("answer")
    for counter, key, words in ANSWERS:
        counter, key = (to_device(np.array(numbers, np.uint64), gpu) for numbers in (counter, key))
        kernel((1,), (1,), (counter, key))
        assert [f"{int(word):016x}" for word in to_cpu(counter)] == words.split()


@fast
@given(*[st.integers(1, 40)] * 3, st.integers(0, 2), DTYPES, st.sampled_from(range(8)), st.integers(0, 99))
def test_matrix_products(gpu, m, k, n, stack, dtype, layout, seed):
    """All layouts: transposed, with gaps between the rows, into a given array; single and in stacks."""
    rng = np.random.default_rng(seed)

    def matrix(rows, columns, transposed, gap):
        shape = (columns, rows + gap) if transposed else (rows, columns + gap)
        x = to_device(rng.standard_normal((*[3] * (stack > 0), *shape)).astype(dtype), gpu)
        return x[..., :rows].swapaxes(-1, -2) if transposed else x[..., :columns]

    a, b = matrix(m, k, layout & 1, layout & 4), matrix(k, n, layout & 2, layout & 4)
    expected = np.matmul(to_cpu(a.copy()), to_cpu(b.copy()))
    agree(matmul(a, b), expected)
    out = gpu.empty(expected.shape, dtype)
    assert matmul(a, b, out=out) is out
    agree(out, expected)


def test_matrix_products_that_do_not_fit(gpu):
    a = gpu.ones((2, 3), "float32")
    for b in (gpu.ones((2, 3), "float32"), gpu.ones((3, 2), "float64"), gpu.ones((4, 3, 2), "float32")):
        with pytest.raises(ShapeError, match="matmul"):
            matmul(a, b)
    with pytest.raises(ShapeError, match="contiguous rows"):
        matmul(a, gpu.ones((3, 4), "float32"), out=gpu.empty((4, 2), "float32").T)


def test_kernels_refuse_what_they_cannot_address(gpu):
    with pytest.raises(DeviceError, match="contiguous"):
        kernels.launch("adam", "float32", 3, *[gpu.ones((3, 2), "float32").T] * 5, 0.5, 0.9)
    with pytest.raises(DeviceError, match="smaller batches"):
        kernels.launch("adam", "float32", 2**31)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
@pytest.mark.parametrize("real", ["float", "double"])
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_the_kernels_compile_for_a_gpu(architecture, real, tmp_path):
    command = ["nvcc", "-std=c++17", f"-arch={architecture}", f"-DREAL={real}", "-cubin", "-o", tmp_path / "k.cubin"]
    subprocess.run([*command, kernels.SOURCE], check=True)
