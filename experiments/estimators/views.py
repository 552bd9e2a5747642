"""Views: the weights of a network as the lists that MLPClassifier has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np


class Views(list):
    """Arrays of a network, one per layer. An array assigned to an entry is copied into the network.

    Raises    ValueError for an array of another shape, or another number of arrays; TypeError for a change of the
              number of layers.
    """

    def __init__(self, name: str, arrays: Iterable[np.ndarray]) -> None:
        super().__init__(arrays)
        self.name = name

    def __setitem__(self, index: Any, value: Any) -> None:
        layers = range(len(self))[index]
        layers, values = (list(layers), list(value)) if isinstance(index, slice) else ([layers], [value])
        if len(layers) != len(values):
            raise ValueError(f"{self.name}: {len(layers)} layers need as many arrays, got {len(values)}.")
        for layer, each in zip(layers, values, strict=True):
            if np.shape(each) != self[layer].shape:
                raise ValueError(
                    f"{self.name}[{layer}]: the layer's array has shape {self[layer].shape}, got {np.shape(each)}. "
                    "For another network, change hidden_layer_sizes and fit again."
                )
        for layer, each in zip(layers, values, strict=True):
            self[layer][...] = each

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"{self.name}: one array for each layer, so none can be added, removed or moved.")

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> Any:
        """A copy is a list with its own arrays."""
        return list, (list(self),)
