"""A line search for the strong Wolfe conditions, by cubic interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from scratch.products import dot


class Point(NamedTuple):
    """A point on the line x + t d: the objective there, its gradient, and its slope along d."""

    t: Any
    f: Any
    g: np.ndarray
    slope: Any


def strong_wolfe(
    evaluate: Callable[[Any], tuple[float, np.ndarray]],
    t: Any,
    d: np.ndarray,
    start: Point,
    max_evaluations: int,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
) -> tuple[Point, int]:
    """A step t along d that lowers f enough and makes its slope small enough; and the number of evaluations.

        f(t) <= f(0) + c1 t f'(0)         |f'(t)| <= -c2 f'(0)

    First t grows until such points lie between two steps, then the bracket shrinks. `evaluate(t)` gives f and gradient.

    Source    Nocedal, Wright 2006, Numerical optimization, algorithms 3.5 and 3.6, with the safeguards of Schmidt's
              minFunc: t grows at most tenfold, and stays a tenth away from the ends of the bracket.
    """

    def point(t: Any) -> Point:
        f, g = evaluate(t)
        return Point(t, f, g, dot(g, d))

    def falls_too_little(p: Point) -> bool:
        return p.f > start.f + c1 * p.t * start.slope

    def is_flat(p: Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    before, new = start, point(t)
    evaluations, found = 0, False
    bracket = [start, new]
    while evaluations < max_evaluations:
        bracket = [before, new]
        if falls_too_little(new) or (evaluations > 1 and new.f >= before.f):
            break
        if is_flat(new):
            bracket, found = [new], True
            break
        if new.slope >= 0:
            break
        bounds = new.t + 0.01 * (new.t - before.t), new.t * 10
        t = cubic_minimum(before, new, bounds)
        before, new = new, point(t)
        evaluations += 1
    if evaluations == max_evaluations:
        bracket = [start, new]

    low, high = _by_value(bracket)
    stalled = False
    largest = np.abs(d).max()
    while not found and evaluations < max_evaluations:
        if abs(bracket[1].t - bracket[0].t) * largest < tolerance_change:
            break
        left, right = min(p.t for p in bracket), max(p.t for p in bracket)
        t = cubic_minimum(bracket[0], bracket[1], (left, right))
        margin = 0.1 * (right - left)
        near_end = min(right - t, t - left) < margin
        if near_end and (stalled or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            stalled = False
        else:
            stalled = near_end
        new = point(t)
        evaluations += 1
        if falls_too_little(new) or new.f >= bracket[low].f:
            bracket[high] = new
            low, high = _by_value(bracket)
        else:
            if is_flat(new):
                found = True
            elif new.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
    return bracket[low], evaluations + 1


def _by_value(bracket: list[Point]) -> tuple[int, int]:
    """The indices of the lower and of the higher point."""
    return (0, 1) if bracket[0].f <= bracket[-1].f else (1, 0)


def cubic_minimum(p: Point, q: Point, bounds: tuple[Any, Any]) -> Any:
    """The minimum of the cubic through two values and slopes, within bounds; their middle if it has no minimum."""
    low, high = bounds
    d1 = p.slope + q.slope - 3 * (p.f - q.f) / (p.t - q.t)
    square = d1**2 - p.slope * q.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = np.sqrt(square)
    left, right = (p, q) if p.t <= q.t else (q, p)
    share = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2)
    return min(max(right.t - (right.t - left.t) * share, low), high)
