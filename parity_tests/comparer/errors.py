"""Errors in a user's own code, with file and line."""

from __future__ import annotations

import traceback
from pathlib import Path

import numpy as np
import torch

import scratch

ROOM = Path(__file__).parents[1]
OWN = [ROOM / name for name in ("comparer", "recordings", "vectors")]
LIBRARIES = (*OWN, Path(torch.__file__).parent, Path(np.__file__).parent, Path(scratch.__file__).parent)


def told(error: BaseException) -> str:
    """`ValueError: its first line (model.py, line 12)`: the last line of the user's own code on the way there."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    place = user_line(error)
    return f"{text} ({place})" if place else text


def user_line(error: BaseException) -> str:
    """File and line of the innermost frame that is neither this package's, torch's, NumPy's nor scratch's."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        ours = any(folder in path.parents for folder in LIBRARIES) and path.name != "example.py"
        if path.exists() and not ours and "importlib" not in frame.filename:
            return f"{path.name}, line {frame.lineno}"
    return ""
