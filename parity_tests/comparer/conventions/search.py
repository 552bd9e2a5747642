"""The search for the conventions with which the reference gives what the left gives.

Every known convention is tried at every site of the tape, then at all sites of its kind at once, then two conventions
together. One explains a number if what the left gives is within the limit of it, and the reference was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity_tests.comparer.conventions.convention import Site, called, deviations
from parity_tests.comparer.conventions.parts import joints
from parity_tests.comparer.conventions.recognition import recognized
from parity_tests.comparer.conventions.tape import Tape, Values
from parity_tests.comparer.judge import apart
from parity_tests.comparer.values import Numbers

WORK = 4e8  # elements computed before the search for one convention ends, and half of it for pairs
ENOUGH = 0.3  # of the limit: a candidate that explains every number and leaves at most this ends the search
FALL = 3.0  # the least factor by which the difference must fall
AS_GOOD = 0.05  # a candidate that leaves at most this share of the limit is as good as the best
NAN = {"masked-rows", "mask-polarity", "mask-value", "causal-diagonal", "causal-mask", "softmax-axis", "kink"}


@dataclass(frozen=True)
class Candidate:
    """One or more deviations, each at its sites."""

    name: str
    text: str
    parts: tuple[tuple[Site, Mapping[str, Any]], ...]
    gradients: bool = True

    def changes(self) -> dict[int, Callable[[Values], Any]]:
        at: dict[int, tuple[Site, dict[str, Any]]] = {}
        for site, changes in self.parts:
            at.setdefault(site.index, (site, {}))[1].update(changes)
        return {index: site.compute(changes) for index, (site, changes) in at.items()}

    @property
    def where(self) -> str:
        """The layer of the reference in which it lies, within what was recorded; empty for several layers or none."""
        places = {site.node.where for site, _ in self.parts}
        return places.pop() if len(places) == 1 else ""

    def with_another(self, other: Candidate) -> Candidate | None:
        """Both, where they do not conflict."""
        own = {(site.index, key) for site, changes in self.parts for key in changes}
        kinds = {site.index: site.name for site, _ in self.parts}
        for site, changes in other.parts:
            met = {key for key in changes if (site.index, key) in own} - {"kind"}  # which is the same for both
            if met or kinds.get(site.index, site.name) != site.name:
                return None
        name = self.name if self.name == other.name else f"{self.name} + {other.name}"
        return Candidate(
            name, f"{self.text} and {other.text}", self.parts + other.parts,
            self.gradients and other.gradients,
        )  # fmt: skip


def candidates(tape: Tape, nodes: Iterable[int]) -> Iterator[Candidate]:
    """Every deviation at every site; those that several sites share also at all of them."""
    shared: dict[tuple[str, str, str], list[tuple[Site, Mapping[str, Any]]]] = {}
    for site in _sites(tape, nodes):
        where = f"{site.node.where}: " if site.node.where else ""
        for d in deviations(site):
            yield Candidate(d.name, f"{where}{d.text}", ((site, d.changes),), d.gradients)
            shared.setdefault((d.name, d.text, site.name), []).append((site, d.changes))
    for (name, text, _), parts in shared.items():
        if len(parts) > 1:
            yield Candidate(name, f"{text}, at {len(parts)} places", tuple(parts))


def _sites(tape: Tape, nodes: Iterable[int]) -> Iterator[Site]:
    for i in nodes:
        site = called(tape, i)
        if site is not None:
            yield site
        yield from recognized(tape, i)
        yield from joints(tape, i)


@dataclass
class Question:
    """What the left gives, and how to read the same numbers off a tape. `ahead` is cheap, `back` may need autograd."""

    tape: Tape
    ours: Numbers
    limits: Mapping[str, float]
    apart: list[str]
    targets: list[int]
    ahead: Callable[[Values], Numbers]
    back: Callable[[Values], Numbers]
    judged: frozenset[int] = frozenset()  # values that were compared at another place

    def __post_init__(self) -> None:
        base = Values(self.tape)
        self.known = {**self.ahead(base), **self.back(base)}
        self.errors = {w: self.error(w, n) for w, n in self.known.items() if w in self.ours}
        self.ahead_names = [w for w in self.ahead(base) if w in self.errors]

    def of(self, names: Iterable[str]) -> Question:
        """The same question for these numbers only."""
        kept = set(names)
        self.errors = {w: e for w, e in self.errors.items() if w in kept}
        self.ahead_names = [w for w in self.ahead_names if w in kept]
        return self

    def error(self, what: str, number: np.ndarray, name: str = "") -> float:
        """The distance of the left's number in units of its limit; of a number as the convention `name` makes it.

        Where the left differs by NaN alone, NaN says little: it explains them only where a convention is known for it.
        """
        ours = self.ours[what]
        with np.errstate(all="ignore"):
            distance = apart(ours, number)
        if name and np.isfinite(distance) and self._nan_alone(what):
            known = bool(NAN.intersection(name.split(" + "))) and not np.isnan(ours).all()
            distance = distance if known else np.inf
        return distance / self.limits[what] if distance else 0.0

    def _nan_alone(self, what: str) -> bool:
        ours, theirs = self.ours[what], self.known[what]
        if ours.dtype.kind != "f" or ours.shape != theirs.shape or not (np.isnan(ours) & ~np.isnan(theirs)).any():
            return False
        same = ~np.isnan(ours)
        return not same.any() or apart(ours[same], theirs[same]) <= self.limits[what]


@dataclass
class Found:
    """A candidate, and the rest of each difference in units of its limit."""

    candidate: Candidate
    left: dict[str, float]

    def explains(self, names: Iterable[str], question: Question) -> bool:
        """All of these are within the limit now, and the differences have fallen."""
        names = [w for w in names if w in question.errors]
        apart = [w for w in names if question.errors[w] > 1]
        return (
            bool(apart)
            and all(self.left.get(w, np.inf) <= 1 for w in names)
            and all(question.errors[w] >= FALL * self.left[w] for w in apart)
        )


def search(question: Question) -> dict[str, Found]:
    """The explanation of each number that diverges: one for all of them if possible, otherwise one for each."""
    known = set(question.tape.needed(question.judged))
    nodes = [i for i in question.tape.needed(question.targets) if i not in known]
    tried = _tried(candidates(question.tape, nodes), question, WORK)
    outputs = [w for w in question.errors if w.startswith("output")]
    gradients = [w for w in question.errors if w.startswith("grad ")]
    whole = None
    for names in (list(question.errors), [*outputs, *gradients], outputs):
        whole = whole or _best([f for f in tried if f.explains(names, question)], question)
    if whole is None and any(question.errors[w] > 1 for w in outputs):
        pairs = _tried(_pairs([f.candidate for f in tried]), question, WORK / 2, outputs)
        whole = _best([f for f in pairs if f.explains(outputs, question)], question)
    found = {} if whole is None else {w: whole for w in question.apart if whole.left.get(w, np.inf) <= 1}
    for what in question.apart:
        if what.startswith("buffer") and what not in found:
            own = _of_buffer(what, tried, question)
            found |= {} if own is None else {what: own}
    return found


def _of_buffer(what: str, tried: list[Found], question: Question) -> Found | None:
    """What explains one buffer: one or two of the deviations that change it."""
    moving = [f for f in tried if what in f.left and f.left[what] != question.errors.get(what)]
    own = _best([f for f in moving if f.explains([what], question)], question)
    if own is None:
        both = _tried(_pairs([f.candidate for f in moving]), question, WORK / 2, [what])
        own = _best([f for f in both if f.explains([what], question)], question)
    return own


def _tried(every: Iterable[Candidate], question: Question, work: float, first: Iterable[str] = ()) -> list[Found]:
    """The differences that each candidate leaves. With `first`, the rest is computed only for candidates that explain
    these.
    """
    found = []
    cost = sum(value.numel() for value in question.tape.base.values()) + 1000.0 * len(question.tape.nodes)
    for candidate in every:
        work -= cost
        if work < 0:
            break
        try:
            values = question.tape.play(candidate.changes())
            numbers = question.ahead(values)
            errors = {w: question.error(w, n, candidate.name) for w, n in numbers.items() if w in question.errors}
            own = Found(candidate, errors)
            worth = own.explains(first, question) if first else _worth(own, question)
            if worth and candidate.gradients:
                back = question.back(values)
                own.left |= {w: question.error(w, n, candidate.name) for w, n in back.items() if w in question.errors}
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError):
            continue  # these inputs do not admit it
        if not candidate.gradients:  # of the forward pass alone
            own.left |= {w: 0.0 for w in question.errors if w.startswith("grad ")}
        found.append(own)
        if own.explains(question.errors, question) and max(own.left.values()) <= ENOUGH:
            break
    return found


def _worth(found: Found, question: Question) -> bool:
    """Whether gradients are worth computing: the outputs are explained, or were equal and still are."""
    return all(found.left.get(w, np.inf) <= 1 for w in question.ahead_names if w.startswith("output"))


def _best(found: list[Found], question: Question) -> Found | None:
    """The candidate that leaves the smallest difference; among equals, the most common."""
    if not found:
        return None
    worst = [max(f.left[w] for w in question.errors if f.left.get(w, np.inf) <= 1) for f in found]
    least = min(worst)
    return next(f for f, w in zip(found, worst, strict=True) if w <= 2 * least + AS_GOOD)


def _pairs(every: list[Candidate]) -> Iterator[Candidate]:
    """Two at once, the common ones first."""
    for total in range(1, 2 * len(every)):
        for i in range(max(0, total - len(every) + 1), (total + 1) // 2):
            both = every[i].with_another(every[total - i])
            if both is not None:
                yield both
