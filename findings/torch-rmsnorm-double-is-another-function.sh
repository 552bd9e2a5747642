#!/usr/bin/env bash
# torch 2.13.0: a model with RMSNorm, as built by default, computes another function after .double().
# eps=None stands for the machine epsilon of the input's dtype: 1.2e-7 in float32, 2.2e-16 in float64. Where the mean
# square is near 1e-7 the two differ by a factor of the square root of 2, which no rounding explains.
# Guessed before: float64 gives the same up to 1e-6. Seen: 0.707 against 1.
# Here: an entry of `nn-parity conventions`; the docstring of RMSNorm, whose epsilon is the input's too.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import torch

layer = torch.nn.RMSNorm(4)
x = torch.full((4,), torch.finfo(torch.float32).eps ** 0.5)
single = layer(x)[0].item()
double = layer.double()(x.double())[0].item()
print(f"torch {torch.__version__}: {single:.4f} in float32, {double:.4f} after .double()")
assert abs(single - 0.5**0.5) < 1e-5 and abs(double - 1) < 1e-5, "this has changed"
PY
