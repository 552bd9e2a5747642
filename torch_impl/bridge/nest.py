"""Nests of tuples, which torch.autograd.Function takes flat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Shape:
    """How a nest of tuples is laid out, so that it can travel flat through torch and be rebuilt."""

    def __init__(self, nest: Any) -> None:
        self.kind = type(nest) if isinstance(nest, tuple | list) else None
        self.parts = [Shape(part) for part in nest] if self.kind else []
        self.count: int = sum([part.count for part in self.parts]) if self.kind else 1
        self.output: Shape

    def fill(self, leaves: Iterator[Any]) -> Any:
        if self.kind is None:
            return next(leaves)
        parts = [part.fill(leaves) for part in self.parts]
        return self.kind(*parts) if hasattr(self.kind, "_fields") else self.kind(parts)


def leaves(nest: Any) -> Iterator[Any]:
    if isinstance(nest, tuple | list):
        for part in nest:
            yield from leaves(part)
    else:
        yield nest
