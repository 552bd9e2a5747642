"""The drawings of the twin-training page: losses of both engines over each other, and their difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.site.figures.drawing import ENGINE_STYLES, INK, Picture, new, picture, styled
from experiments.training.outcome import EngineRun, relative_difference

MARKS = 500  # of one curve; a longer run shows the mean, or the largest, of several steps in a mark
ORDER = ("torch", "scratch")  # the engine below comes first


@styled
def losses(curves: Mapping[str, Sequence[float]], dtype: str) -> Picture:
    """The loss of every step and, underneath, the relative difference of the engines on a logarithmic axis."""
    from experiments.training.plots import UNIT

    figure = new(6.4, 5.2)
    above, below = figure.subplots(2, 1, sharex=True)
    steps = len(relative_difference(curves["scratch"], curves["torch"]))
    width = -(-steps // MARKS)
    of_a_mark = f"mean of {width} steps" if width > 1 else "every step"
    for name in ORDER:
        above.plot(*binned(np.array(curves[name]), width, np.mean), label=name, **ENGINE_STYLES[name])
    above.set(ylabel="training loss, nats", yscale="log", title=of_a_mark)
    above.legend(loc="upper right")
    difference = relative_difference(curves["scratch"], curves["torch"])
    x, largest = binned(difference, width, np.max)
    apart = largest > 0  # a logarithmic axis has no place for zero
    below.plot(x[apart], largest[apart], ".", color=INK, markersize=4)
    below.axhline(UNIT[dtype], color=INK, linestyle="--", linewidth=1, label=f"one rounding in {dtype}")
    equal = f"{np.sum(difference == 0)} of {steps} losses are equal to the last bit and not drawn"
    below.set(ylabel="|scratch - torch| / torch", xlabel="training step", yscale="log", title=equal)
    below.margins(y=0.25)  # room for the legend
    below.legend(loc="upper left")
    caption = (
        "The training loss of both engines over each other; underneath, on a logarithmic axis, their relative "
        "difference" + (f", the largest of {width} steps in each mark." if width > 1 else ", step by step.")
    )
    return picture(figure, "Training loss of both engines, and their difference", caption, "twins losses")


def binned(values: np.ndarray, width: int, of_bin: Any) -> tuple[np.ndarray, np.ndarray]:
    """The last step of each `width` steps, counted from 1, and one number for them; the last bin may be shorter."""
    starts = range(0, len(values), width)
    ends = np.minimum(np.array(starts) + width, len(values))
    return ends, np.array([of_bin(values[start : start + width]) for start in starts])


@styled
def epochs(runs: Mapping[str, EngineRun]) -> Picture:
    """Loss and accuracy at the end of each epoch, on the images that judge it."""
    figure = new(6.4, 2.8)
    left, right = figure.subplots(1, 2)
    judge = "validation" if "validation_loss" in runs["torch"].epochs[0] else "test"
    for name in ORDER:
        figures = runs[name].epochs
        numbers = range(1, len(figures) + 1)
        style = {**ENGINE_STYLES[name], "marker": "o", "markersize": 6 if name == "torch" else 2.5}
        left.plot(numbers, [one[f"{judge}_loss"] for one in figures], label=name, **style)
        right.plot(numbers, [100 * one[f"{judge}_accuracy"] for one in figures], label=name, **style)
    left.set(xlabel="epoch", ylabel=f"{judge} loss, nats")
    right.set(xlabel="epoch", ylabel=f"{judge} accuracy, %")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    left.legend()
    caption = f"Loss and accuracy on the {judge} images after every epoch, both engines over each other."
    return picture(figure, "Loss and accuracy after every epoch", caption, "twins epochs")
