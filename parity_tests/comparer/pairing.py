"""Which parameter of the left is which of the right: by name or by an explicit map, never by shape or order."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity_tests.comparer.findings import Cause, Findings, Measurement, PairLine
from parity_tests.comparer.judge import noise
from parity_tests.comparer.moves import ALONE, Link
from parity_tests.comparer.names import Names
from parity_tests.comparer.relations import permutation
from parity_tests.comparer.side import Side
from parity_tests.comparer.values import Numbers

Map = Mapping[str, str | Sequence[str]]
WRAPPERS = r"(^|(?<=\.))(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
RECURRENT = ("LSTM", "RNN", "LSTMCell", "RNNCell")  # where two biases are only ever added


class Pairing:
    """`names` are the right's for each of the left's, `links` say how a left one is made; `layers` pair layers."""

    def __init__(self, left: Side, right: Side, names: Map | None = None, implied: Any = None) -> None:
        """`implied` is what the sides' frameworks say of their names and layouts; a map says it before them."""
        self.left, self.right = left, right
        self.links: dict[str, Link] = {}
        self.layers: dict[str, str] = {}
        self.apart: set[str] = set()  # of the left, which are skipped
        self.zeros: set[str] = set()
        self.notes: list[str] = []
        self.left_virtual: dict[str, str] = {}  # weights that the left computes from others, to the right's names
        self.right_virtual: dict[str, str] = {}  # the left's names to weights that the right computes from others
        ours, theirs = left.state(), right.state()
        self._read_map(names or {}, ours, theirs)
        if implied is not None:
            if implied.one_way and not names:
                name, more = implied.one_way[0], len(implied.one_way) - 1
                raise ValueError(
                    f"compare: {name} of the right is a part or a sum of the left's parameters, as {more} more are: "
                    f"give the model of {self.right.framework} as the left, or a map."
                )
            self._take_implied(implied, ours, theirs)
        elif not names:
            self._strip(ours, theirs)
        taken = {theirs for link in self.links.values() for theirs in link.theirs}
        for name in ours:
            if name in self.links or name in self.apart | self.zeros:
                continue
            other = self._renamed(name)
            if other in theirs and other not in taken:
                self._link(name, (other,))
        self._add_biases(ours, theirs)
        self._add_virtual(theirs)
        left.modules = {self._renamed_layer(name): module for name, module in left.modules.items()}

    @property
    def names(self) -> dict[str, str]:
        """The right's name for each of the left's that is one of the right's, in any layout."""
        return {ours: link.theirs[0] for ours, link in self.links.items() if link.plain}

    # --- from names to pairs ------------------------------------------------------------------------------------------

    def _read_map(self, names: Map, ours: Numbers, theirs: Numbers) -> None:
        for own, entry in names.items():
            parts = (entry,) if isinstance(entry, str) else tuple(entry) if isinstance(entry, list | tuple) else ()
            if not parts or not all(isinstance(part, str) for part in parts):
                raise ValueError(
                    f"compare: the map of {own!r} must be a name of the right or a list of names and moves, "
                    f"got {entry!r}."
                )
            if own in self.left.modules and own not in ours and parts[0] in self.right.modules:
                self.layers[own] = parts[0]
                continue
            if own not in ours:
                raise ValueError(f"compare: the map names {own!r}, which is not among {_listed(ours)} of the left.")
            if parts in (("ignore",), ("zero",)) and parts[0] not in theirs:
                (self.apart if parts[0] == "ignore" else self.zeros).add(own)
                continue
            others = tuple(part for part in parts if part in theirs)
            moves = tuple(part for part in parts if part not in theirs)
            if not others or (parts[0] not in theirs and parts[0] not in ALONE):
                raise ValueError(
                    f"compare: the map names {parts[0]!r}, which is not among {_listed(theirs)} of the right."
                )
            self._link(own, others, moves)
            if self.links[own].plain:
                self._pair_layers(own, others[0])

    def _link(self, own: str, others: tuple[str, ...], moves: tuple[str, ...] = ()) -> None:
        ours, theirs = self.left.state(), self.right.state()
        shapes = [tuple(theirs[name].shape) for name in others]
        link = Link(own, others, moves, shapes, tuple(ours[own].shape))
        link.check()
        self.links[own] = link

    def _strip(self, ours: Numbers, theirs: Numbers) -> None:
        """Names of wrappers within names; and a prefix that all names of one side have, and none of the other."""
        for name in ours:
            bare = re.sub(WRAPPERS, "", name)
            if bare != name and bare in theirs and name not in theirs and bare not in ours:
                self._link(name, (bare,))
                self._pair_layers(name, bare)
        if self.links:
            self.notes.append("names were paired without their wrappers' prefix, such as 'module.'")
        if not ours or not theirs or self.links or set(ours) & set(theirs):
            return
        for names, others, into in ((ours, theirs, False), (theirs, ours, True)):
            prefix = _common_prefix(names)
            while prefix:
                if {name[len(prefix) + 1 :] for name in names} & set(others):
                    self.layers = {"": prefix} if into else {prefix: ""}
                    side = "right" if into else "left"
                    self.notes.append(f"the {side}'s names were paired without their prefix {prefix + '.'!r}")
                    return
                prefix = prefix.rpartition(".")[0]

    def _take_implied(self, implied: Any, ours: Numbers, theirs: Numbers) -> None:
        taken = {theirs for link in self.links.values() for theirs in link.theirs}
        for own, entry in implied.entries.items():
            others = tuple(part for part in entry if part in theirs)
            known = own in self.links or own in self.apart | self.zeros or taken.intersection(others)
            if own in ours and others and not known:
                self._link(own, others, tuple(part for part in entry if part not in theirs))
        for own, other in implied.layers.items():
            self.layers.setdefault(own, other)
        self.notes += implied.notes
        hidden = [n for n in self.left.modules if any(n == h or n.startswith(f"{h}.") for h in implied.hidden)]
        self.left.modules = {name: module for name, module in self.left.modules.items() if name not in hidden}

    def _add_biases(self, ours: Numbers, theirs: Numbers) -> None:
        """One bias where torch has two that are only ever added: it is their sum."""
        for own, link in list(self.links.items()):
            other = link.theirs[0].replace("bias_ih", "bias_hh")
            layer = link.theirs[0].rpartition(".")[0]
            kind = type(self.right.modules.get(layer)).__name__
            if other == link.theirs[0] or other not in theirs or kind not in RECURRENT or link.moves:
                continue
            if not any(other in one.theirs for one in self.links.values()) and own.replace("ih", "hh") not in ours:
                self._link(own, (link.theirs[0], other), ("sum",))
                self.notes.append(f"{own} of the left is the sum of {link.theirs[0]} and {other}: one bias for two")

    def _add_virtual(self, theirs: Numbers) -> None:
        """A weight that one side computes from others (weight_norm): it is set, and its gradient is not compared."""
        mine, other = self.left.virtual(), self.right.virtual()
        taken = {name for link in self.links.values() for name in link.theirs}
        for name, parts in mine.items():
            same = self._renamed(name) in theirs and self._renamed(name) not in taken
            same = same and self.left.virtual_value(name).shape == theirs[self._renamed(name)].shape
            if same and not set(parts) & set(self.links):
                self.left_virtual[name] = self._renamed(name)
        for name, parts in other.items():
            shape = self.right.virtual_value(name).shape
            own = next((n for n, v in self.left.state().items() if self._renamed(n) == name and v.shape == shape), None)
            if own is not None and not set(parts) & taken:
                self.right_virtual[own] = name

    # --- layers -------------------------------------------------------------------------------------------------------

    def _pair_layers(self, ours: str, theirs: str) -> None:
        """a.fc1.W -> b.linear.weight makes a.fc1 the layer b.linear."""
        ours, theirs = ours.rpartition(".")[0], theirs.rpartition(".")[0]
        if ours and ours != theirs and self._renamed_layer(ours) != theirs:
            self.layers.setdefault(ours, theirs)

    def _renamed_layer(self, name: str) -> str:
        for ours in sorted(self.layers, key=len, reverse=True):
            if name == ours or name.startswith(f"{ours}.") or (not ours and name != "loss"):
                rest = name[len(ours) :].lstrip(".")
                return ".".join(part for part in (self.layers[ours], rest) if part)
        return name

    def _renamed(self, name: str) -> str:
        layer, _, own = name.rpartition(".")
        layer = self._renamed_layer(layer)
        return f"{layer}.{own}" if layer else own

    def tell(self, report: Findings) -> None:
        """Write both sides' own names and layouts into a report."""
        report.pairs = [
            PairLine(link.ours, link.shape, link.moves, link.theirs, link.shapes) for link in self.links.values()
        ]
        Names(self.links.values(), self.layers, self.left.words).tell(report, self.notes)

    # --- what does not pair -------------------------------------------------------------------------------------------

    def alone(self) -> tuple[list[str], list[str]]:
        """The parameters that exist only on one side: the left's, the right's."""
        taken = {name for link in self.links.values() for name in link.theirs} | set(self.left_virtual.values())
        taken |= {part for name in self.right_virtual.values() for part in self.right.virtual()[name]}
        held = set(self.links) | self.apart | self.zeros | set(self.right_virtual)
        held |= {part for name in self.left_virtual for part in self.left.virtual()[name]}
        ours = [name for name in self.left.parameter_names() if name not in held]
        return ours, [name for name in self.right.parameter_names() if name not in taken]

    def misfits(self) -> list[Link]:
        """The pairs whose shapes do not fit."""
        return [link for link in self.links.values() if link.result_shape() != link.shape]

    def unpaired(self) -> list[Measurement]:
        """Parameters that exist only on one side or differ in shape. Reported before anything runs."""
        if self.left.frozen or self.right.frozen:
            return []
        ours, theirs = self.left.state(), self.right.state()
        left_alone, right_alone = self.alone()
        parameters = set(self.right.parameter_names())
        found = []
        for name in right_alone:
            cause = Cause("missing-bias", "the left has no bias here") if "bias" in name.rpartition(".")[2] else None
            found.append(_finding(name, f"the left has no {name} {list(theirs[name].shape)}", cause))
        for link in self.links.values():
            own, other = ours[link.ours], theirs[link.theirs[0]]
            name = link.theirs[0]
            if link.result_shape() != link.shape:
                if name not in parameters:
                    continue
                note = f"left {link.ours} is {list(own.shape)}, right {list(other.shape)}"
                found.append(_finding(name, note, self._layout(link)))
            elif own.dtype != other.dtype and other.dtype.kind == "f":
                note = f"left {link.ours} is {own.dtype}, right {other.dtype}"
                found.append(_finding(name, note, Cause("dtype", f"the left computes in {own.dtype}")))
        for name in left_alone:
            if self.left.engine == "object" and not self.left.has_gradient(name):
                continue
            bias = "bias" in name.rpartition(".")[2]
            cause = Cause("extra-bias", "the left has a bias that the right does not have") if bias else None
            found.append(_finding(self._renamed(name), f"the right has no {name}", cause))
        return found

    def _layout(self, link: Link) -> Cause | None:
        """The move that would make the shapes fit."""
        order = permutation(link.shape, link.shapes[0]) if len(link.shapes) == 1 else None
        if order is None:
            return None
        says = "transpose" if order == tuple(range(len(order)))[::-1] else f"permute {' '.join(map(str, order))}"
        text = f"stored in another layout? Say parameters={{{link.ours!r}: ({link.theirs[0]!r}, {says!r})}}"
        return Cause("transposed-weight", text)

    def shapes_agree(self) -> bool:
        parameters = set(self.right.parameter_names())
        return not any(link.theirs[0] in parameters for link in self.misfits())

    # --- numbers from one side to the other ---------------------------------------------------------------------------

    def copy(self) -> list[str]:
        """Give the left the right's numbers. Buffers that differ in shape are skipped and named."""
        theirs = self.right.state()
        left_alone: list[str] = []
        if self.left.frozen:
            return left_alone
        for own, link in self.links.items():
            if link.result_shape() != link.shape:
                left_alone.append(own)
                continue
            self.left.load(own, link.to_left([np.array(theirs[name]) for name in link.theirs]))
        for own in self.zeros:
            self.left.load(own, np.zeros_like(self.left.state()[own]))
        for own, name in self.left_virtual.items():
            self.left.load_virtual(own, np.array(theirs[name]))
        for own, name in self.right_virtual.items():
            self.left.load(own, self.right.virtual_value(name))
        return left_alone

    def other_numbers(self, layer: str = "") -> list[str]:
        """The right's parameters of a layer for which a left that cannot be written to has other numbers."""
        if not self.left.frozen:
            return []
        dot = f"{layer}." if layer else ""
        ours, theirs = self.left.state(), self.right.state()
        return [
            name
            for own, name in self.names.items()
            if name.startswith(dot) and ours[own].shape == theirs[name].shape and self._apart(ours[own], theirs[name])
        ]

    def _apart(self, ours: np.ndarray, theirs: np.ndarray) -> bool:
        if self.left.noise is not None:
            return noise(ours, theirs) > self.left.noise
        return not np.array_equal(ours, theirs)

    def turned(self, name: str, value: np.ndarray) -> np.ndarray:
        """A number of the left's parameter in the right's layout; `name` is the right's."""
        for link in self.links.values():
            if link.plain and link.theirs[0] == name and value.shape == link.shape:
                return link.to_right(value)[0][0]
        return value

    def translate(self, numbers: Numbers, layer: str = "") -> Numbers:
        """The left's numbers under the right's names; `layer` is the layer that they are local to."""
        prefix = Names((), self.layers, {}).layer(layer)
        translated: dict[str, Any] = {}
        covered: dict[str, np.ndarray] = {}
        for what, value in numbers.items():
            head, _, name = what.partition(" ")
            if head not in ("grad", "buffer") or what.startswith("grad input"):
                translated[what] = value
                continue
            link = self.links.get(f"{prefix}.{name}" if prefix else name) or (None if layer else self.links.get(name))
            if link is None or np.shape(value) != link.shape or link.result_shape() != link.shape:
                if link is None and f"{prefix}.{name}".strip(".") not in self.apart:
                    translated.setdefault(f"{head} {name}", value)
                elif link is not None and link.plain and head == "grad":  # of another shape: that is a finding
                    other = link.theirs[0]
                    translated[f"grad {other.removeprefix(f'{layer}.') if layer else other}"] = value
                continue
            for other, (part, where) in zip(link.theirs, link.to_right(value), strict=True):
                key = f"{head} {other.removeprefix(f'{layer}.') if layer else other}"
                before = translated.get(key) if key in covered else None
                translated[key] = part if before is None else before + part
                covered[key] = where if before is None else covered[key] | where
        for key, where in covered.items():
            if not where.all():
                del translated[key]
        return translated


def _common_prefix(names: Any) -> str:
    """The dotted prefix that all names share, without their last part."""
    split = [name.split(".")[:-1] for name in names]
    shared = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


def _listed(names: Mapping[str, Any]) -> str:
    shown = list(names)[:20]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "") if shown else "the parameters"


def _finding(name: str, note: str, cause: Cause | None) -> Measurement:
    layer = name.rpartition(".")[0]
    return Measurement(layer, "", "pairing", name.rpartition(".")[2], math.inf, 0.0, note=note, cause=cause)
