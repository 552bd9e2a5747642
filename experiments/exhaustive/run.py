"""A function at all inputs: octave by octave, every kernel on the same numbers; the state is saved as it goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.exhaustive.floats import BINS, OCTAVES, octave
from experiments.exhaustive.functions import Function
from experiments.exhaustive.tally import Piece, Tally, measure
from torch_impl.files import write_text

QUANTITIES = ("y", "slope")
SAVED_EVERY = 16  # octaves
PIECE = 2**17  # inputs at a time: what is computed of them stays in the cache


class State:
    """The tallies of a function, and the octave that is next."""

    def __init__(self, folder: Path, function: Function, step: int, names: list[str]) -> None:
        self.file = folder / f"{function.label.replace(' ', '-')}-{step}.json"
        self.names, self.next = names, 0
        self.tallies = {(quantity, name): Tally() for quantity in QUANTITIES for name in names}
        if self.file.is_file():
            saved = json.loads(self.file.read_text())
            if saved["names"] == names:
                self.next = saved["next"]
                for (quantity, name), tally in self.tallies.items():
                    vars(tally).update(saved[quantity][name])
                    tally.worst = [(row[0], row[1], row[2]) for row in tally.worst]

    @property
    def done(self) -> bool:
        return self.next == OCTAVES

    def save(self) -> None:
        found: dict[str, Any] = {"names": self.names, "next": self.next}
        for (quantity, name), tally in self.tallies.items():
            found.setdefault(quantity, {})[name] = tally.as_dict()
        write_text(self.file, json.dumps(found) + "\n")


def run(function: Function, kernels: list[Any], step: int, folder: Path, bar: Any) -> State:
    """Evaluates and counts what is left to do; every step-th float, 1 for all of them; `bar` shows progress."""
    folder.mkdir(parents=True, exist_ok=True)
    state = State(folder, function, step, [kernel.name for kernel in kernels])
    bar.update(state.next)
    while not state.done:
        _octave(function, kernels, step, state)
        state.next += 1
        if state.next % SAVED_EVERY == 0 or state.done:
            state.save()
        bar.update(1)
    return state


def _octave(function: Function, kernels: list[Any], step: int, state: State) -> None:
    number = state.next
    x = octave(number, step, first=91 % step)  # an odd start: not only numbers whose last bits are 0
    if number in (0, OCTAVES - 1):
        x = np.append(x[np.isnan(x)], np.float32(-np.inf if number == 0 else np.inf))
        for kernel in kernels:
            for quantity, values in zip(QUANTITIES, kernel(function.label, x), strict=True):
                state.tallies[quantity, kernel.name].not_finite(x, values)
        return
    pieces = max(1, x.size // PIECE)
    bars: dict[str, float] = {}
    for place, part in enumerate(np.split(x, pieces)):
        bins = max(1, BINS // pieces)
        first = number * BINS + place * BINS // pieces
        wide = part.astype(np.float64)
        with np.errstate(all="ignore"):
            truths = function.y(wide), function.slope(wide)
        for quantity in QUANTITIES:
            bars[quantity] = min(state.tallies[quantity, name].bar for name in state.names)
        known: dict[tuple[str, bytes], Piece] = {}  # kernels often agree in every bit
        for kernel in kernels:
            for quantity, truth, values in zip(QUANTITIES, truths, kernel(function.label, part), strict=True):
                key = quantity, values.tobytes()
                if key not in known:
                    known[key] = measure(part, values, truth, bars[quantity], bins)
                state.tallies[quantity, kernel.name].add(known[key], first, part.size)
