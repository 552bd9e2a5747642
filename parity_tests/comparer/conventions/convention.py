"""What a known convention is: one call of a function done another way.

Conventions belong to functions: a normalization, an attention, a recurrence. Where the reference calls such a function,
or where its own code computes one, there is a Site, and every known convention of the function is a Deviation: the
function's arguments, or options that torch does not have, changed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity_tests.comparer.conventions.tape import Node, Ref, Tape, Values, exactly, mapped

IGNORED = {"inplace", "_stacklevel", "dtype", "size_average", "reduce", "out", "memory_format", "device", "layout"}
RENAMED = {"axis": "dim", "keepdims": "keepdim", "self": "input", "x": "input"}


@dataclass(frozen=True)
class By:
    """An argument changed by a function of its own value."""

    change: Callable[..., Any]


@dataclass(frozen=True)
class Deviation:
    """Another convention. `text` completes "..., the difference falls from a to b".

    changes     arguments of the function, as values or By functions; "output" is what becomes of its result, and
                "instead" a function of all the arguments that is computed in its place
    gradients   whether the gradients of it are meant too
    """

    name: str
    text: str
    changes: Mapping[str, Any]
    gradients: bool = True


@dataclass
class Site:
    """A call of a function on the tape: which, and its arguments with Refs for tensors."""

    tape: Tape
    index: int
    name: str
    given: dict[str, Any] = field(default_factory=dict)

    @property
    def node(self) -> Node:
        return self.tape.nodes[self.index]

    def options(self) -> Options:
        """The arguments, with the tensors of the undisturbed run."""
        given = mapped(self.given, Ref, lambda ref: self.tape.base[ref.index])
        return Options(given, function=self.name, follows=self._follows())

    def _follows(self) -> set[str]:
        """The functions to which the result goes on, through three calls."""
        found: set[str] = set()
        front = set(self.node.outputs())
        for _ in range(3):
            calls = {i for value in front for i in self.tape.consumers.get(value, [])}
            found |= {self.tape.nodes[i].name for i in calls}
            front = {value for i in calls for value in self.tape.nodes[i].outputs()}
        return found

    def compute(self, changes: Mapping[str, Any]) -> Callable[[Values], Any]:
        def other(values: Values) -> Any:
            options = self._filled(values)
            changed = {k: v for k, v in changes.items() if k not in ("output", "instead")}
            options |= {k: v.change(options.get(k)) if isinstance(v, By) else v for k, v in changed.items()}
            out = (
                changes["instead"](Options(options, function=self.name))
                if "instead" in changes
                else self._function()(**options)
            )
            return changes["output"].change(out) if "output" in changes else out

        return other

    def _filled(self, values: Values) -> dict[str, Any]:
        renamed = dict(self.node.changed)
        return values.fill(mapped(self.given, Ref, lambda ref: renamed.get(ref, ref)))

    def _function(self) -> Callable[..., Any]:
        if self.name in FUNCTIONS:
            return FUNCTIONS[self.name]
        call = exactly(self.node)
        return lambda args, kwargs: call(*args, **kwargs)


class Options(dict[str, Any]):
    """Arguments by name, as attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


ADDED = ("function", "follows")  # what Options say besides the arguments
Source = Callable[[Any], Iterator[Deviation]]
FUNCTIONS: dict[str, Callable[..., Any]] = {}
CATALOG: list[tuple[tuple[str, ...], Source]] = []


def function(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers what a torch function computes, with options that torch does not have."""

    def register(reference: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS.update(dict.fromkeys(names, reference))
        return reference

    return register


def convention(*names: str) -> Callable[[Source], Source]:
    """Registers a source of deviations, of a function's Options, for functions of these names."""

    def register(source: Source) -> Source:
        CATALOG.append((names, source))
        return source

    return register


def called(tape: Tape, index: int) -> Site | None:
    """The site of a call, with its arguments by name; an unknown function has none."""
    node = tape.nodes[index]
    if not any(node.name in names for names, _ in CATALOG):
        return None
    if node.name not in FUNCTIONS:
        return Site(tape, index, node.name, {"args": node.args, "kwargs": node.kwargs})
    parameters = inspect.signature(FUNCTIONS[node.name])
    kwargs = {RENAMED.get(k, k): v for k, v in node.kwargs.items()}
    kwargs = {k: v for k, v in kwargs.items() if k in parameters.parameters or k not in IGNORED}
    try:
        bound = parameters.bind(*node.args, **kwargs)
    except TypeError:
        return None
    bound.apply_defaults()
    return Site(tape, index, node.name, dict(bound.arguments))


def deviations(site: Site) -> Iterator[Deviation]:
    """All known conventions for a site, the common ones first."""
    for names, source in CATALOG:
        if site.name in names:
            try:
                yield from source(site.options())
            except (TypeError, ValueError, AttributeError, RuntimeError, IndexError, KeyError, ZeroDivisionError):
                continue  # a call of that name of another form: not this convention
