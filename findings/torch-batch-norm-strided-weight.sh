#!/usr/bin/env bash
# torch 2.13.0 (CPU): batch_norm's backward reads a weight that is not contiguous as if it were.
# With weight = w[::2] the output is right, and the gradient of the input is that of the weight w[:n]: wrong by a factor.
# A column of a matrix of weights, or a transposed one, is such a weight. No error is raised.
# Guessed before: the same gradients as with weight.contiguous(). Seen: 33 times as large.
# Here: an entry of `nn-parity conventions`. A reference whose gradients are wrong blames the right side.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import torch
import torch.nn.functional as F

torch.manual_seed(0)
weight = torch.tensor([1.0, 100.0, 3.0, 100.0], dtype=torch.float64)[::2]  # 1 and 3
x, dy = torch.randn(16, 2, dtype=torch.float64), torch.randn(16, 2, dtype=torch.float64)
outputs, gradients = [], []
for w in (weight, weight.contiguous()):
    leaf = x.clone().requires_grad_()
    y = F.batch_norm(leaf, None, None, w, None, training=True)
    y.backward(dy)
    outputs.append(y.detach())
    gradients.append(leaf.grad)
ratio = (gradients[0].abs().max() / gradients[1].abs().max()).item()
same = torch.allclose(*outputs, rtol=1e-12)
print(f"torch {torch.__version__}: equal outputs {same}, largest gradient {ratio:.2f} times that with the weight made contiguous")
assert same and ratio > 2, "this has changed"
PY
