#!/usr/bin/env bash
# torch 2.13.0: batch_norm in training mode changes running_mean and running_var and leaves their version counters alone.
# `tensor._version` counts in-place changes; whoever looks for changed buffers by it misses those of every BatchNorm.
# Guessed before: the counters rise by one, as for any in-place operation. Seen: 0 before and after, values changed.
# Here: an entry of `nn-parity conventions`; compare's tape looks at the running statistics themselves.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import torch

torch.manual_seed(0)
mean, var, plain = torch.zeros(3), torch.ones(3), torch.zeros(3)
torch.nn.functional.batch_norm(torch.randn(8, 3), mean, var, training=True)
plain.add_(1)
print(f"torch {torch.__version__}: running_mean {mean.tolist()}, versions {mean._version} and {var._version}; add_: {plain._version}")
assert mean.abs().max() > 0 and (var - 1).abs().max() > 0
assert (mean._version, var._version, plain._version) == (0, 0, 1), "this has changed"
PY
