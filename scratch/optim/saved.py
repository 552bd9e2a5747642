"""Whether a state_dict fits an optimizer: what is missing, misshaped or of another kind, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scratch.arguments import plain

COUNTS = ("ns_steps", "max_iter", "max_eval", "history_size")  # any other number may be a fraction
Shapes = dict[str, Any]  # name: shape, or [shape]

if TYPE_CHECKING:
    from scratch.optim.optimizer import Optimizer


def check_saved(call: str, optimizer: Optimizer, state_dict: Any) -> None:
    """Raise    TypeError for a value of another kind, KeyError for one that is missing, ValueError for another size."""
    check_mapping(call, "the state_dict", state_dict)
    for key in ("state", "param_groups"):
        if key not in state_dict:
            raise KeyError(f"{call}: the key {key!r} is missing; the keys are {sorted(map(str, state_dict))}.")
    groups = state_dict["param_groups"]
    if not isinstance(groups, list | tuple):
        raise TypeError(f"{call}: param_groups must be a list of dicts, got {type(groups).__name__}.")
    for group in groups:
        check_mapping(call, "a group", group)
        if "params" not in group:
            raise KeyError(f"{call}: a group lacks the key 'params'. Is the file damaged?")
        if not isinstance(group["params"], list | tuple) or not all(isinstance(i, int | str) for i in group["params"]):
            raise TypeError(
                f"{call}: 'params' must be a list of the parameters' numbers, got {group['params']!r:.100}."
            )
    sizes, saved_sizes = [len(g["params"]) for g in optimizer.param_groups], [len(g["params"]) for g in groups]
    if sizes != saved_sizes:
        raise ValueError(
            f"{call}: the optimizer has groups of {sizes} parameters, the state_dict groups of {saved_sizes}. "
            "Was it saved from another network, or are the groups in another order?"
        )
    for ours, theirs in zip(optimizer.param_groups, groups, strict=True):
        for name in ours.keys() & theirs.keys() - {"params"}:
            if not is_alike(ours[name], theirs[name], name):
                raise TypeError(f"{call}: {name} cannot be {theirs[name]!r:.100}; it is {ours[name]!r} now.")
    check_mapping(call, "state", state_dict["state"])
    shapes = {
        number: parameter.shape
        for ours, theirs in zip(optimizer.param_groups, groups, strict=True)
        for number, parameter in zip(theirs["params"], ours["params"], strict=True)
    }
    for number, entries in state_dict["state"].items():
        check_mapping(call, f"the state of parameter {number!r}", entries)
        _check_entries(call, optimizer, {k: v for k, v in entries.items() if v is not None}, shapes.get(number))


def check_mapping(call: str, what: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{call}: expected {what} to be a dict, got {type(value).__name__}.")


def is_alike(own: Any, saved: Any, name: str) -> bool:
    """Whether a saved hyperparameter can replace the current one: a number a number, a pair a pair, a bool a bool."""
    saved = plain(saved)
    if name == "lr" and getattr(saved, "ndim", None) == 0:
        return _is_numeric(saved)  # torch's rate may be a tensor
    if isinstance(own, bool):
        return isinstance(saved, bool)
    if isinstance(own, tuple | list):
        return (
            isinstance(saved, tuple | list)
            and len(saved) == len(own)
            and all(is_alike(a, b, name) for a, b in zip(own, saved, strict=True))
        )
    if type(own) is dict:
        return isinstance(saved, Mapping) and all(k in saved and is_alike(v, saved[k], k) for k, v in own.items())
    if isinstance(own, int | float):
        return _is_number(saved) and (name not in COUNTS or isinstance(saved, int))
    if own is None:
        return saved is None or isinstance(saved, bool | str) or _is_number(saved)
    return isinstance(saved, type(own)) or saved is None


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**1000)  # larger ones are no float


def _check_entries(call: str, optimizer: Optimizer, entries: Mapping[Any, Any], shape: tuple[int, ...] | None) -> None:
    """The state of one parameter; without its shape, of something that the optimizer does not know."""
    for name, value in entries.items():
        if not _is_numeric(value):
            raise TypeError(f"{call}: {name} must be numbers, got {type(value).__name__}. Is the file damaged?")
    if shape is None or not entries:
        return
    lacking = [name for name in optimizer.needed_state(entries) if name not in entries]
    if lacking:
        raise KeyError(f"{call}: {', '.join(lacking)} missing from a parameter's state. Was it saved by another rule?")
    lengths = set()
    for name, wanted in optimizer.state_shapes(shape).items():
        value = entries.get(name)
        if value is None:
            continue
        parts = value if isinstance(wanted, list) and isinstance(value, list) else [value]
        one = wanted[0] if isinstance(wanted, list) else wanted
        if isinstance(wanted, list):
            lengths.add(len(parts) if isinstance(value, list) else -1)
        for found in (type(part).__name__ if isinstance(part, list | tuple) else np.shape(part) for part in parts):
            if found != one and not (one == () and found == (1,)):
                what = f"its parameter has {shape}" if one == shape else f"it must have {one}"
                raise ValueError(f"{call}: {name} has shape {found}, but {what}.")
    if len(lengths) > 1:
        raise ValueError(f"{call}: its lists have different lengths, {sorted(lengths)}. Is the file damaged?")


def _is_numeric(value: Any) -> bool:
    """An array or number that is real, or a list of such; None may be in a list."""
    if isinstance(value, list | tuple):
        return all(part is None or _is_numeric(part) for part in value)
    if isinstance(value, str | bytes) or not (hasattr(value, "__array__") or isinstance(value, int | float)):
        return False
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return False
    return array.dtype.kind in "fiub" and not isinstance(value, np.ma.MaskedArray)
