"""What a torch module computes, as the list of torch functions that it calls, and the same with one of them done
differently.

A recording holds every call of a torch function that a run made, whether torch.nn or the user wrote the code around it.
It is replayed in float64. Casts to float32 are left out, so that it is exact even where the module itself insists on
float32. Values are numbered: an operation in place makes a new value, as in static single assignment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from parity_tests.comparer.nests import leaves, map_nest

EXACT = {torch.float32: torch.float64}
STATEFUL = {"batch_norm", "instance_norm"}  # these change arguments that are not their first


@dataclass(frozen=True, slots=True)
class Ref:
    """The place of a tensor's value on the tape. It has slots, so that it is a leaf of every nest."""

    index: int


@dataclass
class Node:
    """One call of a torch function. `args`, `kwargs` and `out` have Refs where tensors stood."""

    function: Callable[..., Any]
    name: str
    args: Any
    kwargs: dict[str, Any]
    out: Any
    changed: list[tuple[Ref, Ref]]  # values that the call overwrites: before, after
    where: str
    gradient: bool
    state: torch.Tensor | None = None  # the generator's, if the call draws from it

    def inputs(self) -> Iterator[int]:
        return (ref.index for ref in refs((self.args, self.kwargs)))

    def outputs(self) -> Iterator[int]:
        yield from (ref.index for ref in refs(self.out))
        yield from (after.index for _, after in self.changed)


def refs(nest: Any) -> Iterator[Ref]:
    if isinstance(nest, Ref):
        yield nest
    elif isinstance(nest, tuple | list):
        for part in nest:
            yield from refs(part)
    elif isinstance(nest, dict):
        for part in nest.values():
            yield from refs(part)


def mapped(nest: Any, kind: Any, change: Callable[[Any], Any]) -> Any:
    """The nest with every leaf of this kind changed."""
    if isinstance(nest, kind):
        return change(nest)
    if isinstance(nest, tuple | list):
        parts = [mapped(part, kind, change) for part in nest]
        return parts if isinstance(nest, list) else tuple(parts)
    if isinstance(nest, dict):
        return {key: mapped(part, kind, change) for key, part in nest.items()}
    return nest


