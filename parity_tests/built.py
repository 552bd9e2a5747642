"""A component among another's arguments: Built("nn.Linear", 5, 7) is a layer that each engine builds itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, init=False)
class Built:
    """The component of this name with these arguments; it has the precision of the component that receives it."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        for key, value in {"name": name, "args": args, "kwargs": kwargs}.items():
            object.__setattr__(self, key, value)
