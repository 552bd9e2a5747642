"""Conventions of cubic resizing: the kernel's coefficient, its width, and what lies beyond the border.

torch takes Keys' kernel with a = -0.75, as OpenCV does, and repeats the border; with antialias=True a = -0.5, as PIL,
widened where the image shrinks, and leaves out what lies beyond. Here are the combinations that are neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from parity_tests.comparer.conventions.convention import Deviation, Options, convention


@convention("interpolate", "upsample")
def cubics(o: Options) -> Iterator[Deviation]:
    if o.mode != "bicubic" or o.align_corners:
        return
    sizes = _sizes(o)
    for a, smooth, repeated in (
        (-0.5, False, True), (-0.5, False, False), (-0.75, True, False), (-0.75, False, False), (-0.75, True, True),
        (-0.5, True, True),
    ):  # fmt: skip
        border = "repeated" if repeated else "left out"
        text = f"with the cubic kernel's a = {a:g}, antialias={smooth}, the border {border}"
        if (a, smooth, repeated) == (-0.5, False, False):
            text += " (JAX's CUBIC)"

        def instead(o: Options, a: float = a, smooth: bool = smooth, repeated: bool = repeated) -> Tensor:
            x = o.input
            for axis, n in enumerate(sizes, 2):
                scale = x.shape[axis] / n
                if o.scale_factor is not None and not o.recompute_scale_factor:
                    scale = 1 / _each(o.scale_factor, axis - 2)
                weights = _weights(x.shape[axis], n, scale, a, smooth, repeated)
                x = (weights @ x.movedim(axis, -2)).movedim(-2, axis)
            return x

        yield Deviation("cubic-kernel", text, {"instead": instead})


def _each(value: float | tuple[float, ...], axis: int) -> float:
    return float(value[axis] if isinstance(value, tuple | list) else value)


def _sizes(o: Options) -> list[int]:
    given = o.input.shape[2:]
    if o.size is not None:
        return [int(o.size)] * len(given) if isinstance(o.size, int) else [int(n) for n in o.size]
    return [math.floor(n * _each(o.scale_factor, i)) for i, n in enumerate(given)]


def _weights(own: int, n: int, scale: float, a: float, smooth: bool, repeated: bool) -> Tensor:
    """(n, own): what each output takes of each input."""
    wide = max(scale, 1.0) if smooth else 1.0
    around = math.ceil(2 * wide) + 1
    center = (torch.arange(n, dtype=torch.float64) + 0.5) * scale - 0.5
    places = torch.arange(-around, own + around)
    found = _keys((center[:, None] - places).abs() / wide, a)
    weights = torch.zeros(n, own, dtype=torch.float64)
    if repeated:
        weights.index_add_(1, places.clamp(0, own - 1), found)
    else:
        weights += found[:, around:-around]
    return weights / weights.sum(1, keepdim=True)


def _keys(x: Tensor, a: float) -> Tensor:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    return torch.where(x < 1, near, torch.where(x < 2, ((x - 5) * x + 8) * x * a - 4 * a, 0.0))
