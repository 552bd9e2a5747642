"""What depends on the machine: the compiler's sums, the processor's vectors, the kernels of NumPy's BLAS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

import torch

from parity_tests.conventions.statement import Table

COMPILE, VECTORS, BLAS = Table("torch.compile"), Table("torch.backends.cpu"), Table("NumPy's OpenBLAS")


def alone(code: str, **environment: str) -> Any:
    """What the code prints last, as JSON, in a process of its own with these variables."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    if run.returncode:
        raise RuntimeError(run.stderr.strip().splitlines()[-1])
    return json.loads(run.stdout.splitlines()[-1])


# --- torch.compile ----------------------------------------------------------------------------------------------------


@COMPILE.shows(
    "Compiled loops add in a few vector accumulators: the sum of a million float32 numbers 0.1 is off by more than "
    "1e-5, the eager sum by less than 1e-6.",
    [True, True],
    "nn.BatchNorm?d nn.LayerNorm nn.MSELoss",
    causes=("compiled",),
)
def long_sums() -> Any:
    x = torch.full((10**6,), 0.1)
    true = x.double().sum().item()
    compiled, eager = (abs(f(x).item() / true - 1) for f in (torch.compile(lambda x: x.sum()), torch.sum))
    return [compiled > 1e-5, eager < 1e-6]


@COMPILE.shows(
    "The cache on disk does not know ATEN_CPU_CAPABILITY: a run with avx2 and the folder of a normal run takes the "
    "other's code, and gives other bits than with a folder of its own. Whether it gives the bits of its own folder.",
    False,
    since="2.13",
)
def cache_of_another_processor() -> Any:
    code = (
        "import json, torch; g = torch.Generator().manual_seed(0); x = torch.randn(1000, 257, generator=g); "
        "f = torch.compile(lambda x: x.exp().sum(1)); print(json.dumps(f(x).tolist()))"
    )
    with tempfile.TemporaryDirectory() as shared, tempfile.TemporaryDirectory() as fresh:
        alone(code, TORCHINDUCTOR_CACHE_DIR=shared)
        found = [alone(code, TORCHINDUCTOR_CACHE_DIR=f, ATEN_CPU_CAPABILITY="avx2") for f in (shared, fresh)]
    return found[0] == found[1]


# --- vectors ----------------------------------------------------------------------------------------------------------


@VECTORS.shows(
    "ATEN_CPU_CAPABILITY changes bits: softmax with the processor's widest vectors, with AVX2 and without vectors "
    "gives three results from the same input. How many there are where AVX-512 is the widest.",
    3,
    "nn.Softmax nn.LogSoftmax nn.CrossEntropyLoss",
)
def softmax_by_vectors() -> Any:
    code = (
        "import json, torch; g = torch.Generator().manual_seed(0); x = torch.rand(1000, 64, generator=g); "
        "print(json.dumps(torch.softmax(8 * x, 1).tolist()))"
    )
    found = [alone(code, ATEN_CPU_CAPABILITY=kind) for kind in ("avx512", "avx2", "default")]
    return len({json.dumps(one) for one in found})


# --- BLAS -------------------------------------------------------------------------------------------------------------


@BLAS.shows(
    "multivariate_normal from one seed gives other samples with other kernels (OPENBLAS_CORETYPE) where an eigenvalue "
    "repeats, and A @ B other last bits; the stream of normal is the same. Whether each is the same for Haswell and "
    "Nehalem.",
    {"multivariate_normal": False, "product": False, "normal": True},
)
def samples_by_kernel() -> Any:
    code = (
        "import json, numpy as np; a = np.random.default_rng(0).normal(size=(40, 40)); "
        "c = np.ones((6, 6)) + 2 * np.eye(6); r = np.random.default_rng(0); "
        "print(json.dumps({'multivariate_normal': r.multivariate_normal(np.zeros(6), c).tolist(), "
        "'product': (a @ a).tolist(), 'normal': a.tolist()}))"
    )
    one, other = (alone(code, OPENBLAS_CORETYPE=kind) for kind in ("Haswell", "Nehalem"))
    return {name: one[name] == other[name] for name in one}
