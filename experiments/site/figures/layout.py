"""Places for the axes of a figure: a grid with room for titles, tick labels and axis labels.

matplotlib's constrained layout does this for any figure, by working out all its texts several times. Here only the tick
labels of y axes are measured, each of them once for all figures; the rest is so many lines of text high. Powers of ten
on them are text, not formulas, whose typesetting takes longer than all else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import LogFormatterSciNotation
from matplotlib.transforms import ScaledTranslation

LINE, EDGE = 11.0, 3.0  # points: a line of text; the least distance of all texts
TITLE, TICK, LABEL = 6.0, 7.0, 4.0  # from the axes to the title; to a tick label; from there to the axis label
OVER = 9.0  # by which the last tick label of an x axis may go beyond its end
LEGEND = 2 * LINE  # a figure's, below all axes
POWER = re.compile(r"\$\\mathdefault\{(-?)(?:([\d.]+)\\times)?10\^\{(-?\d+)\}\}\$")
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def arrange(figure: Any) -> None:
    """Axes as large as there is room for: those of a row equally high, those of a column equally wide."""
    width, height = (72 * float(inches) for inches in figure.get_size_inches())
    shown = {axes: axes.get_subplotspec() for axes in figure.axes if axes.get_visible()}
    grid = next(iter(shown.values())).get_gridspec()
    for axes in shown:
        _write_powers(axes.yaxis)

    def most(room: Callable[[Any], float], axes: Iterable[Any]) -> float:
        return max(map(room, axes), default=0.0)

    bottom = most(_below, (a for a, spec in shown.items() if spec.is_last_row())) + LEGEND * bool(figure.legends)
    top = height - most(_above, (a for a, spec in shown.items() if spec.is_first_row()))
    gap = most(_below, (a for a, spec in shown.items() if not spec.is_last_row()))
    gap += most(_above, (a for a, spec in shown.items() if not spec.is_first_row()))
    cell = (top - bottom - gap * (grid.nrows - 1)) / grid.nrows
    figure.subplots_adjust(bottom=bottom / height, top=top / height, hspace=gap / cell)  # y ticks depend on the height

    left = most(_left, (a for a, spec in shown.items() if spec.is_first_col()))
    right = width - most(_right, (a for a, spec in shown.items() if spec.is_last_col()))
    gap = most(_left, (a for a, spec in shown.items() if not spec.is_first_col()))
    gap += most(_right, (a for a, spec in shown.items() if not spec.is_last_col()))
    cell = (right - left - gap * (grid.ncols - 1)) / grid.ncols
    figure.subplots_adjust(left=left / width, right=right / width, wspace=gap / cell)


def _above(axes: Any) -> float:
    """The title, or what all tick labels of the y axis are multiplied by: it is written there too, at the side."""
    if title := axes.get_title():
        return EDGE + TITLE + _lines(title)
    axes.yaxis.get_ticklabels()  # decides on it
    return EDGE + (EDGE + LINE if axes.yaxis.get_major_formatter().get_offset() else EDGE)


def _lines(text: str) -> float:
    """Points of a text's height."""
    return LINE * (1 + text.count("\n"))


def _below(axes: Any) -> float:
    """Tick labels and label of the x axis; the label is put there."""
    ticks = TICK + LINE if _labeled(axes) else 0.0
    if not axes.get_xlabel():
        return EDGE + ticks
    _put(axes, axes.xaxis, (0.5, 0.0), (0.0, -ticks - LABEL))
    return EDGE + ticks + LABEL + _lines(axes.get_xlabel())


def _left(axes: Any) -> float:
    return _beside(axes, "left")


def _right(axes: Any) -> float:
    return max(_beside(axes, "right"), EDGE + OVER if _labeled(axes) else 0.0)


def _beside(axes: Any, side: str) -> float:
    """Tick labels and label of the y axis if they are on this side; the label is put there."""
    axis = axes.yaxis
    if axis.get_label_position() != side:
        return EDGE
    ticks = TICK + max((_width(text.get_text()) for text in axis.get_ticklabels(which="both")), default=-TICK)
    if not axes.get_ylabel():
        return EDGE + ticks
    beyond = ticks + LABEL
    _put(axes, axis, (0.0, 0.5) if side == "left" else (1.0, 0.5), (-beyond if side == "left" else beyond, 0.0))
    return EDGE + beyond + _lines(axes.get_ylabel())


class Powers(LogFormatterSciNotation):
    """The labels of a logarithmic axis as matplotlib chooses them, written as 2×10⁻³ without its typesetting."""

    def __call__(self, x: float, pos: Any = None) -> str:
        label: str = super().__call__(x, pos)
        if power := POWER.fullmatch(label):
            sign, factor, exponent = power.groups()
            return f"{sign.replace('-', '−')}{f'{factor}×' if factor else ''}10{exponent.translate(SUPERSCRIPT)}"
        return "0" if x == 0 else label


def _write_powers(axis: Any) -> None:
    if isinstance(axis.get_major_formatter(), LogFormatterSciNotation):
        axis.set_major_formatter(Powers())
    if isinstance(axis.get_minor_formatter(), LogFormatterSciNotation):
        axis.set_minor_formatter(Powers())


def _labeled(axes: Any) -> bool:
    """Whether the x axis has tick labels: inner axes of a grid may have none, pictures have no ticks."""
    return bool(axes.xaxis.get_tick_params()["labelbottom"]) and len(axes.get_xticks()) > 0


def _put(axes: Any, axis: Any, place: tuple[float, float], shift: tuple[float, float]) -> None:
    """An axis label at a place of the axes, shifted by points; matplotlib would measure all tick labels again."""
    by = ScaledTranslation(shift[0] / 72, shift[1] / 72, axes.get_figure().dpi_scale_trans)
    axis.set_label_coords(*place, transform=axes.transAxes + by)


@cache
def _width(text: str) -> float:
    """Points of a tick label."""
    return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=10), "$" in text)[0])
