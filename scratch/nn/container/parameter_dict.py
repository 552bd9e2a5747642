"""ParameterDict: parameters by name."""

from collections.abc import Iterable, Iterator, KeysView
from typing import Any

from scratch.nn.container.entries import check_key, describe, pairs, register
from scratch.nn.module import Module


class ParameterDict(Module):
    """A dictionary whose parameters are found by parameters() and state_dict(). Arrays that enter it become parameters.

    It has no forward: the module that holds it computes with its values, and accumulates their gradients.

    Torch     torch.nn.ParameterDict; values are named by their keys. As in torch, a plain dict is read in the order of
              its sorted keys, an OrderedDict or another ParameterDict in its own order. Values that are not arrays are
              kept unchanged.
    Raises    KeyError for a key that does not exist, is empty, contains a dot or is the name of a method; TypeError for
              a key that is not a string; RuntimeError for an array of integers, or if it is called.
    """

    def __init__(self, parameters: Any = None) -> None:
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def update(self, parameters: Any) -> None:
        """Add the pairs of a mapping, of a ParameterDict or of an iterable; an existing key gets the new value."""
        for key, value in pairs(self, parameters, sort=True):
            self[key] = value

    def __setitem__(self, key: str, value: Any) -> None:
        check_key(self, key, self._keys)
        register(self, key, value)
        self._keys[key] = None

    def __getitem__(self, key: str) -> Any:
        self._must_have(key)
        return getattr(self, key)

    def __delitem__(self, key: str) -> None:
        self._must_have(key)
        del self._keys[key]
        delattr(self, key)

    def _must_have(self, key: str) -> None:
        if key not in self._keys:
            raise KeyError(f"ParameterDict: unknown key {key!r}; the keys are {', '.join(self)}.")

    def get(self, key: str, default: Any = None) -> Any:
        return getattr(self, key) if key in self._keys else default

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of key, which becomes `default` if it is not there yet."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str) -> Any:
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Remove the pair that was added last, and return it."""
        if not self._keys:
            raise KeyError("ParameterDict.popitem: the dictionary is empty.")
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def clear(self) -> None:
        for key in list(self._keys):
            del self[key]

    def copy(self) -> "ParameterDict":
        """Another dictionary of the same parameters."""
        return ParameterDict(self.items())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> "ParameterDict":
        """Another dictionary, with one value for all keys."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> KeysView[str]:
        return self._keys.keys()

    def values(self) -> Iterator[Any]:
        return (self[key] for key in self._keys)

    def items(self) -> Iterator[tuple[str, Any]]:
        return ((key, self[key]) for key in self._keys)

    def __or__(self, other: Any) -> "ParameterDict":
        union = self.copy()
        union.update(other)
        return union

    def __ror__(self, other: Any) -> Any:
        union = other.copy()
        union.update(self)
        return union

    def __ior__(self, other: Any) -> "ParameterDict":
        self.update(other)
        return self

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        raise RuntimeError("ParameterDict cannot be called. Call the module that computes with its values.")

    def extra_repr(self) -> str:
        return ", ".join(f"{key}: {describe(value)}" for key, value in self.items())
