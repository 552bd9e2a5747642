"""Nests and files changed at random: what a state_dict, an answer or a picture may look like after an accident."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np

STRANGE: list[Any] = [
    *(None, True, False, -1, 0, 1, 7, 3.5, float("nan"), float("inf"), 1e300, 2**63, 10**400, 1j),
    *("", "x", "lr", b"x", [], {}, (), [1], [[1], 2], {"a": 1}, {0: {}}, (1, 2), object(), len, set()),
    *(np.float32(2), np.int64(3), np.array(2.0), np.array("a"), np.array(None), np.ma.masked),
    *(np.ones(2, np.float32), np.ones((3, 2)), np.zeros((0, 3), np.float32), np.ones((2, 3), complex)),
]


def places(nest: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys and indices that lead to every value inside."""
    inner = nest.items() if isinstance(nest, dict) else enumerate(nest) if isinstance(nest, list | tuple) else ()
    return [place for key, value in inner for place in ((*path, key), *places(value, (*path, key)))]


def changed(rng: random.Random, nest: Any) -> Any:
    """A copy of a nest of dicts and lists with one value replaced, removed, renamed, doubled or reshaped."""
    nest = copy.deepcopy(nest)
    found = places(nest)
    if not found or rng.random() < 0.02:
        return rng.choice(STRANGE)
    *outer, key = rng.choice(found)
    parent = nest
    for step in outer:
        parent = parent[step]
    if isinstance(parent, tuple):
        return rng.choice(STRANGE)
    how = rng.choice(("replace", "replace", "remove", "rename", "array"))
    value = parent[key]
    if how == "remove":
        del parent[key]
    elif how == "rename" and isinstance(parent, dict):
        name = rng.choice(["x", 3, None, "", f"{key}.x", (1,), -1, True])
        parent[name] = parent.pop(key)
    elif how == "array" and isinstance(value, np.ndarray):
        parent[key] = other_array(rng, value)
    else:
        parent[key] = rng.choice(STRANGE)
    return nest


def other_array(rng: random.Random, x: np.ndarray) -> Any:
    """An array of another shape, dtype, order or content."""
    ways: list[Any] = [
        *(
            lambda: x.reshape(-1),
            lambda: x[None],
            lambda: x.reshape(-1)[:0],
            lambda: np.concatenate([x.reshape(-1)] * 2),
        ),
        *(lambda: x.T, lambda: x.astype(np.float64), lambda: x.astype(np.float16), lambda: x.astype(">f4")),
        *(lambda: x.astype(int), lambda: x.astype(bool), lambda: x.astype(object), lambda: x.astype(str)),
        *(lambda: x * np.nan, lambda: x.tolist(), lambda: np.ma.array(x), lambda: np.broadcast_to(x.flat[0], x.shape)),
        *(lambda: x.astype(complex), lambda: x * 1e38, lambda: np.asmatrix(x.reshape(1, -1))),
    ]
    with np.errstate(all="ignore"):
        return rng.choice(ways)() if x.size else x.astype(object)


def damaged(rng: random.Random, content: bytes) -> bytes:
    """A copy of a file with bits flipped, bytes replaced, a part cut out, doubled or moved, or its end missing."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        match rng.randrange(6):
            case 0 | 1:
                data[a % len(data)] ^= 1 << rng.randrange(8)
            case 2:
                data[a % len(data)] = rng.choice((0, 1, 127, 128, 255))
            case 3:
                del data[a : min(b, a + rng.choice((1, 4, 64)))]
            case 4:
                data[a:a] = data[a : min(b, a + 64)]
            case _:
                del data[b:]
        if not data:
            break
    return bytes(data)
