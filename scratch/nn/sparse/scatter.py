"""Rows added up by index: the adjoint of a look-up, and the sums over bags."""

import numpy as np

BLOCK = 2**16  # elements that one np.add.at adds


def add_rows(table: np.ndarray, index: np.ndarray, rows: np.ndarray) -> None:
    """table[index[t]] += rows[t] for every t, in place, in the order of t, so that the roundings are a plain loop's.

    The table's rows must lie one after another in memory (C order).

    NumPy's add.at is slow on rows and fast on scalars, so the rows are added element by element. Blocks bound the
    indices, which take twice the memory of the rows.
    """
    columns = np.arange(table.shape[1])
    numbers = table.reshape(-1)
    at_once = max(BLOCK // max(len(columns), 1), 1)
    for t in range(0, len(index), at_once):
        block = slice(t, t + at_once)
        elements = index[block, np.newaxis].astype(np.intp) * len(columns) + columns
        np.add.at(numbers, elements.reshape(-1), rows[block].reshape(-1))


def sum_bags(rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sums of counts[0] rows, of the next counts[1] rows, and so on; zeros for none."""
    if len(counts) and (counts == counts[0]).all():  # bags of one size: six times as fast as reduceat
        return rows.reshape(len(counts), counts[0], rows.shape[1]).sum(axis=1)
    sums = np.zeros((len(counts), rows.shape[1]), rows.dtype)
    filled = np.flatnonzero(counts)
    if filled.size:
        sums[filled] = np.add.reduceat(rows, (np.cumsum(counts) - counts)[filled], axis=0)
    return sums


def check_indices(name: str, index: np.ndarray, rows: int, error: type[Exception]) -> None:
    """int32 or int64, each the index of a row: a negative one would silently count from the end."""
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}: indices must be int64 or int32, got {index.dtype}.")
    if index.size and (index.min() < 0 or index.max() >= rows):
        wrong = index[(index < 0) | (index >= rows)].flat[0]
        raise error(f"{name}: indices must lie in [0, {rows}), got {wrong}. Is the vocabulary larger than the table?")


def renormalize(weight: np.ndarray, index: np.ndarray, max_norm: float, norm_type: float) -> None:
    """Shrink the rows that are looked up to norm max_norm, in place, where they are longer.

        w <- w * max_norm / (||w|| + 1e-7)        where ||w|| > max_norm

    The lookup uses the shortened rows; no gradient flows through the shortening (torch.embedding_renorm_).
    """
    used = np.unique(index)
    norms = np.linalg.norm(weight[used], norm_type, axis=1)
    long = norms > max_norm
    scale = (max_norm / (norms[long].astype(np.float64) + 1e-7)).astype(weight.dtype)
    weight[used[long]] *= scale[:, np.newaxis]
