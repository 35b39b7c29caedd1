"""The command info: what speed and results depend on, on this machine; paste it into a report of a problem."""

import os
import platform
import re
from importlib import metadata
from pathlib import Path

from minigan import __version__, backend, machine
from minigan.data.download import cache_folder
from minigan.errors import DeviceError
from minigan.machine import known
from minigan.memory import bytes_text, machine_bytes
from minigan.ops.gpu.cublas import tf32
from minigan.parallel.sharing import auto_workers

PACKAGES = ("numpy", "matplotlib", "scipy", "tensorboardX")
SLOW_CORES = ("Haswell", "Zen")  # OpenBLAS's kernels without AVX-512


def add_to(commands):
    parser = commands.add_parser("info", help="show versions, BLAS, processor, memory, GPU and caches of this machine")
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
        "model": known(machine.cpu_model),
        "cores": f"{known(machine.usable_cores)} usable, {os.cpu_count() or 'unknown'} in all",
        "limit": limit_text(machine.cpu_limit()),
        "load": load_text(machine.load()),
        "memory": known(memory),
    }


def limit_text(limit):
    return "none" if limit is None else f"the time of {limit:g} processors"


def load_text(load):
    return "unknown" if load is None else f"{load:.1f} busy programs, mean of the last minute"


def memory():
    size = machine_bytes()
    return None if size is None else bytes_text(size)


def blas():
    lines = {"library": known(machine.blas_library)}
    core, threads = known(machine.openblas_text, "corename"), known(machine.blas_threads)
    asked = os.environ.get("OPENBLAS_CORETYPE")
    lines["core type"] = core + (f" (OPENBLAS_CORETYPE={asked})" if asked else "")
    lines["build"] = known(machine.openblas_text, "config")
    chosen = machine.chosen_threads()
    lines["threads"] = f"{threads} ({chosen or 'as many as OpenBLAS chose'})"
    lines["workers"] = f"{auto_workers()} (that share each batch by default, instead of these threads; --workers N)"
    advice = [
        known(core_advice, machine.cpu_info(), core),
        known(machine.load_advice, threads, known(machine.usable_cores), machine.load(), chosen),
    ]
    advice = [text for text in advice if not text.startswith("unknown")]
    return {**lines, **{f"advice {number}": text for number, text in enumerate(advice, start=1)}}


def core_advice(cpu, core_type):
    """Return advice if OpenBLAS does not use the AVX-512 of an AMD processor, else None.

    On a processor without AVX-512 the setting would crash every program at its first matrix product. So minigan only
    advises it, and only if the processor lists avx512f among its flags.
    """
    amd_with_avx512 = cpu.get("vendor_id") == "AuthenticAMD" and "avx512f" in cpu.get("flags", "").split()
    if not (amd_with_avx512 and core_type.split()[0] in SLOW_CORES):
        return None
    return (
        "this processor has AVX-512, but OpenBLAS does not use it. Set the environment variable "
        "OPENBLAS_CORETYPE=SkylakeX before Python starts. (On a processor without AVX-512, this setting crashes "
        "Python.)"
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
    return f"{properties['name'].decode()}, {bytes_text(properties['totalGlobalMem'])}"


def driver():
    return re.search(r"Kernel Module.*?(\d+\.[\d.]+)", Path("/proc/driver/nvidia/version").read_text())[1]


def cuda_version(ask):
    number = ask()
    return f"{number // 1000}.{number % 1000 // 10}"


def caches():
    """Return the data sets and the classifiers that were put aside: each folder with its size."""
    folder = cache_folder("")
    found = {"folder": f"{folder} (MINIGAN_CACHE chooses another one)"}
    if not folder.is_dir():
        return {**found, "content": "empty"}
    return {**found, **{part.name: known(folder_text, part) for part in sorted(folder.iterdir()) if part.is_dir()}}


def folder_text(folder):
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return f"{len(sizes)} files, {bytes_text(sum(sizes))}"
