"""A row of the catalog: what the text prints, what is so, and what both engines find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from experiments.articles.article import Figure
from experiments.articles.judge import SLACK, equal_to
from experiments.articles.twin import SCRATCH, Twin

Values = Mapping[str, float]


def functions(twin: Twin) -> Any:
    """The engine's own exp, log and so on: numpy's or torch's."""
    return np if twin is SCRATCH else torch


def mistake(
    what: str, text: str, place: str, says: float | None, so: float, values: Values, note: str, form: str = ".4g"
) -> Figure:
    """The engines find what is so, and the number `says`, which follows from the text, is another (None: no number)."""
    figure = equal_to(what, so, values, form)
    differs = says is None or not np.isfinite(says) or abs(says - so) > SLACK * max(1.0, abs(so))
    return replace(figure, text=text, place=place, text_ok=not differs, ok=bool(figure.ok) and differs, note=note)


def bounded(
    what: str,
    text: str,
    place: str,
    expected: str,
    values: Values,
    low: float | None,
    high: float | None,
    note: str,
    form: str = ".4g",
) -> Figure:
    """The engines find a number in a range that the text excludes."""
    figure = Figure.of(what, expected, values, low, high, form, text, place)
    return replace(figure, text_ok=False, note=note)


def counted(what: str, text: str, place: str, says: float | None, so: float, found: float, note: str) -> Figure:
    """As a mistake, where no engine takes part."""
    ok = found == so != says
    return Figure(what, text, place, f"{so:g}", f"{found:g}", ok=ok, text_ok=False, note=note)


def met(what: str, text: str, place: str, expected: str, found: Mapping[str, str] | str, note: str) -> Figure:
    """The engines, or one run where no engine takes part, end as expected: with the name of an error, or a nan."""
    ours, theirs = (found, "") if isinstance(found, str) else (found["scratch"], found["torch"])
    ok = {ours, theirs or ours} == {expected}
    return Figure(what, text, place, expected, ours, theirs, ok, text_ok=False, note=note)


def right(what: str, text: str, place: str, so: float, values: Values, form: str = ".4g", note: str = "") -> Figure:
    """Not wrong, although one may suspect it. A text that is a number is compared with what is so."""
    figure = equal_to(what, so, values, form)
    number = text.rstrip("% ").lstrip("-").replace(".", "").replace("/", "").isdigit()
    checked = equal_to(what, so, values, form, text, place) if number else replace(figure, text=text, place=place)
    return replace(checked, note=note)
