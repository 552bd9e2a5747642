"""ModuleDict: layers by name."""

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from scratch.nn.container.entries import check_key, pairs
from scratch.nn.module import Module


class ModuleDict(Module):
    """A dictionary whose values are found by parameters() and state_dict().

    It has no forward: the module that holds it calls its layers, and calls their backwards in the reverse order.

    Options   modules, a mapping or pairs of names and modules.
    Torch     torch.nn.ModuleDict; layers are named by their keys, in the order of insertion. keys(), values() and
              items() return a snapshot.
    Raises    TypeError for a value that is not a Module, or a key that is not a string; KeyError for a key that does
              not exist, is empty, contains a dot or is the name of a method.
    """

    def __init__(self, modules: Any = None) -> None:
        if modules is not None:
            self.update(modules)

    def update(self, modules: Any) -> None:
        """Add the pairs of a mapping, of a ModuleDict or of an iterable; an existing key gets the new layer."""
        for key, module in pairs(self, modules):
            self[key] = module

    def add_module(self, name: str, module: Module) -> None:
        if not isinstance(module, Module):
            raise TypeError(
                f"ModuleDict: layer {name!r} must be a scratch Module, got {type(module).__name__}. "
                "Did you pass the class without calling it?"
            )
        check_key(self, name, self.keys())
        setattr(self, name, module)

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __getitem__(self, key: str) -> Module:
        layers = self._layers()
        if key not in layers:
            raise KeyError(f"ModuleDict: unknown key {key!r}; the keys are {', '.join(layers)}.")
        return layers[key]

    def pop(self, key: str) -> Module:
        module = self[key]
        delattr(self, key)
        return module

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def clear(self) -> None:
        for key in self.keys():
            del self[key]

    def _layers(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def keys(self) -> KeysView[str]:
        return self._layers().keys()

    def values(self) -> ValuesView[Module]:
        return self._layers().values()

    def items(self) -> ItemsView[str, Module]:
        return self._layers().items()

    def __len__(self) -> int:
        return len(self._layers())

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers())

    def __contains__(self, key: object) -> bool:
        return key in self._layers()
