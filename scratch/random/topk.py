"""The largest values in torch's order, which is that of the GNU C++ library where values tie.

torch.topk sorts (value, index) pairs by value alone, with the algorithms of <algorithm>: std::partial_sort if k is at
most a 64th of the values, else std::nth_element and std::sort. They are not stable, so the order of ties follows from
every swap on the way. Here one statement makes all swaps of a partition.

Source    libstdc++'s bits/stl_algo.h and bits/stl_heap.h; at::native::topk_impl_loop. Each row is sorted by one thread,
          so the order does not depend on their number.
"""

import numpy as np

SHORT = 16  # ranges that std::sort leaves to the stable insertion sort at its end


def topk_indices(values: np.ndarray, k: int) -> np.ndarray:
    """The indices (..., k) of the k largest of each row (..., W), largest first, NaN before all; ties as in torch."""
    rows = values.reshape(-1, values.shape[-1])
    order = np.argsort(-rows, axis=-1, kind="stable")
    ranked = np.take_along_axis(rows, order[:, : k + 1], -1)
    unclear = (ranked[:, 1:] == ranked[:, :-1]).any(axis=1) | np.isnan(rows).any(axis=1)
    best = order[:, :k]
    for i in np.flatnonzero(unclear):
        best[i] = _in_torchs_order(rows[i], order[i], k)
    return best.reshape(*values.shape[:-1], k)


def _in_torchs_order(row: np.ndarray, order: np.ndarray, k: int) -> np.ndarray:
    """The k largest of a row, given an order of it with NaN at the end."""
    order = np.roll(order, int(np.isnan(row).sum()))
    ranked = row[order]
    new = (ranked[1:] != ranked[:-1]) & ~(np.isnan(ranked[1:]) & np.isnan(ranked[:-1]))
    rank = np.empty(len(row), np.int64)
    rank[order] = np.concatenate([[0], np.cumsum(new)])
    items = np.arange(len(row))
    if k * 64 <= len(row):
        return np.array(partial_sort(items.tolist(), k, rank.tolist()))
    nth_element(items, k - 1, rank)
    sort(items[: k - 1], rank, tied=np.bincount(rank) > 1)
    return items[:k]


def nth_element(items: np.ndarray, nth: int, rank: np.ndarray) -> None:
    """Put the nth item in its place, earlier ones on its left, and later ones on its right."""
    first, last = 0, len(items)
    depth = 2 * (last.bit_length() - 1)
    while last - first > 3:
        if depth == 0:
            part = items[first:last].tolist()
            heap_select(part, nth + 1 - first, rank.tolist())
            part[0], part[nth - first] = part[nth - first], part[0]
            items[first:last] = part
            return
        depth -= 1
        cut = first + partition(items[first:last], rank)
        first, last = (cut, last) if cut <= nth else (first, cut)
    insertion_sort(items[first:last], rank)


def sort(items: np.ndarray, rank: np.ndarray, tied: np.ndarray) -> None:
    """std::sort. A range without ties has one order only, so it is left to the stable sort at the end."""
    ranges = [(0, len(items), 2 * (len(items).bit_length() - 1))]
    while ranges:
        first, last, depth = ranges.pop()
        while last - first > SHORT and np.count_nonzero(tied[rank[items[first:last]]]) > 1:
            if depth == 0:
                items[first:last] = partial_sort(items[first:last].tolist(), last - first, rank.tolist())
                break
            depth -= 1
            cut = first + partition(items[first:last], rank)
            ranges.append((cut, last, depth))
            last = cut
    insertion_sort(items, rank)


def insertion_sort(items: np.ndarray, rank: np.ndarray) -> None:
    items[...] = items[np.argsort(rank[items], kind="stable")]


def partition(items: np.ndarray, rank: np.ndarray) -> int:
    """Partition a range in place at the median of its second, middle and last item; return where the right part begins.

    The first item from the left not before the median and the first from the right not after it are swapped, then the
    next two, until the sides meet.
    """
    a, b, c = (int(rank[items[i]]) for i in (1, len(items) // 2, -1))
    if a < b:
        median = len(items) // 2 if b < c else len(items) - 1 if a < c else 1
    else:
        median = 1 if a < c else len(items) - 1 if b < c else len(items) // 2
    items[[0, median]] = items[[median, 0]]
    pivot, rest = rank[items[0]], rank[items[1:]]
    left, right = np.flatnonzero(rest >= pivot) + 1, np.flatnonzero(rest <= pivot)[::-1] + 1
    both = min(len(left), len(right))
    swaps = int(np.count_nonzero(left[:both] < right[:both]))
    left_of, right_of = left[:swaps], right[:swaps]
    items[left_of], items[right_of] = items[right_of], items[left_of]
    stops = [int(left[swaps])] if swaps < len(left) else []
    return min([*stops, int(right_of[-1])] if swaps else stops)


# --- heaps, whose first item is the last in order ---------------------------------------------------------------------


def partial_sort(items: list[int], k: int, rank: list[int]) -> list[int]:
    """The k that come first, in order: the best of a heap of k, into which each further item pushes."""
    heap_select(items, k, rank)
    heap = items[:k]
    for last in range(k - 1, 0, -1):
        value, heap[last] = heap[last], heap[0]
        sift(heap, 0, last, value, rank)
    return heap


def heap_select(items: list[int], k: int, rank: list[int]) -> None:
    for parent in range((k - 2) // 2, -1, -1):
        sift(items, parent, k, items[parent], rank)
    for i in range(k, len(items)):
        if rank[items[i]] < rank[items[0]]:
            value, items[i] = items[i], items[0]
            sift(items, 0, k, value, rank)


def sift(heap: list[int], hole: int, size: int, value: int, rank: list[int]) -> None:
    """std::__adjust_heap: move the hole to the bottom along the larger children, then the value up from there."""
    top, child = hole, hole
    while child < (size - 1) // 2:
        child = 2 * (child + 1)
        if rank[heap[child]] < rank[heap[child - 1]]:
            child -= 1
        heap[hole] = heap[child]
        hole = child
    if size % 2 == 0 and child == (size - 2) // 2:
        child = 2 * child + 1
        heap[hole] = heap[child]
        hole = child
    while hole > top and rank[heap[(hole - 1) // 2]] < rank[value]:
        heap[hole] = heap[(hole - 1) // 2]
        hole = (hole - 1) // 2
    heap[hole] = value
