"""torch's fast path: without gradients, eval mode computes attention differently, which changes padded results.

MultiheadAttention        a query that may attend to nothing gives NaN, also without weights; is_causal is ignored
TransformerEncoderLayer   the same; masks of floats are read as booleans, blocked where they are not 0
TransformerEncoder        padded positions are 0 before the last norm, in a wholly padded sequence too
"""

from typing import Any

import numpy as np

from scratch.grad_mode import is_grad_enabled
from scratch.nn.module import Module

_enabled = True


def set_fastpath_enabled(value: bool) -> None:
    """Whether eval mode without gradients follows torch's fast path: torch.backends.mha.set_fastpath_enabled.

    MultiheadAttention takes it for self-attention of a batch in eval mode inside no_grad(), with batch_first, an even
    number of heads and in_proj_bias, without bias_k and add_zero_attn, its masks boolean.
    """
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


def attention_is_fast(layer: Any, query: np.ndarray, *masks: np.ndarray | None) -> bool:
    """Whether torch would take its fast path for the self-attention of a MultiheadAttention."""
    return (
        may_take_fast_path(layer, query)
        and layer.batch_first
        and layer.packed
        and layer.num_heads % 2 == 0
        and layer.in_proj_bias is not None
        and layer.bias_k is None
        and not layer.add_zero_attn
        and not any(mask is not None and mask.dtype.kind == "f" for mask in masks)
    )
