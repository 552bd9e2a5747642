"""Who answers the questions of a folder, and who says what is right: a folder, or a model that runs here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.pairing import Pairing
from parity_tests.comparer.side import Side
from parity_tests.comparer.values import Numbers
from parity_tests.recordings.precisions import Smaller, asked_of, own_precision
from parity_tests.recordings.query import Query
from parity_tests.recordings.read import Folder
from parity_tests.vectors.vector import SMALL

Answers = dict[str, dict[str, tuple[np.ndarray, str]]]  # by precision and name: the number and its dtype


@dataclass
class Reference:
    """What the right gives to one question: in its own precision, the truth, and by precision the limits."""

    rough: Numbers
    exact: Numbers
    limits: dict[str, dict[str, float]]


class Answering:
    """The left: answers to questions under the right's names."""

    def __init__(self, side: Any, precision: str) -> None:
        self.side, self.precision = side, precision

    def give(self, query: Query, pairing: Pairing) -> Answers:
        """By the right's names; empty where it has no answer."""
        if isinstance(self.side, Folder):
            found = self.side.answers(query.name, query)
            prefix = query.layer
            renamed = query.about.get("renamed", {})
            return {
                p: {renamed.get(w, w): v for w, v in _translated(pairing, numbers, prefix).items()}
                for p, numbers in found.items()
            }
        if query.layer not in self.side.side.modules:
            return {}
        numbers = pairing.translate(self.side.ask(query), query.layer)
        kinds = {w: (v, self.precision if v.dtype.kind == "f" else v.dtype.name) for w, v in numbers.items()}
        plain = self.precision in ("float32", "float64", "float16")
        return {self.precision: {w: (v, v.dtype.name if plain else kind) for w, (v, kind) in kinds.items()}}


class Referring:
    """The right: the truth and the limits of questions."""

    def __init__(self, side: Any) -> None:
        self.side = side
        self.smaller: dict[str, Smaller] = {}

    def refer(self, query: Query, precisions: Sequence[str]) -> Reference:
        if isinstance(self.side, Folder):
            return self._written(query)
        found = self.side.judged(query)
        others = {p: self._smaller(p).u(query) for p in precisions if p in SMALL and p != own_precision(self.side.side)}
        return Reference(found.rough, found.exact, asked_of(found, own_precision(self.side.side), query, others))

    def _smaller(self, precision: str) -> Smaller:
        if self.side.side.engine != "torch":
            raise CompareError(f"compare: answers in {precision} need a torch model, whose error in it is U.")
        if precision not in self.smaller:
            self.smaller[precision] = Smaller(self.side, precision)
        return self.smaller[precision]

    def _written(self, query: Query) -> Reference:
        asked = self.side.asked(query.name)
        exact = query.from_file({entry["what"]: asked.truths[entry["truth"]] for entry in asked.expected})
        limits_: dict[str, dict[str, float]] = {}
        for entry in asked.expected:
            limits_.setdefault(entry["precision"], {})[entry["what"]] = entry["limit_ulp"]
        own = str(self.side.model.get("dtype"))
        own = own if own in ("float32", "float64", "float16") else "float32"
        rough = {w: v.astype(own) if v.dtype.kind == "f" else v for w, v in exact.items()}
        return Reference(rough, exact, {p: query.from_file(of) for p, of in limits_.items()})

    def layer_side(self, query: Query) -> Side:
        """A side whose layer of this name is torch's, where a folder describes one."""
        if not isinstance(self.side, Folder):
            return self.side.side
        side = self.side.side()
        layer = self.side.torch_layer(query.name)
        if layer is not None:
            side.modules[query.layer] = layer
        return side


def _translated(pairing: Pairing, numbers: Mapping[str, tuple[np.ndarray, str]], layer: str) -> Any:
    kinds = {what: kind for what, (_, kind) in numbers.items()}
    values = pairing.translate({what: value for what, (value, _) in numbers.items()}, layer)
    back = dict(zip(values, kinds.values(), strict=True)) if len(values) == len(kinds) else {}
    return {what: (value, kinds.get(what, back.get(what, value.dtype.name))) for what, value in values.items()}
