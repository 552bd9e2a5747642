"""Conventions of slopes where a function has none: relu, |x| and clamp at kinks, norms and angles at the origin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from parity_tests.comparer.conventions.convention import Deviation, Options, convention, function
from parity_tests.table.versions import CHANGES

CLAMP = next(change for change in CHANGES if "clamp" in change.what)  # the slope at a bound, by release of torch


def _with_slope(y: Tensor, x: Tensor, at: Tensor, slope: float) -> Tensor:
    """The same values, with this slope where the mask says."""
    return torch.where(at, y.detach() + slope * (x - x.detach()), y)


@convention("relu")
def slope_of_relu(o: Options) -> Iterator[Deviation]:
    for slope, text in ((1.0, "1"), (0.5, "1/2")):
        instead = lambda o, slope=slope: _with_slope(F.relu(o.input), o.input, o.input == 0, slope)  # noqa: E731
        yield Deviation("kink", f"with the gradient {text} at 0, where torch's ReLU has 0", {"instead": instead})


@convention("abs")
def slope_of_abs(o: Options) -> Iterator[Deviation]:
    for slope in (1.0, -1.0):
        instead = lambda o, slope=slope: _with_slope(o.input.abs(), o.input, o.input == 0, slope)  # noqa: E731
        yield Deviation("kink", f"with the gradient {slope:g} of |x| at 0, where torch's is 0", {"instead": instead})


@convention("clamp", "clip", "clamp_min", "clamp_max", "hardtanh")
def slope_at_bounds(o: Options) -> Iterator[Deviation]:
    low, high = (o.min_val, o.max_val) if "min_val" in o else (o.get("min"), o.get("max"))
    ends = [end for end in (low, high) if isinstance(end, int | float)]
    (newest, _), (older, _) = CLAMP.sides
    for slope, text in ((0.0, newest), (1.0, older), (0.5, "gradient 1/2 at the bounds")):

        def instead(o: Options, slope: float = slope) -> Tensor:
            at = torch.zeros_like(o.input, dtype=torch.bool)
            for end in ends:
                at = at | (o.input == end)
            return _with_slope(torch.clamp(o.input, low, high), o.input, at, slope)

        yield Deviation("kink", f"with the {text}", {"instead": instead})


# --- at the origin ----------------------------------------------------------------------------------------------------


def _without_slope(y: Tensor, x: Tensor, at: Tensor) -> Tensor:
    """The same values, with the slope NaN where the mask says: sqrt of a square that is 0."""
    return y + torch.where(at, x - x.detach(), 1.0).square().sqrt() - torch.where(at, 0.0, 1.0)


def _norm(input: Tensor, p: Any, dim: Any, keepdim: bool) -> Tensor:
    return torch.linalg.vector_norm(input, 2 if p in (None, "fro") else p, dim, keepdim)


@function("norm")
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False) -> Tensor:
    return _norm(input, p, dim, keepdim)


@function("linalg_norm", "linalg_vector_norm")
def vector_norm(input: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Tensor:
    return _norm(input, ord, dim, keepdim)


@convention("norm", "linalg_norm", "linalg_vector_norm")
def slope_of_norm(o: Options) -> Iterator[Deviation]:
    p = o.p if "p" in o else o.ord
    if p in (None, 2, "fro"):
        rooted = lambda o: (o.input * o.input).sum(o.dim, o.keepdim).sqrt()  # noqa: E731
        yield Deviation(
            "kink", "with the gradient NaN of a norm at 0, sqrt(0), where torch's is 0", {"instead": rooted}
        )


@function("hypot", "atan2", "arctan2")
def of_two(input: Tensor, other: Tensor) -> Tensor:
    raise NotImplementedError


@convention("hypot")
def slope_of_hypot(o: Options) -> Iterator[Deviation]:
    for slope, text in ((0.5, "1/2"), (1.0, "1"), (0.0, "0")):

        def instead(o: Options, slope: float = slope) -> Tensor:
            at = (o.input == 0) & (o.other == 0)
            away = torch.hypot(torch.where(at, 1.0, o.input), torch.where(at, 1.0, o.other))
            return torch.where(at, slope * (o.input + o.other), away)

        yield Deviation(
            "kink", f"with the gradient {text} of hypot at (0, 0), where torch's is NaN", {"instead": instead}
        )


@convention("atan2", "arctan2")
def slope_of_angle(o: Options) -> Iterator[Deviation]:
    def instead(o: Options) -> Tensor:
        at = (o.input == 0) & (o.other == 0)
        y = torch.atan2(o.input, o.other)
        return _without_slope(_without_slope(y, o.input, at), o.other, at)

    yield Deviation("kink", "with the gradient NaN of atan2 at (0, 0), where torch's is 0", {"instead": instead})
