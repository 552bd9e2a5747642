"""torch's fast path: without gradients, eval mode computes attention differently, which changes padded results.

MultiheadAttention        a query that may attend to nothing gives NaN, also without weights; is_causal is ignored
TransformerEncoderLayer   the same; masks of floats are read as booleans, blocked where they are not 0
TransformerEncoder        padded positions are 0 before the last norm, in a wholly padded sequence too
"""

import numpy as np

from scratch.grad_mode import is_grad_enabled
from scratch.nn.module import Module

_enabled = True


def set_fastpath_enabled(value: bool) -> None:
    """Whether eval mode without gradients follows torch's fast path: torch.backends.mha.set_fastpath_enabled."""
    global _enabled
    if not isinstance(value, bool):
        raise TypeError(f"set_fastpath_enabled: value must be True or False, got {value!r}.")
    _enabled = value


def get_fastpath_enabled() -> bool:
    """True by default: torch.backends.mha.get_fastpath_enabled."""
    return _enabled


def may_take_fast_path(layer: Module, x: np.ndarray) -> bool:
    """Whether the mode and the input, (N, L, E) or (L, N, E), allow it; the options of the layer decide too."""
    return _enabled and not layer.training and not is_grad_enabled() and x.ndim == 3
