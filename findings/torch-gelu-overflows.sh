#!/usr/bin/env bash
# torch 2.13.0 (CPU): gelu, hardswish and their kin are infinite or NaN for finite float32 numbers.
#   gelu(2e38) is inf, and gelu(inf) is NaN: x (1 + erf) is formed before the factor 1/2
#   hardswish(1e38) is inf: x relu6(x + 3) is formed before the division by 6
#   the slope of the tanh form of gelu is NaN from 1.8e19 on: x² overflows, and 0 * inf follows
# All three functions are x itself there, and the slope is 1.
# Guessed before: x, as for relu and silu, which keep it. Seen: inf, NaN, inf, NaN.
# Here: found by evaluating all 2^32 float32 numbers (make exhaustive); GELU and Hardswish of scratch give x.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import math

import torch
import torch.nn.functional as F

big = torch.full((64,), 2e38)
x = torch.full((64,), 1e20, requires_grad=True)
F.gelu(x, approximate="tanh").sum().backward()
found = {
    "gelu(2e38)": F.gelu(big)[0].item(),
    "gelu(inf)": F.gelu(torch.full((64,), math.inf))[0].item(),
    "hardswish(1e38)": F.hardswish(big / 2)[0].item(),
    "slope of gelu tanh at 1e20": x.grad[0].item(),
    "silu(2e38)": F.silu(big)[0].item(),
}
print(f"torch {torch.__version__}: {found}")
values = list(found.values())
assert math.isinf(values[0]) and math.isnan(values[1]) and math.isinf(values[2]) and math.isnan(values[3]), "this has changed"
assert math.isfinite(values[4])
PY
