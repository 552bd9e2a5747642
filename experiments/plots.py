"""Pictures, readable in black and white. Drawn without pyplot, so that nothing global changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}  # the largest relative error of one rounding


def loss_curves(curves: Mapping[str, Sequence[float]], dtype: str, title: str, path: str | Path) -> None:
    """The loss of every step, one curve an engine; for two engines, underneath, their relative difference."""
    twins = len(curves) == 2
    figure = Figure(figsize=(8, 6.5 if twins else 4), layout="constrained")
    axes = figure.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
    window = max(1, min(len(losses) for losses in curves.values()) // 100)
    styles = [{"color": "0.7", "linewidth": 3.0}, {"color": "black", "linewidth": 0.7}]
    for (name, losses), style in zip(curves.items(), styles[-len(curves) :], strict=True):
        axes[0].plot(_steps(losses), running_mean(losses, window), label=name, **style)
    what = f"training loss, mean of {window} steps" if window > 1 else "training loss"
    axes[0].set(ylabel=what, title=title, yscale="log")
    axes[0].legend(loc="upper right")
    if twins:
        _difference(axes[1], curves, dtype)
    axes[-1].set_xlabel("training step")
    figure.savefig(path, dpi=150)


def _difference(axes: Axes, curves: Mapping[str, Sequence[float]], dtype: str) -> None:
    first, second = curves
    difference = relative_difference(curves[first], curves[second])
    apart = difference > 0  # a log axis has no place for zero
    axes.plot(_steps(difference)[apart], difference[apart], "k.", markersize=3)
    axes.axhline(UNIT[dtype], color="black", linestyle="--", linewidth=1, label=f"one rounding in {dtype}")
    axes.set(ylabel=f"|{first} - {second}| / {second}", yscale="log")
    axes.set_title(
        f"{np.sum(~apart)} of {len(apart)} losses are equal to the last bit and not drawn", fontsize="medium"
    )
    axes.legend(loc="upper left")


def relative_difference(a: Sequence[float], b: Sequence[float]) -> np.ndarray:
    """|a - b| / |b|, step by step; 0 where both are 0."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.abs(x - y) / np.maximum(np.abs(y), np.finfo(np.float64).tiny)


def running_mean(values: Sequence[float], window: int) -> np.ndarray:
    """At each step the mean of the last `window` values, of all if there are fewer: a long curve without its noise."""
    sums = np.cumsum([0.0, *values])
    last = _steps(values)
    first = np.maximum(last - window, 0)
    return (sums[last] - sums[first]) / (last - first)


def _steps(values: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.arange(1, len(values) + 1)
