#!/usr/bin/env bash
# torch 2.13.0 (CPU): EmbeddingBag(scale_grad_by_freq=True) divides a row's gradient by the frequency of another index.
# The i-th distinct index gets the count of the i-th smallest entry, repeats included: right only while nothing repeats
# before it. nn.Embedding does it right on the same indices. Fixed in torch 2.14.
# Guessed before: the gradient of row v is divided by how often v occurs, as documented and as Embedding does.
# Seen: 1, 2/3 and 1/3 for gradients that should all be 1.
# Here: the row of nn.EmbeddingBag, and its test that a bag divides each gradient by its own frequency.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import torch

index = torch.tensor([[0, 0, 0, 1, 1, 2]])  # three times 0, twice 1, once 2
gradients = []
for kind in (torch.nn.Embedding, torch.nn.EmbeddingBag):
    options = {"mode": "sum"} if kind is torch.nn.EmbeddingBag else {}
    layer = kind(3, 1, scale_grad_by_freq=True, **options)
    layer(index).sum().backward()
    gradients.append(layer.weight.grad.flatten().tolist())
print(f"torch {torch.__version__}: gradients of the rows, each 1 if divided by its own count: "
      f"Embedding {gradients[0]}, EmbeddingBag {gradients[1]}")
assert gradients[0] == [1.0, 1.0, 1.0]
assert gradients[1] != [1.0, 1.0, 1.0], "this has changed"
PY
