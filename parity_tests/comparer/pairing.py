"""Which parameter of the left is which of the right: by name or by an explicit map, never by shape or order."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from parity_tests.comparer.array_side import ArraySide
from parity_tests.comparer.findings import Cause, Measurement
from parity_tests.comparer.side import Side
from parity_tests.comparer.values import Numbers

Map = Mapping[str, str | tuple[str, str]]


class Pairing:
    """The map from the left's names to the right's, with the parameters that are stored transposed."""

    def __init__(self, left: Side, right: Side, names: Map | None = None) -> None:
        self.left, self.right = left, right
        self.names: dict[str, str] = {}  # parameters and buffers, left -> right
        self.transposed: set[str] = set()  # by the right's name
        self.layers: dict[str, str] = {}
        for ours, entry in (names or {}).items():
            theirs, *how = (entry,) if isinstance(entry, str) else entry
            if how not in ([], ["transpose"]):
                raise ValueError(
                    f"compare: the map of {ours!r} says {how[0]!r}; the one thing it can say is 'transpose'."
                )
            if ours in left.modules and theirs in right.modules:
                self.layers[ours] = theirs
                continue
            for side, name in ((left, ours), (right, theirs)):
                if name not in side.state():
                    raise ValueError(f"compare: the map names {name!r}, which is not among {', '.join(side.state())}.")
            self.names[ours] = theirs
            self.transposed |= {theirs} if how else set()
            self._pair_layers(ours, theirs)
        for name in left.state():
            self.names.setdefault(name, self._renamed(name))
        left.modules = {self._renamed_layer(name): module for name, module in left.modules.items()}

    def _pair_layers(self, ours: str, theirs: str) -> None:
        """a.fc1.W -> b.linear.weight makes a.fc1 the layer b.linear."""
        ours, theirs = ours.rpartition(".")[0], theirs.rpartition(".")[0]
        if ours and theirs and ours != theirs:
            self.layers.setdefault(ours, theirs)

    def _renamed_layer(self, name: str) -> str:
        for ours in sorted(self.layers, key=len, reverse=True):
            if name == ours or name.startswith(f"{ours}."):
                return self.layers[ours] + name[len(ours) :]
        return name

    def _renamed(self, name: str) -> str:
        layer, _, own = name.rpartition(".")
        layer = self._renamed_layer(layer)
        return f"{layer}.{own}" if layer else own

    def unpaired(self) -> list[Measurement]:
        """What is on one side alone, and what has another shape. Reported before anything runs."""
        if self.left.frozen or self.right.frozen:
            return []
        ours, theirs = self.left.state(), self.right.state()
        paired = {self.names[name]: name for name in ours}
        found = []
        for name, value in theirs.items():
            if name not in paired:
                buffer = name not in self.right.parameter_names()
                if buffer and isinstance(self.left, ArraySide) and self.left.engine == "object":
                    continue
                cause = (
                    Cause("missing-bias", "the left has no bias here") if "bias" in name.rpartition(".")[2] else None
                )
                found.append(self._finding(name, f"the left has no {name} {list(value.shape)}", cause))
                continue
            own = ours[paired[name]]
            shape = own.shape[::-1] if name in self.transposed else own.shape
            if shape != value.shape:
                note = f"left {paired[name]} is {list(own.shape)}, right {list(value.shape)}"
                cause = None
                if own.shape[::-1] == value.shape:
                    cause = Cause(
                        "transposed-weight",
                        f"stored transposed? Say parameters={{{paired[name]!r}: ({name!r}, 'transpose')}}",
                    )
                found.append(self._finding(name, note, cause))
            elif own.dtype != value.dtype and value.dtype.kind == "f":
                note = f"left {paired[name]} is {own.dtype}, right {value.dtype}"
                found.append(self._finding(name, note, Cause("dtype", f"the left computes in {own.dtype}")))
        for right_name, name in paired.items():
            if right_name not in theirs and not (self.left.engine == "object" and not self._has_gradient(name)):
                cause = None
                if "bias" in name.rpartition(".")[2]:
                    cause = Cause("extra-bias", "the left has a bias that the right has not")
                found.append(self._finding(right_name, f"the right has no {right_name}", cause))
        return found

    def _has_gradient(self, name: str) -> bool:
        assert isinstance(self.left, ArraySide)
        return self.left.slots[name].gradient() is not None

    def shapes_agree(self) -> bool:
        ours, theirs = self.left.state(), self.right.state()
        return all(
            (ours[a].shape[::-1] if b in self.transposed else ours[a].shape) == theirs[b].shape
            for a, b in self.names.items()
            if b in theirs
        )

    @staticmethod
    def _finding(name: str, note: str, cause: Cause | None) -> Measurement:
        layer = name.rpartition(".")[0]
        return Measurement(layer, "", "pairing", name.rpartition(".")[2], math.inf, 0.0, note=note, cause=cause)

    def copy(self) -> None:
        """Give the left the right's numbers."""
        theirs = self.right.state()
        for ours, name in self.names.items():
            if name in theirs:
                value = np.array(theirs[name])
                self.left.load(ours, value.T if name in self.transposed else value)

    def turned(self, name: str, value: np.ndarray) -> np.ndarray:
        """A number of the left's parameter in the right's layout; `name` is the right's."""
        return value.T if name in self.transposed else value

    def translate(self, numbers: Numbers, layer: str = "") -> Numbers:
        """The left's numbers under the right's names; `layer` is the layer that they are local to."""
        back = {theirs: ours for ours, theirs in self.layers.items()}
        prefix = self._left_layer(layer, back)
        translated = {}
        for what, value in numbers.items():
            head, _, name = what.partition(" ")
            if head not in ("grad", "buffer") or what.startswith("grad input"):
                translated[what] = value
                continue
            full = self.names.get(f"{prefix}.{name}" if prefix else name, name)
            own = full.removeprefix(f"{layer}.") if layer else full
            translated[f"{head} {own}"] = value.T if full in self.transposed else value
        return translated

    @staticmethod
    def _left_layer(layer: str, back: Mapping[str, str]) -> str:
        for theirs in sorted(back, key=len, reverse=True):
            if layer == theirs or layer.startswith(f"{theirs}."):
                return back[theirs] + layer[len(theirs) :]
        return layer
