"""The error over the whole line, as `make exhaustive` measured it: every float32 number, or a sample of them."""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import Any

from experiments.exhaustive.results import bins, load
from experiments.site.figures.drawing import ENGINE_STYLES, Picture, new, picture, styled
from experiments.site.pages import Component

TICKS = (-1e30, -16, -1, 0, 1, 16, 1e30)  # the axis is that of the intervals, most of which are near 1


@styled
def draw(component: Component) -> list[Picture]:
    """One picture for each function of the component that has errors at all."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in _results():
        if line["component"] == component.name:
            found.setdefault(line["function"], []).append(line)
    return [_picture(name, lines) for name, lines in found.items() if any(line["curve"] for line in lines)]


@cache  # every page of a component asks
def _results() -> list[dict[str, Any]]:
    return load()


def _picture(name: str, lines: list[dict[str, Any]]) -> Picture:
    figure = new(8, 3.2)
    starts = [x for x, _ in bins()]
    for axes, quantity in zip(figure.subplots(1, 2), ("y", "slope"), strict=True):
        for line in lines:
            if line["quantity"] == quantity and line["curve"]:
                engine = line["kernel"].split()[0]
                style = ENGINE_STYLES[engine] | {"linewidth": 2.4 if engine == "torch" else 1.0}
                axes.step(range(len(starts)), line["curve"], where="post", label=engine, **style)
        if axes.dataLim.y1 > 10:
            axes.set_yscale("symlog", linthresh=1, linscale=0.5)
        axes.set_xticks([bisect_left(starts, x) for x in TICKS], [f"{x:g}" for x in TICKS])
        axes.minorticks_off()
        axes.set(title="y" if quantity == "y" else "dy/dx", xlabel="x", ylim=(0, None))
    figure.axes[0].set_ylabel("largest error, ulp")
    figure.axes[0].legend()
    every = lines[0]["step"]
    inputs = f"all {lines[0]['inputs']:,} float32 numbers" if every == 1 else f"every {every}th float32 number"
    caption = (
        f"{name} at {inputs}: the largest error of each interval of x (eighths of octaves from 1/16 to 128, else four "
        f"octaves), in ulp of the true value itself, where that is a normal number. {_worst(lines)}"
    )
    return picture(figure, f"{name}: the error over the whole line", caption, f"{name} every float")


def _worst(lines: list[dict[str, Any]]) -> str:
    """The worst error of y in words, kernel by kernel."""
    said = [
        f"{line['kernel']} {line['worst']:.3g} ulp at x = {line['at']:.6g}"
        for line in lines
        if line["quantity"] == "y" and line["at"] is not None
    ]
    return f"The worst of y: {'; '.join(said)}." if said else "Every y is within half an ulp."
