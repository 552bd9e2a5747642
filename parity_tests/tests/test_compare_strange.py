"""Whatever compare is given, a report or one clear error comes out: an error of its own code is a bug by definition."""

import json
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from parity_tests import compare
from parity_tests.comparer import errors, jumps
from parity_tests.comparer.findings import CompareError
from parity_tests.tests.ports import X
from parity_tests.tests.properties.profiles import hold
from parity_tests.tests.strange.questions import question

OWN = KeyError, IndexError, AttributeError, TypeError, AssertionError, NameError, ZeroDivisionError, StopIteration
CALLS = (
    "positional argument",
    "keyword argument",
    "required argument",
    "not callable",
)  # of a user's function, by compare
FEW, MANY = 60, 4000


def is_own(error: BaseException) -> bool:
    """Whether this error was raised by compare's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = bool(frames) and bool({*errors.OWN}.intersection(Path(frames[-1].filename).parents))
    return inside and isinstance(error, OWN) and not any(text in str(error) for text in CALLS)


@contextmanager
def own_errors() -> Iterator[list[str]]:
    """Those that compare catches and tells about, as if they were the model's."""
    found: list[str] = []
    places, finds = errors.user_line, jumps.Jumps.find

    def keep(error: BaseException) -> None:
        if is_own(error):
            found.append("".join(traceback.format_exception(error)[-6:]))

    def user_line(error: BaseException) -> str:
        keep(error)
        return places(error)

    def find(self: Any) -> Any:
        try:
            return finds(self)
        except Exception as error:
            keep(error)
            raise

    errors.user_line, jumps.Jumps.find = user_line, find  # type: ignore[method-assign]
    try:
        yield found
    finally:
        errors.user_line, jumps.Jumps.find = places, finds  # type: ignore[method-assign]


def trouble(seed: int) -> str:
    """What is wrong with the answer to one question, or nothing."""
    asked = question(seed)
    with warnings.catch_warnings(), own_errors() as caught:
        warnings.simplefilter("ignore")
        try:
            report = compare(**asked)
            json.loads(report.to_json())
            text = f"{report}{report.to_html()}"
        except CompareError as error:
            text = str(error)
        except Exception as error:
            return f"question({seed}): " + "".join(traceback.format_exception(error)[-8:])
    if not text.strip():
        return f"question({seed}): an empty answer"
    return f"question({seed}), caught: {caught[0]}" if caught else ""


def test_strange_pairs():
    hold("compare", st.integers(0, 2**32), trouble, FEW)


@pytest.mark.deep
def test_many_strange_pairs():
    hold("compare", st.integers(0, 2**32), trouble, MANY, deep=True)


# --- what they found --------------------------------------------------------------------------------------------------


class Gives(nn.Module):
    """A linear layer whose output is passed through a function; and a lazy layer that is not called."""

    def __init__(self, function, lazy=False):
        super().__init__()
        self.a, self.function = nn.Linear(8, 4), function
        if lazy:
            self.b = nn.LazyLinear(4)

    def forward(self, x):
        return self.function(self.a(x))


class Slotted:
    __slots__ = ("w",)

    def __init__(self):
        self.w = np.full(8, 2.0, np.float32)

    def forward(self, x):
        return x * self.w


class Doubles(nn.Module):
    def forward(self, x):
        return 2 * x


class Tied(nn.Module):
    """Two layers that share a weight; `more` is a third that the other side does not have."""

    def __init__(self, more):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)
        if more:
            self.c, self.d = nn.Linear(8, 8), nn.Linear(8, 8)
            self.d.weight = self.c.weight

    def forward(self, x):
        return self.b(self.a(x))


def fresh(make):
    return make(), make()


QUESTIONS = {  # and words of the answer, of the report or of the error
    "arrays from a torch module": (lambda: (*fresh(lambda: Gives(lambda y: (y, y.detach().numpy()))), X), "PARITY"),
    "arrays from a layer": (lambda: (*fresh(lambda: nn.Sequential(Gives(lambda y: y.detach().numpy()),
                                                                  Gives(torch.tanh))), X), "right side failed"),
    "names that are no strings": (lambda: (*fresh(lambda: Gives(torch.tanh)), {1: X}), "named as the arguments are"),
    "strings in an array": (lambda: (*fresh(lambda: Gives(torch.tanh)), np.array(["a"])), "right side failed"),
    "no __dict__": (lambda: (Slotted(), Doubles(), X), "PARITY"),
    "lazy layers that are not called": (lambda: (*fresh(lambda: Gives(torch.tanh, True)), X), "b.bias of Gives"),
    "ties of what the right has not": (lambda: (Tied(True), Tied(False), X), "the right has no"),
    "a loss that gives nothing": (lambda: (*fresh(lambda: Gives(torch.tanh)), X, X, lambda y, t: None), "no number"),
    "a function as a loss": (lambda: (Slotted(), Doubles(), X, X, lambda y, t: ((y - t) ** 2).mean()), "PARITY"),
    "words, trained": (lambda: (*fresh(lambda: Gives(lambda y: (y, "seven"))), X, None, None,
                                lambda p: torch.optim.SGD(p, 0.1), 2), "PARITY"),
    "computed weights of another shape": (lambda: (nn.Linear(8, 4), weight_norm(nn.Linear(8, 5)), X), "was run"),
    "a word for a target": (lambda: (Slotted(), Doubles(), X, "target", nn.MSELoss()), "right side failed"),
    "integers alone": (lambda: (*fresh(lambda: Gives(lambda y: y.argmax(-1))), X), "not compared: the backward pass"),
    "NaN, trained": (lambda: (*fresh(lambda: Gives(lambda y: y * y.detach() / 0 * 0)), X, None, None,
                              lambda p: torch.optim.SGD(p, 0.1), 2), "COULD NOT COMPARE"),
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_strange_pairs_found(name):
    make, says = QUESTIONS[name]
    with own_errors() as caught:
        try:
            report = compare(*make())
            text = f"{report}{report.to_html()}"
        except CompareError as error:
            text = str(error)
    assert says in text
    assert not caught


def test_an_error_of_its_own_is_noticed(monkeypatch):
    """Though compare tells about it as if it were the model's."""
    monkeypatch.setattr("parity_tests.comparer.mode.own", None)
    monkeypatch.setattr("parity_tests.comparer.mode.ROOT", [])
    monkeypatch.setattr("parity_tests.comparer.trace.Recorder.leaf_calls", lambda *a: [3])
    with own_errors() as caught:
        report = compare(nn.Linear(8, 4), nn.Linear(8, 4), X)
    assert any("AttributeError" in note for note in report.notes)
    assert caught
