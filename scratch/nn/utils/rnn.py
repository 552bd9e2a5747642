"""Sequences of different lengths: padded to one length, or packed without the padding.

Three sequences a, b, c of lengths 4, 2, 1 (sorted, longest first) and the two ways to hold them:

    padded  a0 a1 a2 a3        packed  data         a0 b0 c0 | a1 b1 | a2 | a3
            b0 b1  .  .                batch_sizes         3       2    1    1
            c0  .  .  .

Packed, the rows of one time step are adjacent, so a recurrent layer computes step t on the first batch_sizes[t] rows of
its state, and no work is done on padding. Packing and padding only move numbers: the gradient of one is the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from scratch.arrays import check_own_rules


class _Fields(NamedTuple):
    data: np.ndarray
    batch_sizes: np.ndarray
    sorted_indices: np.ndarray | None
    unsorted_indices: np.ndarray | None


class PackedSequence(_Fields):
    """The rows of all sequences, time step by time step, the longest sequence first.

    data              (Σ lengths, ...)
    batch_sizes       (T) int64, how many sequences reach each time step; never increasing
    sorted_indices    (N) int64, which of the user's sequences each sorted one is; None if they came sorted
    unsorted_indices  (N) int64, the inverse: the position of each of the user's sequences among the sorted ones

    Torch     torch.nn.utils.rnn.PackedSequence: the same four fields in the same layout. Make it with
              `pack_sequence` or `pack_padded_sequence` rather than by hand.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: np.ndarray,
        batch_sizes: np.ndarray,
        sorted_indices: np.ndarray | None = None,
        unsorted_indices: np.ndarray | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)


def invert_permutation(permutation: np.ndarray | None) -> np.ndarray | None:
    """The permutation q with q[p[i]] = i."""
    if permutation is None:
        return None
    inverse = np.empty_like(permutation)
    inverse[permutation] = np.arange(permutation.size)
    return inverse


def pack_padded_sequence(
    input: np.ndarray, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Drop the padding of (T, N, ...), or of (N, T, ...) if `batch_first`; `lengths` (N) says what to keep.

    Sequences of one length keep the user's order. torch does not define it: on CPUs with AVX it shuffles such sequences
    when there are more than 16 in all. Only the order of packed rows depends on it, and so does which elements dropout
    between recurrent layers hits.

    Raises    RuntimeError for lengths that do not fit the input, are not positive, or are not sorted from long to short
              although `enforce_sorted`. torch lets a length beyond T pass, and packs less data than batch_sizes says.
    """
    check_own_rules("pack_padded_sequence", "input", input)
    padded = np.moveaxis(input, 0, 1) if batch_first else input
    lengths = np.asarray(lengths, np.int64)
    sorted_indices = None
    if not enforce_sorted:
        sorted_indices = np.argsort(-lengths, kind="stable")
        lengths, padded = lengths[sorted_indices], padded[:, sorted_indices]
    _check_lengths(lengths, padded, enforce_sorted)
    present = np.arange(lengths[0])[:, np.newaxis] < lengths  # (T, N)
    data = padded[: lengths[0]][present]
    return PackedSequence(data, present.sum(axis=1), sorted_indices)


def _check_lengths(lengths: np.ndarray, padded: np.ndarray, enforce_sorted: bool) -> None:
    call = "pack_padded_sequence"
    if lengths.shape != padded.shape[1:2]:
        raise RuntimeError(
            f"{call}: lengths must have shape {padded.shape[1:2]}, one per sequence, got {lengths.shape}."
        )
    if lengths.size == 0:
        raise RuntimeError(f"{call}: the batch is empty.")
    if (np.diff(lengths) > 0).any():
        raise RuntimeError(
            f"{call}: with enforce_sorted=True the sequences must come longest first, got lengths {lengths.tolist()}. "
            "Pass enforce_sorted=False to have them sorted."
        )
    if lengths[-1] <= 0 or lengths[0] > len(padded):
        raise RuntimeError(f"{call}: lengths must be in [1, {len(padded)}], got {lengths.tolist()}.")


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The padded array (T, N, ...), or (N, T, ...) if `batch_first`, and the lengths (N), in the user's order.

    Raises    ValueError if `total_length`, the T to pad to, is less than the longest sequence.
    """
    data, batch_sizes, _, unsorted_indices = sequence
    steps = len(batch_sizes)
    if total_length is not None and total_length < steps:
        raise ValueError(f"pad_packed_sequence: total_length must be at least {steps}, got {total_length}.")
    present = np.arange(batch_sizes[0]) < batch_sizes[:, np.newaxis]  # (T, N)
    padded = np.full((total_length or steps, batch_sizes[0], *data.shape[1:]), padding_value, data.dtype)
    padded[:steps][present] = data
    lengths = present.sum(axis=0)
    if unsorted_indices is not None:
        padded, lengths = padded[:, unsorted_indices], lengths[unsorted_indices]
    return np.moveaxis(padded, 0, 1) if batch_first else padded, lengths


def pad_sequence(
    sequences: Iterable[np.ndarray],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> np.ndarray:
    """Stack sequences (L_n, ...) into (T, N, ...), or (N, T, ...) if `batch_first`, where T is the longest length.

    Raises    RuntimeError for no sequences, sequences that differ in more than their length, or an unknown side.
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: padding_side must be left or right, got {padding_side!r}.")
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: needs several sequences, got {type(sequences).__name__}.")
    sequences = list(sequences)
    for sequence in sequences:
        check_own_rules("pad_sequence", "a sequence", sequence)
    arrays = [np.asarray(sequence) for sequence in sequences]
    if len({array.shape[1:] for array in arrays}) != 1:
        raise RuntimeError(
            f"pad_sequence: sequences may differ only in their length, got shapes {[array.shape for array in arrays]}."
        )
    longest = max(len(array) for array in arrays)
    padded = np.full((len(arrays), longest, *arrays[0].shape[1:]), padding_value, arrays[0].dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[longest - len(array) if padding_side == "left" else 0 :][: len(array)] = array
    return padded if batch_first else np.moveaxis(padded, 0, 1)


def unpad_sequence(padded_sequences: np.ndarray, lengths: Any, batch_first: bool = False) -> list[np.ndarray]:
    """The sequences of a padded array, each with its own length."""
    rows = padded_sequences if batch_first else np.moveaxis(padded_sequences, 0, 1)
    return [row[:length] for row, length in zip(rows, np.asarray(lengths), strict=True)]


def pack_sequence(sequences: Sequence[np.ndarray], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L_n, ...); unless `enforce_sorted` they may come in any order."""
    lengths = [len(sequence) for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[np.ndarray]:
    """The sequences of a PackedSequence, in the user's order."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences, batch_first=True), batch_first=True)
