"""A drawing as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch_impl.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, path: str | Path, dpi: int = 130) -> None:
    """A PNG file, whole under its name or not at all."""
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=dpi))
