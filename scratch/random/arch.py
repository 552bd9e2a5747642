"""The machine whose torch is reproduced: torch itself rounds differently from machine to machine in a few places.

    arch        uniform_(a, b), single normals        float32 normal, 16 values or more
    'avx2'      u * (b - a) + a rounds once           torch's own vector polynomials for log, sin and cos
    'scalar'    rounds twice                          the C library's logf and sincosf
    'aarch64'   rounds once                           the C library's logf and sincosf

'avx2' is what torch runs on any x86 processor with AVX2 or AVX-512, 'scalar' what it runs on an older one or under
ATEN_CPU_CAPABILITY=default, 'aarch64' what it runs on 64-bit ARM Linux. So torch is not bit-portable, and one machine
has to be chosen. Compared with 'avx2', over four million values each:

    float32 randn of 16 values or more      'aarch64', 'scalar'    38% differ, by at most 19 ulp of 1 (2.3e-6)
    uniform_(-0.1, 0.1)                     'scalar'               half of them differ, by at most 1 ulp of 0.1
    float64 single normals, mean and std    'scalar'               34% differ, by at most 4 ulp of 1

Everything else is the same on all three.
"""

import functools
import os
import platform
from pathlib import Path

import numpy as np

ARCHS = ("avx2", "scalar", "aarch64")

_chosen: str | None = None


def set_arch(name: str | None) -> None:
    """Reproduce the torch of this kind of machine from now on; None restores the default.

    Raises    ValueError for a name that is not one of ARCHS.
    """
    global _chosen
    if name is not None:
        check_name("set_arch", name)
    _chosen = name


def get_arch() -> str:
    """The machine reproduced: the choice of `set_arch`, else SCRATCH_ARCH, else what torch would find here."""
    return _chosen or default_arch()


@functools.cache
def default_arch() -> str:
    """SCRATCH_ARCH, or else what torch on this machine would run, found without importing torch."""
    if name := os.environ.get("SCRATCH_ARCH"):
        check_name("SCRATCH_ARCH", name)
        return name
    if platform.machine().lower() in ("aarch64", "arm64"):
        return "aarch64"
    return "avx2" if has_avx2() and os.environ.get("ATEN_CPU_CAPABILITY") != "default" else "scalar"


def has_avx2() -> bool:
    """Whether the processor has AVX2 and fused multiply-add, according to Linux, or elsewhere to NumPy.

    NumPy reports the features it uses itself; NPY_DISABLE_CPU_FEATURES reduces these, and torch does not read it.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("flags"):
            return {"avx2", "fma"} <= set(line.partition(":")[2].split())
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return not {"AVX2", "X86_V3"}.isdisjoint((*simd.get("baseline", ()), *simd.get("found", ())))


def check_name(call: str, name: str) -> None:
    if name not in ARCHS:
        raise ValueError(f"{call}: unknown architecture {name!r}; choose one of {', '.join(ARCHS)}.")
