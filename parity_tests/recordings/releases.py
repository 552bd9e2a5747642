"""A difference between two releases of torch, by the table of what its releases changed.

Where the catalog can run the layer's code, it finds such a cause itself. Two folders hold no code: then the table names
the change, if what was recorded is as it says.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from parity_tests.comparer.findings import Cause, Measurement
from parity_tests.recordings.live import Live
from parity_tests.recordings.query import Query
from parity_tests.recordings.read import Folder
from parity_tests.table.versions import CHANGES, Change

CLAMP = "gradient of clamp at its bound"


def release_of(side: Folder | Live) -> tuple[int, ...]:
    """The release of torch that a side was run with, as (2, 14); empty if a folder does not say."""
    text = side.environment.get("torch", "") if isinstance(side, Folder) else torch.__version__
    found = re.match(r"(\d{1,4})\.(\d{1,4})", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def changed(left: tuple[int, ...], right: tuple[int, ...]) -> list[Change]:
    """What changed between two releases, in either order."""
    older, newer = sorted((left, right))
    return [change for change in CHANGES if older < change.release <= newer] if older else []


def cause_of(
    query: Query, m: Measurement, ours: Any, exact: Any, left: Folder | Live, right: Folder | Live
) -> Cause | None:
    """The change between the two releases that gives what was recorded at one call."""
    releases = release_of(left), release_of(right)
    for change in changed(*releases):
        if change.component == f"nn.{query.kind}" or (change.what == CLAMP and m.at_kinks):
            if change.what == CLAMP and not _slopes(query, ours, exact, releases[0] < releases[1]):
                continue
            said = [".".join(map(str, release)) for release in releases]
            text = f"{change.what} of torch: from {change.since} on {change.now}, before {change.before}"
            return Cause("torch-release", f"{text}; the left is from torch {said[0]}, the right from {said[1]}")
    return None


def _slopes(query: Query, ours: Any, exact: Any, left_is_older: bool) -> bool:
    """Whether the gradients differ as 1 and 0 times the cotangent, the older release's being 1."""
    dys = [dy for dy in query.dys or () if dy is not None]
    if np.shape(ours) != np.shape(exact) or (not query.stands and [np.shape(dy) for dy in dys] != [np.shape(exact)]):
        return False
    older, newer = (ours, exact) if left_is_older else (exact, ours)
    if query.stands:  # what arrives there is not the cotangent itself
        bad = older != newer
        return bool(bad.any() and not newer[bad].any() and older[bad].all())
    apart = older != newer
    return bool(apart.any() and not newer[apart].any() and np.array_equal(older[apart], np.asarray(dys[0])[apart]))
