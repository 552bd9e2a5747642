"""Variance as E[x²] - E[x]², evaluated in float32: not another formula, but the roundings of a formula.

The mean of squares and the square of the mean are each rounded, and their difference keeps the roundings: a few ulp of
E[x²], which may be many times the variance. What a normalization gives then is the right direction with a wrong length:
(x - mean) times a separate number for each row. So the number is found by least squares, and the variance that it
stands for must be within what such roundings can do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from parity_tests.comparer.conventions.convention import Options, Site
from parity_tests.comparer.conventions.tape import Ref, Tape

ULPS = 64.0  # of E[x²] in float32: roundings of two sums and a square
EPS = 2.0**-24
TEXT = "with the variance as E[x²] - E[x]², whose difference cancels in float32 (flax)"


def cancelled(tape: Tape, index: int, site: Site, ours: np.ndarray) -> bool:
    """Whether the left's value of the tape's output is a normalization whose variance has cancelled."""
    node = site.node
    if not isinstance(node.out, Ref) or node.out.index != index:
        return False
    parts = _parts(site.options())
    if parts is None or tuple(ours.shape) != tuple(tape.base[index].shape):
        return False
    x, axes, weight, bias, eps = parts
    z = torch.tensor(ours.astype(np.float64))
    z = (z - bias) / weight
    mean = x.mean(axes, keepdim=True)
    d = x - mean
    v, square = (d * d).mean(axes, keepdim=True), (x * x).mean(axes, keepdim=True)
    possible = ULPS * EPS * square
    if not bool((possible > v / 16).any()):
        return False
    broken = ~torch.isfinite(z).all(axes[0], keepdim=True) if len(axes) == 1 else ~torch.isfinite(z).all()
    k = (z * d).sum(axes, keepdim=True) / (d * d).sum(axes, keepdim=True)
    own = ULPS * EPS * x.abs().amax(axes, keepdim=True) * k.abs()  # what rounds in x - mean
    fits = ((z - d * k).abs() <= own + ULPS * EPS * z.abs().amax(axes, keepdim=True)) | broken
    implied = 1 / (k * k) - eps
    near = ((implied - v).abs() <= possible) | (broken & (v <= possible))
    return bool(fits.all()) and bool(near.all())


def _parts(o: Options) -> tuple[Tensor, tuple[int, ...], Any, Any, float] | None:
    """x, the axes of the mean, weight and bias as they are multiplied and added, epsilon."""
    x: Tensor = o.input if "input" in o else torch.empty(0)
    if o.function == "layer_norm" and o.get("center", True):
        axes: tuple[int, ...] = tuple(range(-len(o.normalized_shape), 0))
        return x, axes, 1.0 if o.weight is None else o.weight, 0.0 if o.bias is None else o.bias, o.eps
    if o.function == "batch_norm" and o.training:
        shape = tuple(-1 if i == 1 else 1 for i in range(x.ndim))
        weight, bias = (None if p is None else p.view(shape) for p in (o.weight, o.bias))
        axes = tuple(i for i in range(x.ndim) if i != 1)
        return x, axes, 1.0 if weight is None else weight, 0.0 if bias is None else bias, o.eps
    return None
