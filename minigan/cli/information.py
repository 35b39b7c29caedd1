"""info: everything about this machine that speed and results depend on; to be pasted into a report of a problem."""

import ctypes
import os
import platform
import re
from importlib import metadata
from pathlib import Path

import numpy as np

from minigan import __version__, backend
from minigan.data.download import cache_folder
from minigan.errors import DeviceError
from minigan.ops.gpu.cublas import tf32

PACKAGES = ("numpy", "matplotlib", "scipy", "tensorboardX")
OPENBLAS_FOLDERS = ("../numpy.libs", ".dylibs")  # where NumPy's wheels put it, from the folder of numpy
SLOW_CORES = ("Haswell", "Zen")  # OpenBLAS's kernels without AVX-512


def add_to(commands):
    parser = commands.add_parser("info", help="versions, BLAS, processor, memory, GPU and caches of this machine")
    parser.set_defaults(command=show)


def show(args):
    for title, section in (
        ("versions", versions),
        ("processor", processor),
        ("BLAS", blas),
        ("GPU", gpu),
        ("caches", caches),
    ):
        print(title)
        for name, value in section().items():
            print(f"  {name:14}{value}")


def known(function, *arguments):
    """What the function finds out; "unknown" and why where it cannot: on some system any of them may fail."""
    try:
        return function(*arguments) or "unknown"
    except Exception as error:  # a library or a file of another system; nothing depends on the answer
        return f"unknown ({type(error).__name__}: {error})"


def versions():
    return {
        "minigan": __version__,
        "Python": platform.python_version(),
        **{package: known(version, package) for package in PACKAGES},
        "CuPy": "not installed" if backend.cupy is None else backend.cupy.__version__,
        "system": known(platform.platform),
    }


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def processor():
    return {
        "model": known(cpu_model),
        "cores": f"{known(usable_cores)} usable, {os.cpu_count() or 'unknown'} in all",
        "memory": known(memory),
    }


def cpu_info():
    """The first processor of /proc/cpuinfo by name; empty where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    return dict(re.findall(r"^([^:\n]*?)\s*:[ \t]*(.*)$", text, re.M))


def cpu_model():
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def usable_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def memory():
    return size_text(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def blas():
    lines = {"library": known(blas_library)}
    openblas = known(bundled_openblas)
    if not isinstance(openblas, dict):
        return {**lines, "core type": "unknown", "threads": "unknown"}
    advice = known(core_advice, cpu_info(), openblas["core type"])
    return {**lines, **openblas, **({} if advice == "unknown" else {"advice": advice})}


def blas_library():
    entry = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{entry['name']} {entry['version']}"


def bundled_openblas():
    """Core type, build and threads of the OpenBLAS in NumPy's wheel; None where NumPy has another BLAS."""
    folder = Path(np.__file__).parent
    paths = [path for place in OPENBLAS_FOLDERS for path in (folder / place).glob("*openblas*")]
    if not paths:
        return None
    library = ctypes.CDLL(str(paths[0]))
    texts = {}
    for name, function in (("core type", "corename"), ("build", "config")):
        call = getattr(library, f"scipy_openblas_get_{function}64_")
        call.restype = ctypes.c_char_p
        texts[name] = call().decode()
    asked = os.environ.get("OPENBLAS_CORETYPE")
    return {
        "core type": texts["core type"] + (f" (OPENBLAS_CORETYPE={asked})" if asked else ""),
        "build": texts["build"],
        "threads": str(library.scipy_openblas_get_num_threads64_()),
    }


def core_advice(cpu, core_type):
    """What to set where OpenBLAS does not use an AMD processor's AVX-512; None where there is nothing to do.

    On a processor without AVX-512 the setting ends every program at its first matrix product, so it is only ever
    advised, and only where the processor names avx512f among its flags.
    """
    amd_with_avx512 = cpu.get("vendor_id") == "AuthenticAMD" and "avx512f" in cpu.get("flags", "").split()
    if not (amd_with_avx512 and core_type.split()[0] in SLOW_CORES):
        return None
    return (
        "this processor has AVX-512, but OpenBLAS takes its kernels without it: set the environment variable "
        "OPENBLAS_CORETYPE=SkylakeX before Python starts. On a processor without AVX-512 it would crash."
    )


def gpu():
    try:
        cupy = backend.device_module("gpu")
    except DeviceError as error:
        return {"none": str(error)}
    runtime = cupy.cuda.runtime
    found = {f"device {i}": known(device_text, runtime, i) for i in range(runtime.getDeviceCount())}
    return {
        **found,
        "driver": known(driver),
        "CUDA": f"driver {known(cuda_version, runtime.driverGetVersion)}, CuPy "
        f"{known(cuda_version, runtime.runtimeGetVersion)}",
        "TF32": "on (CUPY_TF32=1): products of float32 with 10 bits of mantissa"
        if tf32()
        else "off: products in full float32 (CUPY_TF32 is not set)",
    }


def device_text(runtime, number):
    properties = runtime.getDeviceProperties(number)
    return f"{properties['name'].decode()}, {size_text(properties['totalGlobalMem'])}"


def driver():
    return re.search(r"Kernel Module.*?(\d+\.[\d.]+)", Path("/proc/driver/nvidia/version").read_text())[1]


def cuda_version(ask):
    number = ask()
    return f"{number // 1000}.{number % 1000 // 10}"


def caches():
    """The data sets and the classifiers that were put aside: each folder with its size."""
    folder = cache_folder("")
    found = {"folder": f"{folder} (MINIGAN_CACHE chooses another one)"}
    if not folder.is_dir():
        return {**found, "content": "empty"}
    return {**found, **{part.name: known(folder_text, part) for part in sorted(folder.iterdir()) if part.is_dir()}}


def folder_text(folder):
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return f"{len(sizes)} files, {size_text(sum(sizes))}"


def size_text(count):
    """A number of bytes in the unit in which it is easily read."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
