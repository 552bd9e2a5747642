"""A changed source, the model that it makes, and the layers that its change concerns."""

from __future__ import annotations

import ast
import itertools
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any
from zlib import crc32

import numpy as np
import torch

import scratch
from parity_tests.tests.mutants import networks
from parity_tests.tests.mutants.sites import Site, attributes, sites
from torch_impl.bridge import TorchModule

Rule = Callable[[Site], Iterator[tuple[str, Any]]]  # what is changed, in words, and what takes the node's place


@dataclass(frozen=True)
class Variant:
    """One change. `owners` are the classes whose code holds it, `layers` the attributes of self that it names."""

    network: str
    rule: str
    change: str
    place: str  # line.column
    text: str
    owners: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    below: bool = False  # it is made where layers are made: what lies below them counts too

    @property
    def name(self) -> str:
        return f"{self.network}:{self.place}:{self.rule}:{self.change}"

    def calls(self, name: str, *models: Any) -> bool:
        """Whether this is a layer that the changed code calls."""
        owners = {n for model in models for n, kind in names_of(model).items() if kind in self.owners}
        return name in {f"{owner}.{layer}".lstrip(".") for owner in owners for layer in self.layers}

    def accepts(self, where: str, *models: Any) -> bool:
        """Whether a finding at this layer names the changed code or the layer that it changes."""
        tables = [names_of(model) for model in models]
        for name in {name for table in tables for name, kind in table.items() if kind in self.owners}:
            dot = f"{name}." if name else ""
            if where == name or where in {f"{dot}{layer}" for layer in self.layers}:
                return True
            if self.below and any(where.startswith(f"{dot}{layer}") for layer in self.layers or ("",)):
                return True
        return False


def names_of(model: Any) -> dict[str, str]:
    """The class of every layer by its dotted name."""
    if isinstance(model, torch.nn.Module):
        return {name: type(module).__name__ for name, module in model.named_modules()}
    return {"": type(model).__name__} | {n: type(v).__name__ for n, v in vars(model).items() if hasattr(v, "forward")}


@cache
def source(network: str) -> str:
    return resources.files(networks).joinpath(f"{network}.py").read_text(encoding="utf-8")


@cache
def module(network: str, text: str = "") -> types.ModuleType:
    """The network's file as a module, or another text in its place."""
    made = types.ModuleType(f"{network}_{crc32(text.encode()):08x}")
    sys.modules[made.__name__] = made
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np}  # what a rule writes may need them
    vars(made).update(names, scratch=scratch, TorchModule=TorchModule)
    exec(compile(text or source(network), f"{network}.py", "exec"), vars(made))
    return made


def build(network: str, text: str = "", reference: bool = False) -> Any:
    """A model from the text. The reference has parameters and buffers that no default leaves at 0 or 1."""
    made = module(network, text)
    torch.manual_seed(0)
    if not reference:
        return made.build()
    model = getattr(made, "reference", made.build)()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.state_dict().values():
            if value.is_floating_point():
                value += 0.2 * torch.rand(value.shape, generator=generator)
    return model


def inputs(network: str) -> tuple[np.ndarray, ...]:
    return module(network).inputs(np.random.default_rng(0))


def variants(network: str, rules: Mapping[str, Rule]) -> Iterator[Variant]:
    """Every change that the rules can make, the rules taking turns; in the same order each time."""
    tree = ast.parse(source(network))
    users = _users(tree)
    found: dict[str, list[tuple[Site, str, Any]]] = {name: [] for name in rules}
    for site in sites(tree):
        for name, rule in rules.items():
            found[name] += [(site, change, new) for change, new in rule(site)]
    rng = np.random.default_rng(crc32(network.encode()))
    shuffled = [[(rule, *group[i]) for i in rng.permutation(len(group))] for rule, group in found.items()]
    seen = {ast.unparse(tree)}
    for turn in itertools.zip_longest(*shuffled):
        for rule, site, change, new in filter(None, turn):
            with site.replaced(new):
                text = ast.unparse(ast.fix_missing_locations(tree))
            if text not in seen:
                seen.add(text)
                yield Variant(network, rule, change, site.place, text, *_concerns(site, new, users))


def _users(tree: ast.Module) -> dict[str, set[str]]:
    """The classes whose code uses a function at the top of the file, through other functions too."""
    tops = [top for top in tree.body if isinstance(top, ast.ClassDef | ast.FunctionDef)]
    uses = {top.name: {part.id for part in ast.walk(top) if isinstance(part, ast.Name)} for top in tops}
    classes = {top.name for top in tops if isinstance(top, ast.ClassDef)}
    functions = {top.name for top in tops} - classes
    users = {}
    for function in functions:
        reached = {function}
        while more := {name for name, used in uses.items() if used & reached & functions} - reached:
            reached |= more
        users[function] = reached & classes
    return users


def _concerns(site: Site, new: Any, users: dict[str, set[str]]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """The classes that hold the changed code, the layers that it names before and after, whether it makes them."""
    owner = site.owner.name
    if owner in users:
        return tuple(sorted(users[owner])), (), any(w in ast.unparse(site.owner) for w in ("nn.Conv", "nn.Linear"))
    if site.statement is site.function:  # a default value
        return (owner,), (), site.constructing
    if site.constructing:
        part = site.statement
        one = isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Attribute)
        if one and not isinstance(part.value, ast.Call | ast.Attribute):  # type: ignore[attr-defined]
            one = False  # a number, by which layers are made
        return (owner,), tuple(dict.fromkeys(attributes(part) + _named(new))) if one else (), True
    layers = attributes(site.statement) + _named(new)
    loops = [n for n in ast.walk(site.function) if isinstance(n, ast.For) and isinstance(n.target, ast.Name)]
    names = {n.id for n in ast.walk(site.statement) if isinstance(n, ast.Name)}
    for loop in loops:
        if loop.target.id in names or loop is site.statement:  # type: ignore[attr-defined]
            layers += [f"{a}.{i}" for a in attributes(loop.iter) for i in range(8)]
    return (owner,), tuple(dict.fromkeys(layers)), False


def _named(new: Any) -> list[str]:
    parts = new if isinstance(new, list) else [new]
    return [name for part in parts if isinstance(part, ast.AST) for name in attributes(part)]
