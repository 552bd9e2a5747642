"""Projections of query, key and value, with one packed weight or three separate ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scratch.nn.parameter import Parameter
from scratch.nn.sums import sum_leading
from scratch.products import matmul


def affine(x: np.ndarray, weight: Parameter, bias: Parameter | None) -> np.ndarray:
    """Return x W^T + b, or x W^T without b."""
    return _affine(x, weight.data, None if bias is None else bias.data)


def affine_backward(dy: np.ndarray, x: np.ndarray, weight: Parameter, bias: Parameter | None) -> np.ndarray:
    """Return the gradient of x; accumulate those of W and b."""
    rows = dy.reshape(-1, dy.shape[-1])
    weight.accumulate_product(rows.T, x.reshape(-1, x.shape[-1]))
    if bias is not None:
        bias.accumulate(sum_leading(rows))
    return matmul(dy, weight.data)


def project(inputs: Sequence[np.ndarray], weights: Sequence[Parameter], bias: Parameter | None) -> list[np.ndarray]:
    """Return q = query Wq^T + bq, k = key Wk^T + bk and v = value Wv^T + bv: (N, L, E) and twice (N, S, E).

    The weights are one of shape (3E, E) or three; the bias (3E,) is always packed.
    """
    biases = [None] * 3 if bias is None else np.split(bias.data, 3)
    return [_affine(x, W, b) for x, W, b in zip(inputs, _separate(weights), biases, strict=True)]


def project_backward(
    dprojected: Sequence[np.ndarray],
    inputs: Sequence[np.ndarray],
    weights: Sequence[Parameter],
    bias: Parameter | None,
) -> list[np.ndarray]:
    """Return the gradients of the inputs; accumulate those of the weights and of the bias."""
    rows = [d.reshape(-1, d.shape[-1]) for d in dprojected]
    products = [matmul(d.T, x.reshape(-1, x.shape[-1])) for d, x in zip(rows, inputs, strict=True)]
    if len(weights) == 1:
        products = [np.concatenate(products)]
    for weight, gradient in zip(weights, products, strict=True):
        weight.accumulate(gradient)
    if bias is not None:
        bias.accumulate(np.concatenate([sum_leading(d) for d in rows]))
    return [matmul(d, W) for d, W in zip(dprojected, _separate(weights), strict=True)]


def _affine(x: np.ndarray, W: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    y = matmul(x, W.T)
    if b is not None:
        y += b
    return y


def _separate(weights: Sequence[Parameter]) -> list[np.ndarray]:
    """Wq, Wk, Wv."""
    return np.split(weights[0].data, 3) if len(weights) == 1 else [weight.data for weight in weights]
