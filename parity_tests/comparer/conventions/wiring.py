"""Wiring: the value is correct but comes from another place, or something is added on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from parity_tests.comparer.conventions.activations import FORMS
from parity_tests.comparer.conventions.tape import Tape
from parity_tests.comparer.trace import Call
from parity_tests.comparer.values import array, floats
from parity_tests.rule import distance


def wired(
    tape: Tape, target: int, calls: Sequence[Call], ours: np.ndarray, limit: float
) -> tuple[str, str, float] | None:
    """The name, text and rest of a difference, if the left's value is another one that the layers gave."""
    own = tape.base[target].detach().numpy()
    here = tape.labels.get(target, "what the right's code makes of it")
    given = [(text, value) for text, value in _given(tape, target, calls) if value.shape == ours.shape]
    for text, value in given:
        if (after := distance(ours, value)) <= limit:
            return "wiring", f"with {text} in the place of {here}", after
    if own.shape != ours.shape:
        return None
    for text, value in given:
        if (after := distance(ours, own + value)) <= limit:
            return "residual-extra", f"with {text} added", after
    for form, f in FORMS.items():
        if (after := distance(ours, f(tape.base[target].detach()).numpy())) <= limit < distance(own, ours):
            return "activation-extra", f"with {form} of {here}", after
    return None


def _given(tape: Tape, target: int, calls: Sequence[Call]) -> Iterator[tuple[str, np.ndarray]]:
    """The inputs of the whole and the outputs of all layers, those that come later too."""
    for index, text in tape.labels.items():
        if index != target and tape.base[index].is_floating_point():
            yield text, tape.base[index].detach().numpy()
    known = set(tape.labels.values())
    for call in calls:
        for value in floats(call.output):
            text = f"the output of {call.key[0]}"
            exact = np.asarray(array(value), np.float64)
            if text not in known:
                yield text, exact
            if exact.ndim == 3:
                for axis, over in ((0, exact), (1, exact.swapaxes(0, 1))):
                    yield f"the last step of {text}", over[-1]
                    yield f"the first step of {text}", over[0]
                    yield f"the mean over the steps of {text}", np.asarray(exact.mean(axis))
                    yield f"the largest value over the steps of {text}", np.asarray(exact.max(axis))
