"""Layers with parameters, by what they compute: which of their own arrays plays which part.

The parts are called as torch calls them. A recurrent layer that keeps its gates apart has `weight_ih.i`, one for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity_tests.comparer.side import Side
from parity_tests.comparer.trace import Order

TORCH = {
    "Linear": "linear", "NonDynamicallyQuantizableLinear": "", "Embedding": "embedding", "PReLU": "prelu",
    "MultiheadAttention": "attention", "LSTM": "lstm", "LSTMCell": "lstm", "GRU": "gru", "GRUCell": "gru", "RNN": "rnn",
    "RNNCell": "rnn", "LayerNorm": "norm", "GroupNorm": "norm", "RMSNorm": "norm",
    **{f"Conv{n}d": "conv" for n in (1, 2, 3)}, **{f"BatchNorm{n}d": "norm" for n in (1, 2, 3)},
    **{f"InstanceNorm{n}d": "norm" for n in (1, 2, 3)},
}  # fmt: skip
PARTS = {
    "linear": ("weight", "bias"), "conv": ("weight", "bias"), "embedding": ("weight",), "prelu": ("weight",),
    "norm": ("weight", "bias", "running_mean", "running_var"),
    "attention": ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"),
}  # fmt: skip


@dataclass
class Unit:
    """A layer: what it computes, its dotted name, and its arrays by the part that they play.

    `layer` is the layer that is called as torch's is: a loop over steps, around its cell. `suffix` is that of one layer
    of torch's recurrent modules, such as `_l0`.
    """

    kind: str
    path: str
    names: Mapping[str, str] = field(default_factory=dict)
    layer: str = ""
    suffix: str = ""


def units_of(side: Side) -> list[Unit]:
    """Those of a side with torch's classes and names."""
    found = []
    state = side.state()
    for path, module in side.modules.items():
        kind = kind_of_layer(module, TORCH)
        dot = f"{path}." if path else ""
        if kind in ("lstm", "gru", "rnn"):
            cell = f"{dot}weight_ih" in state
            suffixes = [""] if cell else [f"_l{i}" for i in range(64) if f"{dot}weight_ih_l{i}" in state]
            suffixes = [s for s in suffixes for s in (s, f"{s}_reverse") if f"{dot}weight_ih{s}" in state]
            for suffix in suffixes:
                parts = [f"{p}_{h}" for p in ("weight", "bias") for h in ("ih", "hh")]
                names = {part: f"{dot}{part}{suffix}" for part in parts if f"{dot}{part}{suffix}" in state}
                found.append(Unit(kind, path, names, path if len(suffixes) == 1 else "", suffix))
        elif kind:
            names = {part: f"{dot}{part}" for part in PARTS[kind] if f"{dot}{part}" in state}
            found.append(Unit(kind, path, names, path))
    return [unit for unit in found if unit.names]


def in_order_of_calls(units: Iterable[Unit], order: Order) -> list[Unit]:
    """Those that are called first come first; the rest, which is not seen, as they are."""
    first = {name: i for i, (name, _) in reversed([*enumerate(order.calls)])}
    units = list(units)
    if not all(unit.layer in first or unit.path in first for unit in units):
        return units
    return sorted(units, key=lambda unit: first.get(unit.layer, first.get(unit.path, 0)))


def walk_names(names: Iterable[str], path: str) -> Iterator[tuple[str, str]]:
    """The arrays of a layer: their names below it, and in the whole."""
    dot = f"{path}." if path else ""
    for name in names:
        if name.startswith(dot):
            yield name.removeprefix(dot), name


def simple(kind: str, path: str, parts: Mapping[str, str], names: Iterable[str]) -> Unit:
    """A layer whose own arrays are called so: {"kernel": "weight"}."""
    found = {parts[own]: name for own, name in walk_names(names, path) if own in parts}
    return Unit(kind, path, found, path)


def kind_of_layer(layer: Any, kinds: Mapping[str, str]) -> str:
    """By the names of its classes, the nearest first."""
    return next((kinds[c.__name__] for c in type(layer).__mro__ if c.__name__ in kinds), "")
