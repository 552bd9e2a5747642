"""The report of a comparison: how it is printed, and its files."""

from __future__ import annotations

import json
import math
import platform
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from parity_tests.comparer.findings import Cause, CompareError, Findings, losses, number
from parity_tests.conventions.results import evidence

ALSO = 5  # causes of other places that are printed

__all__ = ["Cause", "CompareError", "Report"]


class Report(Findings):
    """`ok`, `first_divergence`, `cause`, `notes`, `verdict()`, `str(report)`, `to_json()` and `to_html()`."""

    def environment(self) -> dict[str, str]:
        return {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "machine": platform.machine(),
            "seed": str(self.seed),
        }

    @property
    def seen(self) -> list[str]:
        """Libraries that were run and seen to do what the cause says."""
        first = self.first_divergence
        if first is None or first.cause is None:
            return []
        kind = "" if first.phase in ("between", "end") else first.kind
        return evidence(first.cause.name, first.cause.text, first.inside_kind or kind)

    # --- printing -----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        lines = [self.verdict(), *(f"not compared: {text}" for text in self.uncompared), ""]
        lines += [str(self.proposal), ""] if self.proposal is not None else []
        lines += self._layer_table() if self.layers else []
        lines += self.first_lines()
        if self.steps:
            worst = max(self.steps, key=lambda s: s.error / s.limit)
            lines += [
                "",
                f"Steps: {len(self.steps)}, worst {worst.what} at step {worst.step}: "
                f"{number(worst.error)} ulp, limit {number(worst.limit)}",
                *losses(self.steps),
            ]
        lines += [f"note: {note}" for note in self.notes if not note.startswith("not compared: ")]
        env = ", ".join(f"{key} {value}" for key, value in self.environment().items())
        lines += ["", f"{len(self.measurements)} numbers compared in {self.seconds:.1f} s ({env})"]
        return "\n".join(lines)

    def first_lines(self) -> list[str]:
        """The first divergence with its cause, and the causes found elsewhere; nothing if there is none."""
        first = self.first_divergence
        if first is None:
            return []
        lines = ["", "First divergence", f"  {first}"]
        if first.first is not None:
            lines.append(f"  first element {first.first}")
        lines.append(f"  likely cause: {self.cause or 'no known convention explains it'}")
        lines += [f"    {text}" for text in self.seen]
        named: dict[Any, Any] = {}
        for m in self.divergences:
            if m.cause is not None:
                named.setdefault((m.where, m.cause.name), m)
        others = [m for m in named.values() if m.cause is not first.cause]
        lines += [f"  also {m.place}: {m.cause}" for m in others[:ALSO]]
        return lines + ([f"  and {len(others) - ALSO} more"] if len(others) > ALSO else [])

    def _layer_table(self) -> list[str]:
        """One line per layer and mode, own and accumulated error; for a long network, the lines near a divergence."""
        shown = self.layers
        lines = []
        if len(shown) > 40:
            bad = [i for i, layer in enumerate(shown) if not layer.ok]
            near = {j for i in bad[:5] for j in range(i - 2, i + 3)} or set(range(5))
            lines.append(f"{len(self.layers)} lines; shown are {'those near a divergence' if bad else 'the first'}")
            shown = [layer for i, layer in enumerate(shown) if i in near]
        names = [
            f"{layer.left} ↔ " * bool(layer.left) + f"{layer.name or 'the whole'} ({layer.kind})" for layer in shown
        ]
        width = max(map(len, names), default=5)
        lines.append(f"  {self.unit:<{width}} {'forward':>18} {'backward':>18} {'accumulated':>12}")
        mode = ""
        for name, layer in zip(names, shown, strict=True):
            if layer.mode != mode:
                mode = layer.mode
                lines.append(f"in {mode} mode")
            forward = f"{number(layer.forward)} / {number(layer.limit)}"
            backward = f"{number(layer.backward)} / {number(layer.backward_limit)}"
            accumulated = "" if "→" in layer.name or math.isnan(layer.accumulated) else number(layer.accumulated)
            says = "ok" if layer.ok else "differs" if self.ok or layer.idle else "DIVERGES"
            lines.append(f"  {name:<{width}} {forward:>18} {backward:>18} {accumulated:>12}   {says}")
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
            "cause": None
            if self.cause is None
            else _plain(asdict(self.cause)) | {"says": str(self.cause), "seen": self.seen},
            "layers": [_plain(asdict(layer)) for layer in self.layers],
            "parameters": [_plain(asdict(pair)) for pair in self.pairs],
            "measurements": [_plain(asdict(m)) | {"ok": m.ok} for m in self.measurements],
            "steps": [_plain(asdict(step)) for step in self.steps],
            "reason": self.reason,
            "not_compared": self.uncompared,
            "proposed_map": self.proposal.entries if self.proposal is not None else None,
            "notes": self.notes,
            "environment": self.environment(),
            "seconds": self.seconds,
        }

    def to_json(self) -> str:
        """Infinity and NaN as strings: JSON has neither."""
        return json.dumps(self.as_dict(), indent=1, allow_nan=False)

    def to_html(self) -> str:
        """A self-contained file."""
        from parity_tests.comparer.html import page

        return page(self)


def _plain(nest: Any) -> Any:
    if isinstance(nest, dict):
        return {key: _plain(value) for key, value in nest.items()}
    if isinstance(nest, list | tuple):
        return [_plain(value) for value in nest]
    if isinstance(nest, np.generic):
        nest = nest.item()
    return str(nest) if isinstance(nest, float) and not math.isfinite(nest) else nest
