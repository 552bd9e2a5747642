"""Layout: how a recurrent layer's input is arranged, and the way to rows and back."""

from typing import NamedTuple

import numpy as np

from scratch.nn.recurrent.recurrence import State, Steps
from scratch.nn.utils.rnn import PackedSequence


class Layout(NamedTuple):
    """The rows of all time steps, step after step, as one array (R, F); `batch_sizes` says how many each step has."""

    batch_sizes: list[int]
    batched: bool = True
    batch_first: bool = False
    packed: PackedSequence | None = None

    @classmethod
    def of(cls, x: np.ndarray | PackedSequence, batch_first: bool) -> "Layout":
        """The layout of x: (T, N, F), (N, T, F) if `batch_first`, (T, F), or a PackedSequence."""
        if isinstance(x, PackedSequence):
            return cls(x.batch_sizes.tolist(), packed=x)
        if x.ndim == 2:
            return cls([1] * len(x), batched=False)
        steps, n = (x.shape[1], x.shape[0]) if batch_first else x.shape[:2]
        return cls([n] * steps, batch_first=batch_first)

    @property
    def batch(self) -> int:
        return self.batch_sizes[0]

    def steps(self, reverse: bool) -> Steps:
        """The rows of each time step, in the order of computation."""
        ends = np.cumsum(self.batch_sizes).tolist()
        steps = [slice(end - n, end) for n, end in zip(self.batch_sizes, ends, strict=True)]
        return steps[::-1] if reverse else steps

    def rows(self, x: np.ndarray | PackedSequence) -> np.ndarray:
        """(R, F) from an array laid out like the input."""
        if isinstance(x, PackedSequence):
            return x.data
        if self.packed is not None:
            return x
        return (x.swapaxes(0, 1) if self.batch_first else x).reshape(sum(self.batch_sizes), x.shape[-1])

    def restore(self, rows: np.ndarray) -> np.ndarray:
        """The inverse of `rows`; of a PackedSequence only the data."""
        if self.packed is not None or not self.batched:
            return rows
        y = rows.reshape(len(self.batch_sizes), self.batch, rows.shape[1])
        return y.swapaxes(0, 1) if self.batch_first else y

    def sort_state(self, state: State) -> State:
        """State parts (L·D, N, F), sequences in the order of the rows, from the user's state."""
        if not self.batched:
            return tuple(part[:, np.newaxis] for part in state)
        if self.packed is not None and self.packed.sorted_indices is not None:
            return tuple(part[:, self.packed.sorted_indices] for part in state)
        return state

    def unsort_state(self, state: State) -> State:
        """The inverse of `sort_state`."""
        if not self.batched:
            return tuple(part[:, 0] for part in state)
        if self.packed is not None and self.packed.unsorted_indices is not None:
            return tuple(part[:, self.packed.unsorted_indices] for part in state)
        return state
