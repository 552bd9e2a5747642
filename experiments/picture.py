"""What all pictures share: the color and the line of each engine, and a drawing as a file.

Torch is a thick blue line, scratch a thin orange one over it: two of Okabe and Ito's colors, which people who see no
red or no green tell apart, and which differ in width where there is no color at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch_impl.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


COLORS = {"scratch": "#d55e00", "torch": "#0072b2"}
ON_DARK = {"scratch": "#ff9d57", "torch": "#5ab4ee"}  # the same two on a dark page
ENGINE_STYLES: dict[str, dict[str, Any]] = {  # in the order of drawing: what comes later is over it
    "torch": {"color": COLORS["torch"], "linewidth": 3.5, "solid_capstyle": "butt", "zorder": 2},
    "scratch": {"color": COLORS["scratch"], "linewidth": 1.2, "zorder": 3},
}


def save(figure: Figure, path: str | Path, dpi: int = 130) -> None:
    """A PNG file, whole under its name or not at all."""
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=dpi))
