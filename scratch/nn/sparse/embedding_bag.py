"""EmbeddingBag: sums, means or maxima of looked-up vectors, one for each bag of indices."""

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.module import Module, Parameter
from scratch.nn.sparse.embedding import check_padding_idx, check_weight
from scratch.nn.sparse.scatter import add_rows, check_indices, renormalize, sum_bags
from scratch.random import Generator

MODES = ("sum", "mean", "max")


class EmbeddingBag(Module):
    """Look up a bag of indices and reduce the rows to one vector.

        sum:  y_b = Σ_t s_t weight[x_t]        mean:  y_b = Σ_t weight[x_t] / n_b        max:  y_b = max_t weight[x_t]

    where t runs over the n_b indices of bag b that are not padding_idx, and an empty bag gives zeros.

    Shapes    x (B, T): bags of T indices; or x (T,) with offsets (B,), where bag b is x[offsets[b]:offsets[b+1]] and
              include_last_offset adds the end of the last. per_sample_weights s like x, mode sum only. y (B, D).
    Backward  sum:  dweight[v] = Σ s_t dy_b          ds_t = <dy_b, weight[x_t]>        over the places where x_t = v
              mean: dweight[v] = Σ dy_b / n_b
              max:  dweight[v]_d = Σ dy_bd           over the bags whose first largest entry in column d is v's
    Why       sum and mean are linear; in the maximum only the winner affects the result. torch keeps the first on a
              tie.
    Returns   None, or ds if per_sample_weights were given.
    Options   padding_idx, max_norm, norm_type, scale_grad_by_freq as in Embedding; sparse is accepted, and the gradient
              is dense. num_embeddings V, embedding_dim D; mode is sum, mean or max; _weight holds the values to start
              from; dtype of the weight, float32 or float64; generator draws it (None: the global one).
    Saves     the indices and bags without padding, s, and for max the winners (B, D).
    Init      weight ~ N(0, 1), torch's draws to the bit.
    Torch     torch.nn.EmbeddingBag. Offsets that decrease are refused; torch accepts them. With scale_grad_by_freq
              torch before 2.14 divides the i-th distinct index's gradient by the frequency of the i-th smallest entry,
              which is another index as soon as one repeats; here every index is divided by its own.
    Raises    ValueError for a wrong number of dimensions or offsets that do not fit the input; RuntimeError for an
              index or offset out of range; NotImplementedError for per_sample_weights in mode mean or max.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: np.ndarray | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.include_last_offset = include_last_offset
        self.padding_idx = check_padding_idx("EmbeddingBag", padding_idx, num_embeddings)
        if _weight is None:
            self.weight = self.new_parameter(num_embeddings, embedding_dim, dtype=dtype)
            self.reset_parameters(generator)
        else:
            self.weight = Parameter(check_weight("EmbeddingBag", _weight, num_embeddings, embedding_dim))

    def reset_parameters(self, generator: Generator | None = None) -> None:
        init.normal_(self.weight, generator=generator)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(
        self, x: np.ndarray, offsets: np.ndarray | None = None, per_sample_weights: np.ndarray | None = None
    ) -> np.ndarray:
        index, starts = self._bags(x, offsets)
        self._check(x, index, starts, per_sample_weights)
        if self.max_norm is not None:
            renormalize(self.weight.data, index, self.max_norm, self.norm_type)
        bag = np.repeat(np.arange(len(starts)), np.diff(starts, append=index.size))
        kept = np.arange(index.size) if self.padding_idx is None else np.flatnonzero(index != self.padding_idx)
        index, bag = index[kept], bag[kept]
        s = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        rows = self.weight.data[index]
        if s is not None:
            rows *= s[kept, np.newaxis]
        counts = np.bincount(bag, minlength=len(starts))
        winners = None
        if self.mode == "max":
            filled = np.flatnonzero(counts)
            y = np.zeros((len(starts), self.embedding_dim), rows.dtype)
            winners = np.full(y.shape, -1)
            if filled.size:
                winners[filled] = _first_largest(rows, (np.cumsum(counts) - counts)[filled])
                y[filled] = np.take_along_axis(rows, winners[filled], axis=0)
        else:
            y = sum_bags(rows, counts)
            if self.mode == "mean":
                y /= np.maximum(counts, 1).astype(y.dtype)[:, np.newaxis]
        return self.save(y, x.shape, index, bag, kept, s, counts, winners)

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        shape, index, bag, kept, s, counts, winners = self.take(dy)
        dweight = np.zeros(self.weight.shape, self.weight.dtype)  # in C order, whatever the weight's
        if self.mode == "max":
            b, d = np.nonzero(winners >= 0)
            np.add.at(dweight, (index[winners[b, d]], d), dy[b, d])
        else:
            scale = np.ones((), dy.dtype) if s is None else s[kept]
            if self.mode == "mean":
                scale = 1 / counts[bag].astype(dy.dtype)
            if self.scale_grad_by_freq:
                scale = scale / np.bincount(index, minlength=1)[index].astype(dy.dtype)
            add_rows(dweight, index, dy[bag] * np.broadcast_to(scale, index.shape)[:, np.newaxis])
        self.weight.accumulate(dweight)
        if s is None:
            return None
        ds = np.zeros_like(s)
        ds[kept] = np.einsum("td,td->t", dy[bag], self.weight.data[index])
        return ds.reshape(shape)

    def _bags(self, x: np.ndarray, offsets: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The indices in one row, and where each bag starts."""
        if x.ndim == 2:
            if offsets is not None:
                raise ValueError(f"{self}: each row of a 2-D input is a bag; offsets must be None.")
            if x.shape[0] > 0 and x.shape[1] == 0:
                raise RuntimeError(f"{self}: bags of no indices need offsets, got input shape {x.shape}.")
            return x.reshape(-1), np.arange(x.shape[0]) * x.shape[1]
        if x.ndim != 1:
            raise ValueError(f"{self}: the input must have 1 or 2 dimensions, got shape {x.shape}.")
        if offsets is None or offsets.ndim != 1:
            raise ValueError(f"{self}: a 1-D input needs 1-D offsets, which say where each bag starts.")
        check_indices(f"{self}, offsets", offsets, x.size + 1, RuntimeError)
        if offsets.size and (offsets[0] != 0 or (np.diff(offsets) < 0).any()):
            raise RuntimeError(f"{self}: offsets must start at 0 and not decrease, got {offsets[:8]}.")
        if self.include_last_offset and offsets.size == 0:
            raise RuntimeError(f"{self}: include_last_offset needs at least one offset, the end; got none.")
        return x, offsets[:-1] if self.include_last_offset else offsets

    def _check(self, x: np.ndarray, index: np.ndarray, starts: np.ndarray, weights: np.ndarray | None) -> None:
        if self.mode not in MODES:
            raise ValueError(f"{self}: mode must be one of {', '.join(MODES)}, got {self.mode!r}.")
        if self.mode == "max" and self.scale_grad_by_freq:
            raise ValueError(f"{self}: mode 'max' does not support scale_grad_by_freq.")
        check_indices(str(self), index, self.num_embeddings, RuntimeError)
        if weights is None:
            return
        if self.mode != "sum":
            raise NotImplementedError(f"{self}: per_sample_weights need mode='sum', got {self.mode!r}.")
        if weights.shape != x.shape:
            raise ValueError(f"{self}: per_sample_weights must have the input's shape {x.shape}, got {weights.shape}.")
        if weights.dtype != self.weight.dtype:
            raise RuntimeError(f"{self}: per_sample_weights must be {self.weight.dtype}, got {weights.dtype}.")

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}"


def _first_largest(rows: np.ndarray, first: np.ndarray) -> np.ndarray:
    """For each bag and column, the place in `rows` of the first largest entry; a NaN wins only in the first place."""
    place = np.arange(len(rows))
    starts = np.zeros(len(rows), bool)
    starts[first] = True
    compared = np.where(np.isnan(rows), np.where(starts[:, np.newaxis], np.inf, -np.inf), rows)
    largest = np.maximum.reduceat(compared, first, axis=0)
    bag = np.cumsum(starts) - 1
    candidates = np.where(compared == largest[bag], place[:, np.newaxis], len(rows))
    return np.minimum.reduceat(candidates, first, axis=0)
