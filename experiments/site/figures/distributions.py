"""Normalization: how numbers are distributed before and after it, channel by channel."""

from __future__ import annotations

import numpy as np

from experiments.site.figures.drawing import ENGINE_STYLES, SOFT, Picture, new, picture, styled
from experiments.site.figures.first_row import cases, first_inputs, has_forward, outputs, quietly, sides
from experiments.site.pages import Component
from parity_tests.rule import distance

SAMPLES, SHOWN = 512, 3


@styled
def draw(component: Component) -> list[Picture]:
    row = next((row for row in cases(component) if has_forward(row)), None)
    if row is None:
        return []
    (drawn,) = first_inputs(row)[:1]
    rng = np.random.default_rng(0)
    channels = drawn.shape[1]
    center = np.arange(channels).reshape(1, -1, *[1] * (drawn.ndim - 2))
    x = rng.gamma(2.0, 1.0, (SAMPLES, *drawn.shape[1:])) * (1 + 0.5 * center) + 2 * center
    x = x.astype(np.float32)
    with quietly():
        results = {name: outputs(side, (x,))[0] for name, side in zip(("scratch", "torch"), sides(row), strict=True)}
    figure = new(8.6, 2.8)
    before, after = figure.subplots(1, 2)
    dashes = ("-", "--", ":")
    for c in range(min(channels, SHOWN)):
        counts, edges = np.histogram(x[:, c], 30)
        before.stairs(counts, edges, color=SOFT, linestyle=dashes[c], linewidth=1.4, label=f"channel {c}")
        edges = np.histogram_bin_edges(results["torch"][:, c], 30)
        for engine, style in ENGINE_STYLES.items():
            looks = {"color": style["color"], "linewidth": style["linewidth"]}
            looks["linestyle"] = dashes[c] if engine == "scratch" else "-"
            counts, _ = np.histogram(results[engine][:, c], edges)
            after.stairs(counts, edges, label=engine if c == 0 else None, **looks)
    before.set(title="before", xlabel="x", ylabel="how many")
    after.set(title="after", xlabel="y")
    before.legend()
    after.legend()
    apart = distance(results["scratch"], results["torch"])
    caption = (
        f"The first channels of {SAMPLES} skewed samples, each with its own mean and width, before and after "
        f"{component.name} in training: torch thick and blue, scratch thin and orange over it, {apart:.2g} ulp apart."
    )
    return [picture(figure, f"{component.name}: before and after", caption, component.name)]
