"""Matrix products: every one of scratch goes through here, and large ones are shared out among threads.

BLAS would share them out too, but its number of threads changes the last bits, and its threads then stand in the way of
scratch's. So it has one thread here, and the blocks of a product depend on its shape alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scratch.threads import one_blas_thread, share

SMALL, SMALL_VECTOR = 2**18, 2**15  # multiplications: OpenBLAS uses one thread for so few, or adds in one order
LONG = 10_000  # terms: longer dot products are added up by several threads
PIECE = 3 * 2**22  # multiplications of a block, 120 µs: another thread has woken after half of that
LARGE = 2 * PIECE
NARROW = 256  # rows or columns: a product in two blocks of so many takes 1.02 to 1.07 of the time, in four 1.1
FLAT, FLAT_WORK = 96, 10**6  # rows and multiplications: see _product

serial_matmul = np.matmul  # of a loop in which each product needs the one before: inside one_blas_thread


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> Any:
    """The product a @ b, written to `out` if given: of matrices, vectors or stacks of them, as NumPy's.

    From 25 million multiplications on it is cut into blocks: of a stack, else of the longer of rows and columns.
    """
    vector = a.ndim < 2 or b.ndim < 2
    work = a.size if b.ndim < 2 else a.size * b.shape[-1]
    if work < (SMALL_VECTOR if vector else SMALL):
        return a @ b if out is None else np.matmul(a, b, out=out)
    with one_blas_thread:
        if vector or work < LARGE:
            return _product(a, b, out)
        if out is None:
            stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            out = np.empty((*stack, a.shape[-2], b.shape[-1]), np.result_type(a, b))
        _in_blocks(a, b, out, work)
        return out


def _in_blocks(a: np.ndarray, b: np.ndarray, out: np.ndarray, work: int) -> None:
    if out.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous and out.flags.c_contiguous:
        a, out = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])  # one tall matrix, not a stack of them
    stacked, length = out.ndim > 2, len(out) if out.ndim > 2 else max(out.shape)
    most = min(work // PIECE, length if stacked else max(length // (2 * NARROW), min(length // NARROW, 2)))
    count = 2 ** max(most.bit_length() - 1, 0)
    if stacked or (count == 2 and len(out) >= 2 * NARROW):  # two blocks of rows take 0.95 of the time of two of columns
        length = len(out)
    block = -(-length // count)
    parts = [slice(start, start + block) for start in range(0, length, block)]
    if stacked:
        a, b = (np.broadcast_to(z, (*out.shape[:-2], *z.shape[-2:])) for z in (a, b))
        pieces = [(a[part], b[part], out[part]) for part in parts]
    elif len(out) == length:
        pieces = [(a[part], b, out[part]) for part in parts]
    else:
        pieces = [(a, b[:, part], out[:, part]) for part in parts]
    share(lambda piece: _product(*piece), pieces, work)


def _product(a: np.ndarray, b: np.ndarray, out: np.ndarray | None) -> Any:
    """The product a @ b by BLAS; as (b^T a^T)^T, turned afterwards, for few rows and a weight's transpose.

    OpenBLAS's AVX-512 kernels then take 0.4 to 0.9 of the time, turning included; its AVX2 kernels 0.9 to 1.1.
    """
    if not _flat(a, b):
        return np.matmul(a, b, out=out)
    turned = np.matmul(b.T, a.T).T
    if out is None:
        return np.ascontiguousarray(turned)
    out[...] = turned
    return out


def _flat(a: np.ndarray, b: np.ndarray) -> bool:
    if a.ndim != 2 or b.ndim != 2 or a.dtype != np.float32:
        return False
    (rows, terms), columns = a.shape, b.shape[1]
    few = rows <= min(FLAT, terms // 4, columns)
    return few and rows * terms * columns > FLAT_WORK and b.flags.f_contiguous


def outer(column: np.ndarray, row: np.ndarray, out: np.ndarray) -> None:
    """Write (N, 1) times (1, D) to `out`.

    As the product of (N, 2) and (2, D), whose second halves are zeros, it takes a third of the time of a broadcast
    product and half of np.dot's, which asks BLAS for another function.
    """
    columns, rows = np.zeros((len(column), 2), out.dtype), np.zeros((2, row.size), out.dtype)
    columns[:, :1], rows[:1] = column, row
    with one_blas_thread:
        np.matmul(columns, rows, out=out)


def dot(a: np.ndarray, b: np.ndarray) -> Any:
    """Σ a b of two vectors, by BLAS in one thread."""
    if a.size < LONG:
        return np.dot(a, b)
    with one_blas_thread:
        return np.dot(a, b)


def norm(x: np.ndarray) -> Any:
    """√Σ x² over all of an array, as np.linalg.norm."""
    flat = x.ravel(order="K")
    return np.sqrt(dot(flat, flat))
