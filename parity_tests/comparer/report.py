"""What a comparison found: measurements, the first that parts, its cause, and how they are printed."""

from __future__ import annotations

import json
import math
import platform
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch

from parity_tests.rule import ulp


class CompareError(Exception):
    """The two cannot be compared, and why."""


@dataclass
class Element:
    """The first element that parts."""

    index: tuple[int, ...]
    left: float
    right: float
    ulp: float
    apart: int  # how many elements part
    of: int

    def __str__(self) -> str:
        share = "the only one" if self.apart == self.of == 1 else f"{self.apart} of {self.of} elements part"
        place = ", ".join(map(str, self.index))
        return f"[{place}] left {self.left:.9g}, right {self.right:.9g}, {number(self.ulp)} ulp ({share})"


@dataclass
class Cause:
    """A convention that explains the difference."""

    name: str  # short and fixed, such as "gelu-tanh"
    text: str
    before: float = math.nan  # largest absolute difference
    after_ulp: float = math.nan

    def __str__(self) -> str:
        if math.isnan(self.before):
            return self.text
        return f"{self.text}: the difference falls from {self.before:.2g} to {number(self.after_ulp)} ulp"


@dataclass
class Measurement:
    """One number that was compared: `error` ulp against `limit`, and where."""

    where: str  # dotted name of the layer, "loss", a parameter, ...
    kind: str  # class of the layer
    phase: str  # pairing, structure, init, forward, backward, buffer, step
    what: str  # "output", "grad weight", ...
    error: float
    limit: float
    mode: str = ""  # train or eval
    note: str = ""
    first: Element | None = None
    cause: Cause | None = None

    @property
    def ok(self) -> bool:
        return self.error <= self.limit

    @property
    def place(self) -> str:
        layer = f"{self.where} ({self.kind})" if self.kind and self.where else self.where or self.kind or "the whole"
        phase = {"between": ", between its layers", "pairing": ", pairing", "init": ", initial values"}.get(
            self.phase, ""
        )
        return f"{layer}{phase}{f', {self.mode} mode' if self.mode else ''}: {self.what}"

    def __str__(self) -> str:
        text = f"{self.place}, "
        text += (
            self.note
            if math.isinf(self.error) and self.note
            else f"{number(self.error)} ulp, limit {number(self.limit)}"
        )
        if self.note and not math.isinf(self.error):
            text += f"; {self.note}"
        return text


@dataclass
class LayerLine:
    """One call of a layer in the report's column."""

    name: str
    kind: str
    mode: str
    introduced: float = 0.0
    limit: float = 4.0
    backward: float = 0.0
    backward_limit: float = 4.0
    carried: float = 0.0
    carried_limit: float = 4.0
    carried_backward: float = 0.0
    carried_backward_limit: float = 4.0
    ok: bool = True


@dataclass
class StepLine:
    """One optimizer step: the worst error of parameters and state, and of the losses of two free trainings."""

    step: int
    error: float
    limit: float
    what: str
    loss_left: float | None = None
    loss_right: float | None = None


