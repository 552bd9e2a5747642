#!/usr/bin/env bash
# torch 2.14.1: the gradient of clamp at its bound is 0 if the bound is a number and 1/2 if it is a tensor of the same
# value; in 2.13.0 both are 1. What is built on it changed too: MarginRankingLoss of equal scores at margin 0 pushed
# them apart by (-1, 1) and now leaves them alone.
# Guessed before: a minor release changes no gradient, and a number is as good as a tensor. Seen: 1 and 1, then 0 and 1/2.
# Here: parity_tests/table/versions.py says which release does what, and compare's cause "kink" names it.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
for version in 2.13.0 2.14.1; do
    rm -rf "$dir/venv"
    python3 -m venv "$dir/venv"
    "$dir/venv/bin/pip" install --quiet --disable-pip-version-check "torch==$version" numpy==2.4.6
    "$dir/venv/bin/python" - <<'PY'
import torch


def slope(bound):
    x = torch.zeros(1, requires_grad=True)
    x.clamp(min=bound).sum().backward()
    return x.grad.item()


a, b = (torch.zeros(1, requires_grad=True) for _ in range(2))
torch.nn.MarginRankingLoss()(a, b, torch.ones(1)).backward()
found = [slope(0.0), slope(torch.zeros(1)), abs(a.grad.item()), abs(b.grad.item())]
print(f"torch {torch.__version__}: slope at a number {found[0]}, at a tensor {found[1]}; the loss of equal scores {found[2:]}")
new = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 14)
assert found == ([0.0, 0.5, 0.0, 0.0] if new else [1.0, 1.0, 1.0, 1.0]), "this has changed"
PY
done
