"""Embedding: a table of vectors, looked up by index."""

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module, Parameter
from scratch.nn.sparse.scatter import add_rows, check_indices, renormalize
from scratch.random import Generator


class Embedding(Module):
    """Replace each index by its row of the weight.

        y[..., :] = weight[x[...], :]

    Shapes    x (...) of int64 or int32; weight (V, D); y (..., D). V = num_embeddings, D = embedding_dim.
    Backward  dweight[v] = Σ dy over all places where x = v; x has no gradient, backward returns None
    Why       it is a Linear layer on one-hot vectors: dW = onehot^T dy, in which only the looked-up rows are nonzero.
    Options   padding_idx: this row is zero at the start and gets no gradient. max_norm: rows longer than it, in the
              norm norm_type, are shortened in the weight itself before they are looked up. scale_grad_by_freq:
              dweight[v] is divided by the number of times v was looked up. sparse is accepted and ignored. _weight: the
              values to start from. _freeze: the weight gets no gradient. dtype of the weight, float32 or float64;
              generator draws it (None: the global one).
    Saves     x.
    Numerics  rows are added in the order of x, as torch adds them.
    Init      weight ~ N(0, 1), torch's draws to the bit, then the padding row is zeroed.
    Torch     torch.nn.Embedding. With sparse=True torch's gradient is a sparse tensor of the same values; here it is
              dense.
    Raises    IndexError for an index outside [0, V); RuntimeError for indices that are not integers; AssertionError for
              a padding_idx outside the table or a _weight of another shape (torch's class).

    >>> Embedding(10, 4)(np.array([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: np.ndarray | None = None,
        _freeze: bool = False,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = check_padding_idx("Embedding", padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if _weight is None:
            self.weight = self.new_parameter(num_embeddings, embedding_dim, dtype=dtype)
            self.weight.requires_grad = not _freeze
            self.reset_parameters(generator)
        else:
            self.weight = Parameter(check_weight("Embedding", _weight, num_embeddings, embedding_dim), not _freeze)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        init.normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls,
        embeddings: np.ndarray,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> "Embedding":
        """A layer on an existing (V, D) table, frozen unless freeze=False."""
        if embeddings.ndim != 2:
            raise AssertionError(f"Embedding.from_pretrained: the table must be (V, D), got shape {embeddings.shape}.")
        V, D = embeddings.shape
        return cls(V, D, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze)

    def forward(self, x: np.ndarray) -> np.ndarray:
        x = np.asarray(x)
        check_indices(str(self), x, self.num_embeddings, IndexError)
        if self.max_norm is not None:
            renormalize(self.weight.data, x, self.max_norm, self.norm_type)
        return self.save(self.weight.data[x], x)

    def backward(self, dy: np.ndarray) -> None:
        x = self.take(dy)
        index, rows = x.reshape(-1), dy.reshape(x.size, self.embedding_dim)
        if self.padding_idx is not None:
            kept = index != self.padding_idx
            index, rows = index[kept], rows[kept]
        dweight = np.zeros(self.weight.shape, self.weight.dtype)  # in C order, whatever the weight's
        if self.scale_grad_by_freq:
            rows = rows / np.bincount(index, minlength=1)[index].astype(dy.dtype)[:, np.newaxis]
        add_rows(dweight, index, rows)
        self.weight.accumulate(dweight)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        return text


def check_padding_idx(call: str, padding_idx: int | None, rows: int) -> int | None:
    """In [-V, V), counted from the end if negative."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"{call}: padding_idx must lie in [{-rows}, {rows}), got {padding_idx}.")
    return padding_idx % rows


def check_weight(call: str, weight: np.ndarray, V: int, D: int) -> np.ndarray:
    if not isinstance(weight, np.ndarray):
        raise TypeError(f"{call}: _weight must be an array, got {type(weight).__name__}.")
    if weight.shape != (V, D):
        raise AssertionError(f"{call}: _weight must have shape ({V}, {D}), got {weight.shape}.")
    return weight
