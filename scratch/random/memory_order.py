"""The order in which an array is filled: that of its memory, not of its dimensions."""

from collections.abc import Callable

import numpy as np


def fill(x: np.ndarray, draw: Callable[[np.ndarray], None], block: int) -> np.ndarray:
    """Let draw write x's values, `block` of them at a time, dimensions ordered by decreasing stride; returns x.

    So a transposed matrix or channels-last image has the same memory as its contiguous twin, at other indices. Source:
    at::TensorIterator, which sorts dimensions by stride before it runs a kernel.
    """
    ordered = x.transpose(sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis])))
    dense = ordered.flags.c_contiguous
    flat = ordered.reshape(-1) if dense else np.empty(x.size, x.dtype)
    for start in range(0, x.size, block):
        draw(flat[start : start + block])
    if not dense:
        ordered[...] = flat.reshape(ordered.shape)
    return x


def store(out: np.ndarray, values: np.ndarray) -> None:
    """Round values to out's dtype; float64 reaches float16 by way of float32, as torch converts, and may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        out[...] = values.astype(np.float32) if out.dtype == np.float16 else values
