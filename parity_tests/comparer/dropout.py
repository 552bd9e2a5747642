"""A dropout that draws other random numbers is right if it keeps the same share and scales the kept values equally."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity_tests.comparer.side import Key, Probe, Side
from parity_tests.comparer.trace import Call
from parity_tests.comparer.values import Numbers, array, floats

SHARED = {"Dropout": 0, "Dropout1d": 1, "Dropout2d": 2, "Dropout3d": 3}  # trailing axes that share one draw
SIGMAS = 5.0  # by which the share kept may be off
RELATIVE = 2.0**-21  # of what is kept, from its scale


def same_but_for_draws(right: Side, call: Call, ours: Numbers) -> bool:
    """Whether a left layer is the right's dropout with other random numbers: output, and gradient if there is one."""
    module = right.modules[call.key[0]]
    axes, p = SHARED.get(type(module).__name__), float(getattr(module, "p", getattr(module, "rate", 0.0)))
    inputs = [np.asarray(array(x)) for x in call.inputs()]
    if (
        axes is None
        or not 0 < p < 1
        or len(inputs) != 1
        or "output" not in ours
        or ours["output"].shape != inputs[0].shape
    ):
        return False
    mask = _mask(inputs[0], ours["output"])
    if mask is None or not _fits(mask, p, axes):
        return False
    gradient, dys = ours.get("grad input"), call.cotangents()
    if gradient is None or not dys or dys[0] is None:
        return True
    known = inputs[0] != 0
    expected = np.asarray(array(dys[0])) * mask
    return bool(np.allclose(gradient[known], expected[known], rtol=1e-5, atol=1e-6 * np.abs(expected).max(initial=0.0)))


def _mask(x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """What each number was multiplied by; zeros where the input is zero."""
    with np.errstate(all="ignore"):
        mask = np.where(x != 0, y / x, 0)
    return mask if np.isfinite(mask).all() else None


def _fits(mask: np.ndarray, p: float, axes: int) -> bool:
    kept = mask[mask != 0]
    if not np.allclose(kept, 1 / (1 - p), rtol=RELATIVE, atol=0):
        return False
    flags = (mask != 0).reshape(*mask.shape[: mask.ndim - axes], -1) if axes else (mask != 0)[..., None]
    if not (flags.all(-1) | ~flags.any(-1)).all():
        return False
    n = flags[..., 0].size
    return abs(float(flags[..., 0].mean()) - (1 - p)) <= SIGMAS * math.sqrt(p * (1 - p) / n) + 1 / n


class Masks(Probe):
    """Gives the left the masks of the right's run: everything else is compared with them."""

    def __init__(self, calls: dict[Key, Call]) -> None:
        self.masks = {key: _mask(*(np.asarray(array(v)) for v in (call.inputs()[0], call.output)))
                      for key, call in calls.items()}  # fmt: skip
        self.dys: dict[Key, np.ndarray] = {}

    def stand_in(self, key: Key, args: Any, kwargs: Any) -> Any:
        mask = self.masks.get(key)
        x = next(iter(floats((args, kwargs))), None)
        if mask is None or x is None or np.shape(x) != mask.shape:
            return None
        return (np.asarray(array(x)) * mask).astype(mask.dtype)

    def cotangent(self, key: Key, number: int, dy: np.ndarray) -> None:
        self.dys[key] = dy

    def stand_in_gradients(self, key: Key) -> list[np.ndarray | None]:
        dy, mask = self.dys.get(key), self.masks[key]
        return [None if dy is None or mask is None else (dy * mask).astype(dy.dtype)]
