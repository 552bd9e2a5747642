"""Figures as inline SVG in the page's own colors: light, dark, or black on paper.

matplotlib draws with stand-in colors, which become CSS variables. Text stays text. A build gives the same bytes again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from experiments import picture as picture_of
from experiments.site.figures.slim_svg import slim

INK, SOFT, LINE, TORCH, SCRATCH, ACCENT, FILL = (
    "#010101", "#020202", "#030303", "#040404", "#050505", "#060606", "#070707",
)  # fmt: skip
VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", TORCH: "torch", SCRATCH: "scratch", ACCENT: "accent", FILL: "fill"}
STAND_INS = {"torch": TORCH, "scratch": SCRATCH}
ENGINE_STYLES = {engine: style | {"color": STAND_INS[engine]} for engine, style in picture_of.ENGINE_STYLES.items()}
STYLE: Any = {
    "svg.fonttype": "none",
    "mathtext.default": "regular",
    "font.family": "DejaVu Sans",  # of the measures; a page has its own
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titley": 1.0,  # where it is anyway; matplotlib would measure all tick labels to find that out
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "path.simplify_threshold": 0.3,
}


@dataclass(frozen=True)
class Picture:
    """A figure of a page."""

    title: str
    caption: str
    svg: Markup


def styled(draw: Any) -> Any:
    """A function that draws, under the style of the report."""

    def inside(*args: Any, **kwargs: Any) -> Any:
        from matplotlib import rc_context

        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return inside


def new(width: float, height: float, bars: bool = False) -> Any:
    """A figure of this size in inches; a page is about eight wide. With color bars its layout takes longer."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=72, layout="constrained" if bars else None)


def picture(figure: Any, title: str, caption: str, key: str) -> Picture:
    """The figure as a Picture; `key` names it among all figures of the site, and so its ids."""
    from matplotlib import rc_context

    from experiments.site.figures.layout import arrange  # late: it imports matplotlib

    buffer = io.StringIO()
    with rc_context({**STYLE, "svg.hashsalt": key}):
        if engine := figure.get_layout_engine():
            engine.execute(figure)
            figure.set_layout_engine(None)  # or savefig would lay out twice more, and draw twice
        else:
            arrange(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Picture(title, caption, Markup(slim(buffer.getvalue(), title, key, VARIABLES)))


def in_ulp(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The error of each value in ulp of the true value itself; 0 where both are the same NaN or infinity."""
    truth = np.asarray(truth, np.float64)
    unit = np.spacing(np.abs(truth).astype(np.float32)).astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = (np.asarray(values, np.float64) - truth) / unit
    same = (values == truth) | (np.isnan(values) & np.isnan(truth))
    return np.where(same, 0.0, error)
