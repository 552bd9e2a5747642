"""Line plots for the replays: a row of panels, each a few curves, an engine's in its color. No pyplot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from experiments.picture import ENGINE_STYLES, save

STYLES: tuple[dict[str, Any], ...] = (
    {"color": "0.72", "linewidth": 3.5},
    {"color": "black", "linewidth": 1.1},
    {"color": "black", "linewidth": 1.3, "linestyle": "--"},
    {"color": "0.4", "linewidth": 1.5, "linestyle": ":"},
    {"color": "0.4", "linewidth": 1.8, "linestyle": "-."},
    {"color": "0.55", "linewidth": 1.1},
)

LINES = (*STYLES[1:], {"color": "black", "linewidth": 1.3, "linestyle": (0, (6, 1, 1, 1, 1, 1))})  # no engine's band

TWIN_STYLES: tuple[dict[str, Any], ...] = tuple(  # for pairs of curves, scratch's a line over torch's band
    {"linestyle": line, **ENGINE_STYLES[engine]}
    for line in ("-", "--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)))
    for engine in ("scratch", "torch")
)


@dataclass(frozen=True)
class Panel:
    """Curves over one axis. A curve is (x, y), or y alone, counted from 1."""

    title: str
    curves: Mapping[str, Any]
    xlabel: str
    ylabel: str
    options: Mapping[str, Any] = field(default_factory=dict)  # for Axes.set: yscale, ylim, xticks ...
    styles: Sequence[Mapping[str, Any]] = STYLES
    marks: Mapping[str, float] = field(default_factory=dict)  # vertical lines, with what they mean
    legend: str = "best"  # where it is least in the way, or "outside"
    whole: bool = False  # x counts something: ticks at whole numbers only


def engine_style(name: str) -> Mapping[str, Any]:
    """The color and width of an engine for its curve: "torch", or "tanh, torch"; nothing for another curve."""
    return ENGINE_STYLES.get(name.rpartition(", ")[2], {})


def broken(y: np.ndarray, jump: float = 0.05) -> np.ndarray:
    """The curve with a gap before every jump, so that no line is drawn where there is no value."""
    return np.where(np.abs(np.diff(y, append=y[-1])) > jump, np.nan, y)


def draw(path: Path, panels: Sequence[Panel], columns: int | None = None) -> Path:
    """Write the panels, side by side or in `columns`, into a PNG; returns its path."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = columns or len(panels)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1 + 4.5 * columns, 3.8 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, panel in zip(grid, panels, strict=False):
        for (name, curve), style in zip(panel.curves.items(), panel.styles, strict=False):
            x, y = curve if isinstance(curve, tuple) else (np.arange(1, len(curve) + 1), curve)
            axes.plot(x, y, label=name, **{**style, **engine_style(name)})
        axes.set(title=panel.title, xlabel=panel.xlabel, ylabel=panel.ylabel, **panel.options)
        if panel.whole:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for name, x in panel.marks.items():
            axes.axvline(x, color="0.5", linewidth=0.8)
            place = axes.get_xaxis_transform()
            axes.text(x, 0.97, f" {name}", rotation=90, fontsize="x-small", va="top", ha="right", transform=place)
        if len(panel.curves) > 1:
            outside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
            axes.legend(fontsize="small", **(outside if panel.legend == "outside" else {"loc": panel.legend}))
    save(figure, path)
    return path
