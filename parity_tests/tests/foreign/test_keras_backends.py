"""Keras on NumPy, whose functions of Fourier are JAX's, and on JAX."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_other_backends(backend):
    """Each in a process of its own, since Keras has one backend for all of it."""
    code = (
        f"import os; os.environ['KERAS_BACKEND'] = {backend!r}\n"
        "import numpy as np\n"
        "from parity_tests.comparer.comparison import compare\n"
        "from parity_tests.tests.foreign.keras_blocks import MLP, TorchMLP\n"
        "x = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)\n"
        "right, wrong = compare(MLP(), TorchMLP(), x), compare(MLP(epsilon=1e-3), TorchMLP(), x, mode='eval')\n"
        "assert right.ok and not wrong.ok and wrong.cause.name == 'eps-value', (str(right), str(wrong))\n"
        "print('; '.join(right.uncompared))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip() == ("gradients: the left has no backward" if backend == "numpy" else "")