@dataclass
class Report:
    """`ok`, `first_divergence`, `cause`, `str(report)`, `to_json()` and `to_html()`."""

    left: str
    right: str
    seed: int
    measurements: list[Measurement] = field(default_factory=list)
    layers: list[LayerLine] = field(default_factory=list)
    steps: list[StepLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def divergences(self) -> list[Measurement]:
        return [m for m in self.measurements if not m.ok]

    @property
    def ok(self) -> bool:
        return bool(self.measurements) and not self.divergences

    @property
    def first_divergence(self) -> Measurement | None:
        return next(iter(self.divergences), None)

    @property
    def cause(self) -> Cause | None:
        """The cause of the first divergence that has one, at or after the first place where the sides part."""
        return next((m.cause for m in self.divergences if m.cause is not None), None)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def environment(self) -> dict[str, str]:
        return {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "machine": platform.machine(),
            "seed": str(self.seed),
        }

    # --- printing -----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        lines = [self.verdict(), ""]
        lines += self._layer_table()
        first = self.first_divergence
        if first is not None:
            lines += ["", "First divergence", f"  {first}"]
            if first.first is not None:
                lines.append(f"  first element {first.first}")
            lines.append(f"  likely cause: {self.cause or 'no known convention explains it'}")
            others = [m for m in self.divergences[1:] if (m.where, m.cause) != (first.where, first.cause)]
            named = {(m.where, str(m.cause)): m for m in others if m.cause is not None}
            for m in named.values():
                lines.append(f"  also {m.place}: {m.cause}")
        if self.steps:
            worst = max(self.steps, key=lambda s: s.error / s.limit)
            lines += [
                "",
                f"Steps: {len(self.steps)}, worst {worst.what} at step {worst.step}: "
                f"{number(worst.error)} ulp, limit {number(worst.limit)}",
            ]
        lines += [f"note: {note}" for note in self.notes]
        env = ", ".join(f"{key} {value}" for key, value in self.environment().items())
        lines += ["", f"{len(self.measurements)} numbers compared in {self.seconds:.1f} s ({env})"]
        return "\n".join(lines)

    def verdict(self) -> str:
        if self.ok:
            return f"PARITY  {self.left} and {self.right} agree"
        if not self.measurements:
            return f"NOTHING COMPARED  {self.left}, {self.right}"
        first = self.first_divergence
        assert first is not None
        return f"DIVERGENCE  {self.left} and {self.right} part at {first.place}"

    def _layer_table(self) -> list[str]:
        """One line a layer and mode, introduced and carried error; of a long network, those near a divergence."""
        shown = self.layers
        lines = []
        if len(shown) > 40:
            bad = [i for i, layer in enumerate(shown) if not layer.ok]
            near = {j for i in bad[:5] for j in range(i - 2, i + 3)} or set(range(5))
            lines.append(f"{len(self.layers)} lines; shown are {'those near a divergence' if bad else 'the first'}")
            shown = [layer for i, layer in enumerate(shown) if i in near]
        names = [f"{layer.name or 'the whole'} ({layer.kind})" for layer in shown]
        width = max(map(len, names), default=5)
        lines.append(f"  {'ulp of the largest value / limit':<{width}} {'forward':>18} {'backward':>18} {'carried':>9}")
        mode = ""
        for name, layer in zip(names, shown, strict=True):
            if layer.mode != mode:
                mode = layer.mode
                lines.append(f"in {mode} mode")
            forward = f"{number(layer.introduced)} / {number(layer.limit)}"
            backward = f"{number(layer.backward)} / {number(layer.backward_limit)}"
            carried = "" if "→" in layer.name else number(layer.carried)
            lines.append(
                f"  {name:<{width}} {forward:>18} {backward:>18} {carried:>9}   {'ok' if layer.ok else 'PARTS'}"
            )
        return lines

    # --- files --------------------------------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        first = self.first_divergence
        return {
            "ok": self.ok,
            "verdict": self.verdict(),
            "left": self.left,
            "right": self.right,
            "first_divergence": None if first is None else _plain(asdict(first)),
            "cause": None if self.cause is None else _plain(asdict(self.cause)) | {"says": str(self.cause)},
            "layers": [_plain(asdict(layer)) for layer in self.layers],
            "measurements": [_plain(asdict(m)) | {"ok": m.ok} for m in self.measurements],
            "steps": [_plain(asdict(step)) for step in self.steps],
            "notes": self.notes,
            "environment": self.environment(),
            "seconds": self.seconds,
        }

    def to_json(self) -> str:
        """Infinity and NaN as strings: JSON has neither."""
        return json.dumps(self.as_dict(), indent=1, allow_nan=False)

    def to_html(self) -> str:
        """One file that needs nothing else."""
        from parity_tests.comparer.html import page

        return page(self)


def number(value: float) -> str:
    if value == 0:
        return "0"
    return "apart" if math.isinf(value) else f"{value:.3g}"


def _plain(nest: Any) -> Any:
    if isinstance(nest, dict):
        return {key: _plain(value) for key, value in nest.items()}
    if isinstance(nest, list | tuple):
        return [_plain(value) for value in nest]
    if isinstance(nest, np.generic):
        nest = nest.item()
    return str(nest) if isinstance(nest, float) and not math.isfinite(nest) else nest


def first_element(value: Any, truth: Any, limit: float) -> Element | None:
    """The first element further than `limit` ulp of the largest value from the truth."""
    value, truth = np.asarray(value), np.asarray(truth)
    if value.shape != truth.shape or value.dtype.kind not in "fiub" or value.size == 0:
        return None
    exact, got = truth.astype(np.float64), value.astype(np.float64)
    finite = np.isfinite(exact)
    unit = ulp(exact[finite], value.dtype if value.dtype.kind == "f" else np.float32) if finite.any() else 1.0
    with np.errstate(all="ignore"):
        error = np.abs(got - exact) / unit
    error = np.where((got == exact) | (np.isnan(got) & np.isnan(exact)), 0.0, error)
    apart = ~(error <= limit)
    if not apart.any():
        return None
    index = tuple(int(i) for i in np.unravel_index(int(apart.argmax()), apart.shape))
    return Element(index, float(got[index]), float(exact[index]), float(error[index]), int(apart.sum()), apart.size)
