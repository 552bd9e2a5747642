#!/usr/bin/env bash
# safetensors 0.8.0: the NumPy writer stores a transposed or strided array in the order of its memory.
# The shape is written as it is, the bytes are not rearranged: what is read back has the shape and other numbers in it.
# 0.7.0 wrote them right; the torch writer refuses tensors that are not contiguous.
# Guessed before: the same numbers, or an error. Seen: other numbers, without a word.
# Here: our writers copy to C order first; a test writes strided parameters, FORMAT.md says C order.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 safetensors==0.8.0
"$dir/venv/bin/python" - <<'PY'
import numpy as np
import safetensors
from safetensors.numpy import load, save

x = np.arange(6, dtype=np.float32).reshape(2, 3).T
y = load(save({"x": x}))["x"]
print(f"safetensors {safetensors.__version__}: written {x.tolist()}, read {y.tolist()}")
assert y.shape == x.shape
assert not np.array_equal(x, y), "this has changed"
PY
