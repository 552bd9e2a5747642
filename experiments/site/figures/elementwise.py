"""Elementwise functions: the curve, the slope and the error of both engines; kinks marked."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.exhaustive.functions import FUNCTIONS
from experiments.site.figures.drawing import ACCENT, ENGINE_STYLES, Picture, in_ulp, new, picture, styled
from experiments.site.figures.first_row import cases, quietly, sides, titled
from experiments.site.pages import Component
from parity_tests.table.row import Layer

LOW, HIGH, PER_ONE = -8, 8, 16
GRID = (np.arange(LOW * PER_ONE, HIGH * PER_ONE + 1) / PER_ONE).astype(np.float32)  # exact in float32
HIGHEST_WITH_ONE = 100  # an axis that goes further has no room for a 1 beside its 0
JUMP = 1e-3  # of the slope between neighboring floats, which makes a kink


def row_of(component: Component) -> Layer | None:
    """The first case, if the function treats numbers one by one: half of them give half of the values."""
    row = next(iter(cases(component)), None)
    if row is None or len(row.inputs) != 1:
        return None
    try:
        whole, half = (values(row, "scratch", x)["y"] for x in (GRID, GRID[: len(GRID) // 2]))
    except (ValueError, RuntimeError, IndexError):
        return None
    return row if whole.shape == GRID.shape and np.array_equal(whole[: len(half)], half, equal_nan=True) else None


def values(row: Layer, engine: str, x: np.ndarray, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Value y and slope dy/dx at x, in eval mode, where no random numbers are drawn."""
    ours, theirs = sides(row, dtype)
    x = x.astype(dtype)
    with quietly():
        if engine == "scratch":
            y = ours.forward((x,), {}, False, 0)
            return {"y": y, "slope": ours.backward(np.ones_like(y))}
        import torch

        tensor = torch.tensor(x, requires_grad=True)
        output = theirs.forward((tensor,), {}, False, 0)
        (slope,) = torch.autograd.grad(output, tensor, torch.ones_like(output))
        return {"y": output.detach().numpy(), "slope": slope.numpy()}


def kinks(row: Layer) -> list[float]:
    """Numbers of the grid at which the slope, or the function, jumps between the floats on either side."""
    before, after = (values(row, "scratch", np.nextafter(GRID, np.float32(end))) for end in (-np.inf, np.inf))
    jumps = [np.abs(after[what].astype(np.float64) - before[what]) > JUMP for what in ("y", "slope")]
    return [float(x) for x in GRID[jumps[0] | jumps[1]]]


@styled
def draw(component: Component) -> list[Picture]:
    row = row_of(component)
    if row is None:
        return []
    engines = {name: values(row, name, GRID) for name in ENGINE_STYLES}
    truth = _truth(row)
    figure = new(8, 5.2)
    axes = figure.subplots(2, 2, sharex=True, height_ratios=(3, 1))
    marks = kinks(row)
    for column, (what, name) in enumerate([("y", "y"), ("slope", "dy/dx")]):
        curve, errors = axes[:, column]
        for engine, style in ENGINE_STYLES.items():
            curve.plot(GRID, engines[engine][what], label=engine, **style)
            error = in_ulp(engines[engine][what], truth[what])
            errors.plot(GRID, error, label=engine, **(style | {"linewidth": 2.4 if engine == "torch" else 0.7}))
        for kink in marks:
            curve.axvline(kink, color=ACCENT, linestyle=":", linewidth=1.2)
            errors.axvline(kink, color=ACCENT, linestyle=":", linewidth=1.2)
        curve.set(title=name, xlim=(LOW, HIGH))
        errors.set(xlabel="x", ylabel="error, ulp")
        _scale(errors, max(np.abs(in_ulp(both[what], truth[what])).max() for both in engines.values()))
    axes[0, 0].legend()
    kinked = f" Dotted: kinks, at x = {', '.join(f'{kink:g}' for kink in marks)}." if marks else ""
    nearly_0 = axes[1, 0].get_ylim()[1] > 1e4
    why = " Where a value is nearly 0 so is its ulp, and a small error is many of them." if nearly_0 else ""
    caption = (
        f"{titled(row)} and its slope on both engines, in float32: torch thick and blue, scratch thin and "
        "orange over it. Below, the error of each against the float64 truth, in ulp of the value itself, on an axis "
        f"that is logarithmic beyond 2.{why}{kinked}"
    )
    return [picture(figure, f"{component.name}: curve, slope and error", caption, component.name)]


def _truth(row: Layer) -> dict[str, np.ndarray]:
    """Y and slope without cancellation where `make exhaustive` knows the function; torch's float64 otherwise."""
    asked = row.args, row.kwargs, None
    known = [f for f in FUNCTIONS if f.component == row.name and (f.args, f.kwargs, f.target) == asked]
    if not known:
        return values(row, "torch", GRID, "float64")
    x = GRID.astype(np.float64)
    with quietly():
        return {"y": known[0].y(x), "slope": known[0].slope(x)}


def _scale(axes: Any, largest: float) -> None:
    """Straight to 2 ulp, logarithmic beyond, where the value is nearly 0; the axis ends at a power of ten."""
    bound = 10.0 ** max(0, np.ceil(np.log10(max(largest, 1e-3))))
    axes.set_yscale("symlog", linthresh=2, linscale=1)
    ticks = sorted({-bound, 0.0, bound} | ({-1.0, 1.0} if bound <= HIGHEST_WITH_ONE else set()))
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.set_ylim(-1.1 * bound, 1.1 * bound)


def table(component: Component) -> dict[str, Any] | None:
    """The values of the page's slider: those of both engines on the grid, exact, without interpolation."""
    row = row_of(component)
    if row is None:
        return None
    engines = {name: values(row, name, GRID) for name in ENGINE_STYLES}
    columns = {f"{name} {what}": _texts(engines[name][what]) for name in engines for what in ("y", "slope")}
    return {"low": LOW, "high": HIGH, "per_one": PER_ONE, "columns": columns}


def _texts(array: np.ndarray) -> list[str]:
    """The shortest decimal that is this float32."""
    return [str(value) for value in array]
