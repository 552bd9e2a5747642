"""Initialisers: the histogram of both engines, whose bars are identical, and the variance through 30 layers."""

from __future__ import annotations

from typing import Any

import numpy as np

import scratch
from experiments.site.figures.drawing import INK, SCRATCH, SOFT, TORCH, Picture, new, picture, styled
from experiments.site.figures.first_row import cases, quietly
from experiments.site.pages import Component
from parity_tests.checks.initialiser import fill
from parity_tests.engine import find

SHAPES = ((256, 128), (12, 8, 5, 5))  # the second for initialisers of convolutions alone
WIDTH, DEPTH, BATCH = 128, 30, 64
FUNCTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "linear": (lambda x: x, {"color": SOFT, "linestyle": ":"}),
    "tanh": (np.tanh, {"color": INK, "linestyle": "--"}),
    "relu": (lambda x: np.maximum(x, 0), {"color": INK}),
}


@styled
def draw(component: Component) -> list[Picture]:
    row = cases(component)[0]
    for shape in SHAPES:
        try:
            with quietly():
                ours, theirs = fill(row, np.zeros(shape, np.float32), 0)
            break
        except ValueError:
            continue
    else:
        return []
    matrices = len(shape) == 2
    figure = new(8.6 if matrices else 5, 3)
    axes = figure.subplots(1, 2 if matrices else 1, squeeze=False)[0]
    edges = np.histogram_bin_edges(theirs, 40)
    counts = {name: np.histogram(values, edges)[0] for name, values in (("torch", theirs), ("scratch", ours))}
    axes[0].stairs(counts["torch"], edges, fill=True, color=TORCH, label="torch")
    axes[0].stairs(counts["scratch"], edges, color=SCRATCH, linewidth=1, label="scratch")
    axes[0].set(xlabel="weight", ylabel="count", title=f"{' x '.join(map(str, shape))} weights")
    axes[0].legend()
    if np.array_equal(ours, theirs):
        bars = "the same bits"
    elif np.array_equal(counts["torch"], counts["scratch"]):
        bars = "the same bars"
    else:
        bars = "bars that differ where a last bit crosses an edge"
    caption = f"The values of both engines from seed 0: torch blue, scratch as an orange outline, {bars}."
    if matrices:
        _depth(axes[1], row)
        caption += (
            f" Right: normal numbers go through {DEPTH} layers of {WIDTH} units whose weights are filled so, without "
            "biases; the variance of the output of each."
        )
    return [picture(figure, f"{component.name}: weights", caption, component.name)]


def _depth(axes: Any, row: Any) -> None:
    x, weights = _drawn(row)
    for name, (function, style) in FUNCTIONS.items():
        y, variances = x, []
        with np.errstate(all="ignore"):
            for weight in weights:
                y = function(y @ weight.T)
                variances.append(float(np.var(y, dtype=np.float64)))
        steps = np.arange(1, DEPTH + 1)
        shown = [i for i, value in enumerate(variances) if 1e-30 < value < 1e30]
        axes.plot(steps[shown], np.array(variances)[shown], label=name, **style)
    axes.set(yscale="log", xlabel="layer", ylabel="variance", title=f"through {DEPTH} layers", xlim=(0, DEPTH + 1))
    axes.legend()


def _drawn(row: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    """Normal numbers, and the weights of all layers, which do not depend on the function between them."""
    scratch.manual_seed(0)
    x, fill = scratch.randn(BATCH, WIDTH), find(scratch, row.name)
    with quietly(), np.errstate(all="ignore"):
        return x, [fill(np.zeros((WIDTH, WIDTH), np.float32), *row.args, **row.kwargs) for _ in range(DEPTH)]
