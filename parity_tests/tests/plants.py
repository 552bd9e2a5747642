"""Deviations planted in hand-written code, and how the comparison is asked for their cause."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from parity_tests import compare


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def integers(top: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, top, *shape]).integers(0, top, shape)


class Net(torch.nn.Module):
    """A network whose forward is a function of itself and its input; parts are layers, parameters or constants."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            setattr(self, name, copy.deepcopy(part))

    def forward(self, *args: Any) -> Any:
        return self.function(self, *args)


def own(layer: torch.nn.Module, forward: Callable[..., Any]) -> torch.nn.Module:
    """The layer's parameters and another forward, as a hand-written layer of the same name has them."""
    twin = copy.deepcopy(layer)
    kind = type(layer)
    twin.__class__ = type(f"My{kind.__name__}", (kind,), {"forward": lambda self, *a, **k: forward(self, *a, **k)})
    return twin


def seeded(make: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    return make()


@dataclass(frozen=True)
class Plant:
    """Two modules that differ by a known convention. `named` says whether its cause is found; it may never be wrong."""

    ident: str
    cause: str
    left: Any
    right: Any
    inputs: Any
    named: bool = True
    options: Any = None


def layer(ident: str, cause: str, right: Any, forward: Callable[..., Any], inputs: Any, **options: Any) -> Plant:
    """A layer of torch's against the same layer written by hand."""
    return Plant(ident, cause, torch.nn.Sequential(own(right, forward)), torch.nn.Sequential(right), inputs, **options)


def network(ident: str, cause: str, left: Any, right: Any, inputs: Any, parts: Any, **options: Any) -> Plant:
    """The same layers with other code between them."""
    return Plant(ident, cause, Net(left, **parts), Net(right, **parts), inputs, **options)


def planted(plants: list[Plant]) -> Any:
    return pytest.mark.parametrize("plant", [pytest.param(p, id=p.ident) for p in plants])


def check(plant: Plant) -> None:
    """The cause is found if the list says so, and nothing wrong is ever named."""
    report = compare(plant.left, plant.right, plant.inputs, **(plant.options or {}))
    assert not report.ok, str(report)
    found = None if report.cause is None else report.cause.name
    wanted = plant.cause if plant.named else None
    assert found == wanted, f"{plant.ident}: right is {plant.cause!r}, named {found!r}\n{report}"


def agrees(left: Any, right: Any, inputs: Any, **options: Any) -> None:
    """A rewrite that means the same."""
    report = compare(left, right, inputs, **options)
    assert report.ok, str(report)
