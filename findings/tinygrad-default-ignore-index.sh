#!/usr/bin/env bash
# tinygrad 0.14.0: sparse_categorical_crossentropy counts rows with its default ignore_index of -1 in the mean.
# Their loss is 0, and they stay in the denominator: a batch that is half padding has half the loss. The same batch with
# ignore_index=7, say, and the label 7 divides by the kept rows, as torch does.
# Guessed before: -1 is treated as any other ignored label. Seen: half the loss.
# Here: an entry of `nn-parity conventions`, and a trap on the page of nn.CrossEntropyLoss.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check tinygrad==0.14.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
from importlib.metadata import version

from tinygrad import Tensor

x = Tensor([[1.0, 2.0, 0.5], [0.3, -1.0, 2.0]])
one = x[:1].sparse_categorical_crossentropy(Tensor([0])).item()
default = x.sparse_categorical_crossentropy(Tensor([0, -1])).item()
given = x.sparse_categorical_crossentropy(Tensor([0, 7]), ignore_index=7).item()
print(f"tinygrad {version('tinygrad')}: one row {one:.4f}; with a second row ignored: by the default -1 {default:.4f}, by 7 {given:.4f}")
assert abs(given - one) < 1e-6
assert abs(default - one / 2) < 1e-6, "this has changed"
PY
