"""Which values of a state_dict fit a module, all of them looked at before one is copied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from scratch.arrays import check_own_rules


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def matched(
    call: str, own: Mapping[str, np.ndarray], given: Mapping[str, Any], strict: bool
) -> tuple[dict[str, np.ndarray], IncompatibleKeys]:
    """The given values under a module's own names, as arrays of its own shapes; and the names that only one side has.

    Raises    TypeError if `given` is not a mapping or holds masked arrays; RuntimeError for other shapes, for what
              is not an array of numbers, and if strict for other names.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"{call}: expected a dict, got {type(given).__name__}.")
    arrays = {name: _as_numbers(call, name, given[name]) for name in own if name in given}
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    problems = [
        f"size mismatch for {name}: the model has {own[name].shape}, the state_dict has {array.shape}"
        for name, array in arrays.items()
        if own[name].shape != array.shape
    ]
    if strict and missing:
        problems.append(f"missing key(s): {', '.join(map(str, missing))}")
    if strict and unexpected:
        problems.append(f"unexpected key(s): {', '.join(map(str, unexpected))}")
    if problems:
        raise RuntimeError(
            f"{call}: nothing was loaded.\n  " + "\n  ".join(problems) + "\n  "
            "Was the state saved from a network of other sizes, or under another prefix?"
        )
    return arrays, IncompatibleKeys(missing, unexpected)


def _as_numbers(call: str, name: str, value: Any) -> np.ndarray:
    """A value of a state_dict as an array of real numbers, in any byte order.

    Masked arrays, text, objects and ragged lists are refused, and so is half precision, of which torch's tensors become
    no arrays at all.
    """
    what = f"{call}: nothing was loaded. {name}"
    check_own_rules(f"{call}: nothing was loaded", str(name), value)
    kind = str(getattr(value, "dtype", "")).removeprefix("torch.")
    if kind in ("float16", "bfloat16"):
        raise RuntimeError(
            f"{what} is in {kind}, but parameters must be float32 or float64. Widen it first, which loses nothing."
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        raise RuntimeError(
            f"{what} must be an array of real numbers, "
            f"got {type(value).__name__}{f' of {array.dtype}' if isinstance(value, np.ndarray) else ''}. "
            "Is the file damaged, or another kind of file?"
        )
    return array
