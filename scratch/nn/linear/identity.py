"""Identity: a placeholder."""

from typing import Any

import numpy as np

from scratch.nn.module import Module


class Identity(Module):
    """Return the input.

        y = x

    Shapes    any.
    Backward  dx = dy
    Saves     nothing but the shape to expect.
    Torch     torch.nn.Identity; like it, takes any arguments and ignores them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: np.ndarray) -> np.ndarray:
        return self.save(x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.take(dy)
        return dy