class Recording(TorchFunctionMode):
    """While it is entered, it writes down the torch functions that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self.leaves: dict[int, torch.Tensor] = {}
        self.labels: dict[int, str] = {}
        self.path: list[str] = []
        self._size = 0
        self._latest: dict[int, int] = {}
        self._kept: list[torch.Tensor] = []  # an id may be reused once its tensor is gone

    def ref(self, tensor: torch.Tensor) -> Ref:
        """The value that the tensor has now."""
        if id(tensor) not in self._latest:
            index = self._new(tensor)
            self.leaves[index] = tensor
        return Ref(self._latest[id(tensor)])

    def label(self, tensor: torch.Tensor, text: str) -> Ref:
        ref = self.ref(tensor)
        self.labels[ref.index] = text
        return ref

    def _new(self, tensor: torch.Tensor) -> int:
        self._kept.append(tensor)
        self._latest[id(tensor)] = self._size
        self._size += 1
        return self._size - 1

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = _name(function)
        before = {id(x): (x, x._version) for x in _tensors((args, kwargs)) if not x.is_inference()}
        given = mapped((args, kwargs), torch.Tensor, self.ref)
        in_place = name.endswith("_") or name == "setitem"
        starts = self._starts(x for x, _ in before.values()) if in_place or name in STATEFUL else []
        out = function(*args, **kwargs)
        overwritten = [x for x, version in before.values() if x._version > version]
        if in_place:
            overwritten = list(_tensors(args))[:1]
        elif name in STATEFUL:  # running statistics, whose version counter does not change
            overwritten = [x for x, start in starts if not torch.equal(x, start)]
        changed = [(self.ref(x), Ref(self._new(x))) for x in overwritten]
        same = {id(x) for x in overwritten}
        fresh = mapped(out, torch.Tensor, lambda x: self.ref(x) if id(x) in same else Ref(self._new(x)))
        if changed or any(True for _ in refs(fresh)):
            where = self.path[-1] if self.path else ""
            self.nodes.append(
                Node(function, name.rstrip("_"), given[0], given[1], fresh, changed, where, torch.is_grad_enabled())
            )
        return out

    def _starts(self, tensors: Iterable[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Copies of what a call may overwrite; a leaf of the tape keeps its own."""
        found = []
        for tensor in tensors:
            start = tensor.detach().clone().requires_grad_(tensor.requires_grad)
            found.append((tensor, start))
            index = self.ref(tensor).index
            if self.leaves.get(index) is tensor:
                self.leaves[index] = start
        return found

    @contextmanager
    def naming(self, module: torch.nn.Module, but: Collection[str] = ()) -> Iterator[None]:
        """Each call is written down with the layer that it belongs to, except in the layers of these names."""

        def leave(*_: Any) -> None:
            self.path.pop()

        hooks = []
        for name, part in module.named_modules():
            if name in but:
                continue
            hooks.append(part.register_forward_pre_hook(lambda *_, name=name: self.path.append(name)))
            hooks.append(part.register_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _name(function: Any) -> str:
    """Add for torch.add, Tensor.add, Tensor.__add__ and Tensor.__radd__; names in place keep their last underscore."""
    name = getattr(function, "__name__", "")
    if name == "__get__":
        return getattr(getattr(function, "__self__", None), "__name__", "get")
    if name.startswith("__") and name.endswith("__"):
        name = name.strip("_")
        return f"{name[1:]}_" if name in ("iadd", "isub", "imul", "itruediv", "idiv", "ipow") else name
    return name


def _tensors(nest: Any) -> Iterator[torch.Tensor]:
    found: list[torch.Tensor] = []
    mapped(nest, torch.Tensor, found.append)
    return iter(found)


Compute = Callable[["Values"], Any]


@dataclass
class Values:
    """The values of one playing; those that a change does not reach are the tape's own."""

    tape: Tape
    own: dict[int, torch.Tensor] = field(default_factory=dict)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.own[index] if index in self.own else self.tape.base[index]

    def fill(self, nest: Any) -> Any:
        return mapped(nest, Ref, lambda ref: self[ref.index])

    def fill_nest(self, nest: Any) -> Any:
        """A nest of any kind, such as an output."""
        return map_nest(lambda x: self[x.index] if isinstance(x, Ref) else x, nest)


class Tape:
    """A recording and its values in float64."""

    def __init__(self, recording: Recording, output: Any, names: Mapping[str, torch.Tensor], seed: int) -> None:
        """`names` are the leaves that have one, parameters, buffers and inputs, with tensors of the recorded run."""
        self.nodes, self.labels = recording.nodes, recording.labels
        self.output = map_nest(lambda x: recording.ref(x) if isinstance(x, torch.Tensor) else x, output)
        self.results = [leaf for leaf in leaves(self.output) if isinstance(leaf, Ref)]
        self.starts = {name: recording.ref(tensor).index for name, tensor in names.items()}
        final = {before.index: after.index for node in self.nodes for before, after in node.changed}
        self.ends = {name: _last(index, final) for name, index in self.starts.items()}
        self.producer = {index: i for i, node in enumerate(self.nodes) for index in node.outputs()}
        self.consumers: dict[int, list[int]] = {}
        for i, node in enumerate(self.nodes):
            for index in node.inputs():
                self.consumers.setdefault(index, []).append(i)
        self.base: dict[int, torch.Tensor] = {}
        named = set(self.starts.values())
        for index, leaf in recording.leaves.items():
            value = leaf.detach().clone().to(EXACT.get(leaf.dtype, leaf.dtype)).cpu()
            self.base[index] = value.requires_grad_(index in named and leaf.requires_grad)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            values = Values(self, self.base)
            for node in self.nodes:
                state = torch.get_rng_state()
                self._play(node, values, None)
                node.state = None if torch.equal(state, torch.get_rng_state()) else state

    def needed(self, targets: Iterable[int]) -> list[int]:
        """The nodes on which these values depend, in order."""
        wanted, found = set(targets), []
        for i in range(len(self.nodes) - 1, -1, -1):
            if wanted.intersection(self.nodes[i].outputs()):
                found.append(i)
                wanted.update(self.nodes[i].inputs())
        return found[::-1]

    def play(self, changes: Mapping[int, Compute]) -> Values:
        """All values with some calls computed another way; what does not depend on them is kept."""
        values = Values(self)
        with torch.random.fork_rng(devices=[]):
            for i in range(min(changes, default=0), len(self.nodes)):
                node = self.nodes[i]
                if i in changes or any(index in values.own for index in node.inputs()):
                    if node.state is not None:
                        torch.set_rng_state(node.state)
                    self._play(node, values, changes.get(i))
        return values

    def _play(self, node: Node, values: Values, compute: Compute | None) -> None:
        with torch.set_grad_enabled(node.gradient):
            for before, after in node.changed:
                values.own[after.index] = values[before.index].clone()
            renamed = dict(node.changed)
            if compute is not None:
                out = compute(values)
            else:
                args, kwargs = values.fill(mapped((node.args, node.kwargs), Ref, lambda ref: renamed.get(ref, ref)))
                out = exactly(node)(*args, **kwargs)
        if node.out is None and compute is not None:  # an assignment: its result is the overwritten value
            values.own[node.changed[0][1].index] = out
        _bind(node.out, out, values.own)


def _last(index: int, final: Mapping[int, int]) -> int:
    while index in final:
        index = final[index]
    return index


def _bind(places: Any, out: Any, values: dict[int, torch.Tensor]) -> None:
    if isinstance(places, Ref):
        values[places.index] = out.to(EXACT.get(out.dtype, out.dtype))
    elif isinstance(places, tuple | list):
        for place, part in zip(places, out, strict=True):
            _bind(place, part, values)
    elif isinstance(places, dict):
        for key, place in places.items():
            _bind(place, out[key], values)


def exactly(node: Node) -> Callable[..., Any]:
    """The node's function with float64 wherever it says float32, or a device that the tape is not on."""
    if node.name == "float":
        return torch.Tensor.double

    def call(*args: Any, **kwargs: Any) -> Any:
        given = mapped((args, kwargs), torch.dtype, lambda dtype: EXACT.get(dtype, dtype))
        args, kwargs = mapped(given, torch.device, lambda _: torch.device("cpu"))
        if node.name == "rms_norm" and len(args) < 4 and kwargs.get("eps") is None:
            kwargs["eps"] = torch.finfo(torch.float32).eps  # the default is that of the precision of the input
        return node.function(*args, **kwargs)

    return call
