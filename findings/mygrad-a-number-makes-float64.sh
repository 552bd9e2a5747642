#!/usr/bin/env bash
# MyGrad 2.5.0: a Python number beside a float32 Tensor makes a float64 Tensor.
# NumPy 2 keeps float32 there (NEP 50), and so does an array of NumPy times the same number.
# Guessed before: float32, as NumPy. Seen: float64, from one `* 0.5` on in every layer that follows.
# Here: the ports to MyGrad in parity_tests/tests/foreign/mygrad_functions.py write every number as np.float32.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check mygrad==2.5.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
from importlib.metadata import version

import mygrad
import numpy as np

x = np.ones(2, np.float32)
found = {
    "array * 0.5": (x * 0.5).dtype,
    "Tensor * 0.5": (mygrad.tensor(x) * 0.5).dtype,
    "Tensor + 1": (mygrad.tensor(x) + 1).dtype,
    "Tensor * Tensor": (mygrad.tensor(x) * mygrad.tensor(x)).dtype,
}
found = {name: str(dtype) for name, dtype in found.items()}
print(f"MyGrad {version('mygrad')}, numpy {np.__version__}:", found)
assert list(found.values()) == ["float32", "float64", "float64", "float32"], "this has changed"
PY
