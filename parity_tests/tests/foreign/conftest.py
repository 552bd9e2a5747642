"""Tests of other frameworks are collected where these are installed; the summary says which did not run."""

import os
import shutil
from importlib.util import find_spec

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras reads it when it is imported
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("DEV", "CPU" if shutil.which("clang") else "PYTHON")  # tinygrad's: without a compiler it is slow
NEEDS = {
    "test_equinox.py": ("jax", "equinox"),
    "test_flax.py": ("jax", "flax"),
    "test_further_keras.py": ("keras",),
    "test_further_nnx.py": ("jax", "flax"),
    "test_functions.py": ("autograd", "mygrad"),
    "test_optax.py": ("jax", "optax"),
    "test_keras.py": ("keras",),
    "test_keras_backends.py": ("keras", "jax"),
    "test_keras_recorded.py": ("keras",),
    "test_keras_steps.py": ("keras",),
    "test_public_models.py": ("transformers", "keras", "onnx", "onnxruntime", "onnxscript"),
    "test_pytorch_optimizer.py": ("pytorch_optimizer",),
    "test_tinygrad.py": ("tinygrad",),
    "test_onnx.py": ("onnx", "onnxruntime", "onnxscript"),
}
ABSENT = {file: missing for file, names in NEEDS.items() if (missing := [n for n in names if find_spec(n) is None])}
collect_ignore = list(ABSENT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = sorted({name for names in ABSENT.values() for name in names})
    if missing:
        terminalreporter.write_line(f"tests of other frameworks did not run, not installed: {', '.join(missing)}")
