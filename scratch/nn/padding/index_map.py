"""Padding as an index map: which element of x each element of the padded y is."""

from collections.abc import Callable, Sequence

import numpy as np

Widths = Sequence[tuple[int, int]]  # (left, right) for each of the last axes, in the order of the axes


def reflect(size: int, left: int, right: int) -> np.ndarray:
    """... 3 2 1 | 0 1 2 3 | 2 1 0 ...: mirrored at the first and at the last element, which are not repeated."""
    i = np.arange(-left, size + right)
    return size - 1 - np.abs(size - 1 - np.abs(i))


def replicate(size: int, left: int, right: int) -> np.ndarray:
    """... 0 0 0 | 0 1 2 3 | 3 3 3 ...: the nearest element."""
    return np.clip(np.arange(-left, size + right), 0, size - 1)


def circular(size: int, left: int, right: int) -> np.ndarray:
    """... 1 2 3 | 0 1 2 3 | 0 1 2 ...: around the ends. A negative width cuts before anything is wrapped."""
    first = max(-left, 0)
    kept = size - first - max(-right, 0)
    i = np.arange(-max(left, 0), kept + max(right, 0))
    return first + i % max(kept, 1)


INDEX_MAPS: dict[str, Callable[[int, int, int], np.ndarray]] = {
    "reflect": reflect,
    "replicate": replicate,
    "circular": circular,
}


def pad(x: np.ndarray, widths: Widths, mode: str) -> np.ndarray:
    """y[..., j, k] = x[..., a_j, b_k]: one index map for each axis, so the axes are padded one after another.

    Adjoint: `pad_adjoint`. Since y_j = x_{a_j}, dx_i = Σ_{j: a_j = i} dy_j: every element of dy goes back to where its
    element of y was read.
    """
    for axis, (left, right) in _axes(x, widths):
        if left or right:
            x = x.take(INDEX_MAPS[mode](x.shape[axis], left, right), axis)
    return x


def pad_adjoint(dy: np.ndarray, widths: Widths, mode: str, sizes: Sequence[int]) -> np.ndarray:
    """The gradient of x, whose last axes had these sizes, from that of `pad(x, widths, mode)`."""
    for (axis, (left, right)), size in zip(_axes(dy, widths), sizes, strict=True):
        if left or right:
            dy = _give_back(dy, INDEX_MAPS[mode](size, left, right), left, right, size, axis)
    return dy


def _give_back(dy: np.ndarray, index: np.ndarray, left: int, right: int, size: int, axis: int) -> np.ndarray:
    """dx_i = Σ_{j: a_j = i} dy_j along one axis. Inside, a_j = j - left: one slice. The margin goes line by line."""
    start = min(max(left, 0), len(index))
    stop = max(len(index) - max(right, 0), start)
    dx = np.zeros((*dy.shape[:axis], size, *dy.shape[axis + 1 :]), dy.dtype)
    dx_lines, dy_lines = np.moveaxis(dx, axis, 0), np.moveaxis(dy, axis, 0)
    dx_lines[start - left : stop - left] = dy_lines[start:stop]
    for j in (*range(start), *range(stop, len(index))):
        dx_lines[index[j]] += dy_lines[j]
    return dx


def pad_constant(x: np.ndarray, widths: Widths, value: float = 0) -> np.ndarray:
    """A margin of `value` around x; a negative width cuts instead. Nothing is copied if there is no margin to write.

    Adjoint: the margin does not depend on x, so its gradient is dropped and what was cut gets zero. That is padding
    dy by the negative widths: `pad_constant(dy, opposite(widths))`.
    """
    source, target = [slice(None)] * x.ndim, [slice(None)] * x.ndim
    shape = list(x.shape)
    for axis, (left, right) in _axes(x, widths):
        source[axis] = slice(max(-left, 0), max(shape[axis] - max(-right, 0), 0))
        shape[axis] += left + right
        target[axis] = slice(max(left, 0), max(shape[axis] - max(right, 0), 0))
    kept = x[tuple(source)]
    if kept.shape == tuple(shape):
        return kept
    y = np.full(shape, value, x.dtype)
    y[tuple(target)] = kept
    return y


def opposite(widths: Widths) -> Widths:
    return [(-left, -right) for left, right in widths]


def _axes(x: np.ndarray, widths: Widths) -> list[tuple[int, tuple[int, int]]]:
    return list(enumerate(widths, start=x.ndim - len(widths)))


def check_widths(owner: object, x: np.ndarray, widths: Widths, mode: str) -> None:
    """Refuse, with torch's class of error, what cannot be padded."""
    if not widths:
        return
    sizes = x.shape[x.ndim - len(widths) :]
    padded = [size + left + right for size, (left, right) in zip(sizes, widths, strict=True)]
    given = f"the padding is {[tuple(width) for width in widths]}, the input has shape {x.shape}."
    if mode in ("reflect", "replicate"):
        if 0 in x.shape[-len(widths) - 1 :]:
            raise RuntimeError(f"{owner}: only the batch may be empty, got shape {x.shape}.")
        if min(padded) < 1:
            raise RuntimeError(f"{owner}: nothing would be left of a dimension. In the order of axes {given}")
    if mode == "reflect" and any(max(width) >= size for size, width in zip(sizes, widths, strict=True)):
        raise RuntimeError(f"{owner}: a reflection must be narrower than its dimension. In the order of axes {given}")
    if mode in ("constant", "circular"):
        kept = [size + min(left, 0) + min(right, 0) for size, (left, right) in zip(sizes, widths, strict=True)]
        if min(kept) < 0:
            raise RuntimeError(f"{owner}: more would be cut off than the input has. In the order of axes {given}")
        if mode == "circular" and any(max(width) > size for size, width in zip(kept, widths, strict=True)):
            raise RuntimeError(f"{owner}: a circle cannot wrap around more than once. In the order of axes {given}")
