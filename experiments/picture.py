"""A drawing as a file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from torch_impl.files import write_whole


def save(figure: Figure, path: str | Path, dpi: int = 130) -> None:
    """A PNG file, written completely or not at all."""
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=dpi))
