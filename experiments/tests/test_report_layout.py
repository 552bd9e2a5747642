"""The places of axes in the report's figures: every text is on the figure, and none is on another."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from experiments.site import figures
from experiments.site.figures import layout
from experiments.site.figures.drawing import new, picture, styled
from experiments.site.pages import components

LAID_OUT = [  # every kind of figure without color bars
    "nn.GELU", "nn.CTCLoss", "nn.Conv1d", "nn.Conv2d", "nn.BatchNorm1d", "nn.Bilinear", "nn.init.kaiming_uniform_",
    "nn.utils.clip_grad_norm_", "optim.Rprop", "optim.lr_scheduler.CyclicLR", "optim.swa_utils.AveragedModel",
]  # fmt: skip
ROUNDING = 1.5  # points


def faults(figure: Any) -> list[str]:
    """Axes with their texts that leave the figure or lie on each other."""
    FigureCanvasAgg(figure).draw()
    boxes = {axes: axes.get_tightbbox(for_layout_only=True) for axes in figure.axes if axes.get_visible()}
    found = [
        f"{axes.get_title() or axes} leaves the figure: {box}"
        for axes, box in boxes.items()
        if min(box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1) < -ROUNDING
    ]
    for (one, a), (other, b) in combinations(boxes.items(), 2):
        across, along = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if min(across, along) > ROUNDING and one.get_subplotspec() != other.get_subplotspec():  # twins share a place
            found.append(f"{one.get_title() or one} lies on {other.get_title() or other}")
    return found


@pytest.fixture
def laid_out(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that were given their places."""
    seen: list[Any] = []
    honest = layout.arrange

    def arrange(figure: Any) -> None:
        honest(figure)
        seen.append(figure)

    monkeypatch.setattr(layout, "arrange", arrange)
    return seen


@pytest.mark.parametrize("name", LAID_OUT)
def test_all_texts_have_room(name: str, laid_out: list[Any]) -> None:
    (one,) = (one for one in components() if one.name == name)
    figures.draw(one)
    assert laid_out
    assert [fault for figure in laid_out for fault in faults(figure)] == []


@styled
def test_titles_and_labels_may_have_two_lines() -> None:
    figure = new(8, 4)
    for axes in figure.subplots(2, 2).flat:
        axes.plot([0, 1])
        axes.set(title="one\ntwo", xlabel="x\nx", ylabel="y\ny")
    picture(figure, "a title", "a caption", "a key")
    assert faults(figure) == []


@pytest.mark.parametrize("numbers", [[-1.23456789e-5, -1.23456788e-5], [1e-9, 2e-9], [1e9, 2e9]])
def test_a_factor_of_all_tick_labels_has_room_without_a_title(numbers: list[float]) -> None:
    assert faults(untitled(numbers)) == []


@styled
def untitled(numbers: list[float]) -> Any:
    figure = new(8, 3)
    for axes in figure.subplots(2, 1):
        axes.plot([0, 1], numbers)
    picture(figure, "a title", "a caption", "a key")
    return figure


@styled
def test_a_label_as_wide_as_it_may_be_has_room_on_either_side() -> None:
    figure = new(8, 3)
    for axes in figure.subplots(1, 2):
        axes.plot([0, 1], [1.23456e-5, 1.23457e-5])
        axes.set(title="a title", xlabel="x", ylabel="y")
        beside = axes.twinx()
        beside.plot([0, 1], [-100000, 100000])
        beside.set_ylabel("beside")
    picture(figure, "a title", "a caption", "a key")
    assert faults(figure) == []
