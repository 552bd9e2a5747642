"""AdaptiveLogSoftmaxWithLoss: a softmax over very many classes, rare ones in clusters with fewer features."""

from collections.abc import Sequence
from itertools import pairwise
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.activation.softmax import log_softmax
from scratch.nn.container.module_list import ModuleList
from scratch.nn.container.sequential import Sequential
from scratch.nn.linear.linear import Linear
from scratch.nn.loss.loss import check_labels, check_prediction
from scratch.nn.loss.nll import places
from scratch.nn.module import Module
from scratch.nn.quiet import quiet
from scratch.products import matmul
from scratch.random import Generator


class ASMoutput(NamedTuple):
    """The log-probability of each row's target, and the mean of it with the sign changed."""

    output: Any
    loss: Any


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-softmax in two steps: first the frequent classes and the clusters, then the classes inside one cluster.

        log p(y) = h_y                    for y below cutoffs[0], the shortlist        h = log_softmax(head(x))
        log p(y) = h_k + c^k_{y - low}    for y in cluster k, which begins at low      c^k = log_softmax(tail[k](x))
        output_n = log p(y_n)             loss = -mean(output)

    Shapes    x (N, I) or (I,); target (N,) or (); output (N,) or (); loss (). head.weight (shortlist + clusters, I);
              tail[k] two layers without bias, I -> I // div_value^(k+1) -> size of cluster k.
    Options   in_features, n_classes; cutoffs, the first class of each cluster of the tail; div_value, the factor by
              which their widths shrink; head_bias gives the head a bias; dtype of the parameters, float32 or float64;
              generator draws their initial values (None: the global one).
    Backward  g_n = doutput_n - dloss / N        in the head's logits of every row, and in cluster k's of its own rows:
                  dlogits_nc = g_n ([c = the class or cluster of y_n] - softmax(logits)_nc)
              dx is that of the head plus, in each cluster's rows, that of the cluster's two layers
    Why       log p(y) is a sum of at most two log-softmaxes, each with the gradient onehot - softmax.
    Saves     the softmax behind h and each c^k that a row needs, what is picked from them, the clusters' rows; the
              layers save their own.
    Numerics  a cluster that no row needs is not computed, which saves the time; its gradients are unchanged.
    Init      that of Linear: the head, then the clusters in order.
    Torch     torch.nn.AdaptiveLogSoftmaxWithLoss. backward(doutput, dloss) takes None for zero; without arguments it is
              the gradient of the loss. log_prob and predict are for evaluation and do not disturb a pending backward.
    Raises    ValueError for cutoffs that are not increasing integers in [1, n_classes - 1]; RuntimeError for a
              target out of range, and for shapes and dtypes that do not fit.
    Source    Grave et al. 2016, Efficient softmax approximation for GPUs, arXiv:1609.04309.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(cutoffs, Sequence) or not all(isinstance(c, Real) for c in cutoffs):
            raise TypeError(f"AdaptiveLogSoftmaxWithLoss: cutoffs must be a sequence of integers, got {cutoffs!r}.")
        cutoffs = list(cutoffs)
        edges = [0, *cutoffs, n_classes]
        if not cutoffs or any(int(c) != c for c in cutoffs) or any(low >= high for low, high in pairwise(edges)):
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs must be unique integers in increasing order, "
                f"each in [1, {n_classes - 1}], got {cutoffs}."
            )
        if not 2.0**-31 < abs(div_value) < 2**31 and div_value != 0:
            raise ValueError("AdaptiveLogSoftmaxWithLoss: div_value must be a number of at most 32 bits.")
        if in_features < 0 or div_value < 0:
            raise RuntimeError("AdaptiveLogSoftmaxWithLoss: in_features and div_value must not be negative.")
        if div_value == 0:
            raise ZeroDivisionError("AdaptiveLogSoftmaxWithLoss: div_value, the divisor of the sizes, must not be 0.")
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, dtype, generator)
        self.tail = ModuleList()
        for k, (low, high) in enumerate(pairwise(self.cutoffs)):
            hidden = int(in_features // div_value ** (k + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, False, dtype, generator),
                    Linear(hidden, high - low, False, dtype, generator),
                )
            )

    def reset_parameters(self, generator: Generator | None = None) -> None:
        for layer in self.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters(generator)

    def forward(self, x: np.ndarray, target: np.ndarray) -> ASMoutput:
        self._check(x, target)
        rows, labels = np.atleast_2d(x), np.atleast_1d(target)
        picked = labels.astype(np.int64)  # of the head's outputs; becomes the cluster's where the label is in one
        output = np.zeros(len(rows), x.dtype)
        clusters = []
        for k, (low, high) in enumerate(pairwise(self.cutoffs)):
            members = np.flatnonzero((labels >= low) & (labels < high))
            if members.size:
                picked[members] = self.shortlist_size + k
                inside = labels[members] - low
                logp, p = log_softmax(self.tail[k](rows[members]), -1)
                output[members] = logp.take(places(inside, p.shape))
                clusters.append((k, members, inside, p))
        head_logp, p = log_softmax(self.head(rows), -1)
        output += head_logp.take(places(picked, p.shape))
        loss = -output.mean() if output.size else x.dtype.type(np.nan)
        result = ASMoutput(output.reshape(target.shape), loss)
        return self.save(result, p, picked, clusters, x.shape)

    def backward(self, doutput: Any = None, dloss: Any = None) -> np.ndarray:
        p, picked, clusters, shape = self.take((doutput, dloss))
        dtype = p.dtype
        if doutput is None and dloss is None:
            dloss = dtype.type(1)
        g = np.zeros(len(picked), dtype) if doutput is None else np.array(doutput, dtype).reshape(-1)
        if dloss is not None:
            g -= dloss / dtype.type(len(picked))
        dx = self.head.backward(_log_softmax_backward(g, p, picked))
        for k, members, inside, p in clusters:
            dx[members] += self.tail[k].backward(_log_softmax_backward(g[members], p, inside))
        return dx.reshape(shape)

    @quiet
    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """The log-probabilities of all classes, (N, n_classes)."""
        bias = 0 if self.head.bias is None else self.head.bias.data
        head, _ = log_softmax(matmul(x, self.head.weight.data.T) + bias, -1)
        parts = [head[:, : self.shortlist_size]]
        for k, cluster in enumerate(self.tail):
            project, expand = cluster.parameters()
            inside, _ = log_softmax(matmul(matmul(x, project.data.T), expand.data.T), -1)
            parts.append(inside + head[:, [self.shortlist_size + k]])
        return np.concatenate(parts, axis=1)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The most probable class of each row, (N,)."""
        return self.log_prob(x).argmax(axis=1)

    def _check(self, x: np.ndarray, target: np.ndarray) -> None:
        name = type(self).__name__
        check_prediction(name, x)
        if target.ndim > 1 or x.shape != (*target.shape, self.in_features):
            raise RuntimeError(
                f"{name}: the input must be (N, {self.in_features}) with labels (N,), or "
                f"({self.in_features},) with a label (); got {x.shape} and {target.shape}."
            )
        if target.dtype != np.int64:
            raise RuntimeError(f"{name}: labels must be int64, got {target.dtype}. Use .astype(np.int64).")
        check_labels(name, target, self.n_classes, RuntimeError)


def _log_softmax_backward(g: np.ndarray, p: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """The gradient of Σ g_i log p[i, picked_i] with respect to the logits; p is their softmax."""
    dlogits = p * -g[:, np.newaxis]
    place = places(picked, p.shape)
    np.put(dlogits, place, dlogits.take(place) + g)
    return dlogits
