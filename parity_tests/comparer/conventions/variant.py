"""What a known convention is: the reference layer computed another way, in float64, with torch's autograd behind it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch

Compute = Callable[..., Any]


class Variant(NamedTuple):
    """Another convention. `text` completes "..., the difference falls from a to b"."""

    name: str
    text: str
    compute: Compute  # the forward, of the layer's own arguments
    layer: torch.nn.Module  # whose parameters it uses
    buffers: Callable[[], dict[str, torch.Tensor]] | None = None  # the buffers afterwards, where they are the point
    parameters: bool = True  # whether gradients of the parameters are comparable
    gradients: bool = True  # whether gradients are meant at all


Source = Callable[[Any], Iterator[Variant]]
CATALOG: list[tuple[tuple[str, ...], Source]] = []


def convention(*kinds: str) -> Callable[[Source], Source]:
    """Registers a source of variants for layers of these classes."""

    def register(source: Source) -> Source:
        CATALOG.append((kinds, source))
        return source

    return register


def variants(layer: torch.nn.Module) -> Iterator[Variant]:
    """All known conventions for a layer, the common ones first."""
    kinds = {kind.__name__ for kind in type(layer).__mro__}
    for names, source in CATALOG:
        if not names or kinds.intersection(names):
            try:
                yield from source(layer)
            except Exception:  # a layer of that name with other attributes: not this convention
                continue


def changed(layer: torch.nn.Module, **attributes: Any) -> torch.nn.Module:
    """A copy of the layer with other attributes."""
    twin = copy.deepcopy(layer)
    for name, value in attributes.items():
        setattr(twin, name, value)
    return twin


def attribute(layer: torch.nn.Module, name: str, text: str, /, parameters: bool = True, **attributes: Any) -> Variant:
    """The layer with other attributes, as a variant."""
    twin = changed(layer, **attributes)
    return Variant(name, text, twin, twin, lambda: dict(twin.named_buffers()), parameters)


def with_weights(
    layer: torch.nn.Module, name: str, text: str, **weights: Callable[[torch.Tensor], torch.Tensor]
) -> Variant:
    """The layer with its parameters read another way. Their gradients are laid out another way then."""
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        for own, change in weights.items():
            parameter = getattr(twin, own)
            parameter.copy_(change(parameter.clone()))
    return Variant(name, text, twin, twin, parameters=False)


def sized(value: float) -> str:
    return f"{value:g}"
