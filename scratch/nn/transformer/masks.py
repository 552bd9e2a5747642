"""The causal mask, made and recognized."""

import numpy as np

from scratch.nn.attention.scaled_dot_product import causal_mask


def is_causal_mask(mask: np.ndarray | None, x: np.ndarray, batch_first: bool) -> bool:
    """Whether the mask is exactly the causal one, in floats or booleans, for the length of x."""
    length = x.shape[1 if batch_first and x.ndim == 3 else 0]
    if mask is None or mask.shape != (length, length):
        return False
    causal = causal_mask(length, length, np.dtype(np.float32))
    return bool(np.array_equal(mask, causal != 0 if mask.dtype == bool else causal))
