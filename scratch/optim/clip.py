"""Clipping: bound the gradients before a step. torch keeps these functions in torch.nn.utils."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from scratch.arguments import plain_options
from scratch.nn.module import Parameter
from scratch.products import dot


@plain_options
def get_total_norm(
    tensors: np.ndarray | Iterable[np.ndarray], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> np.floating:
    """The p-norm of all arrays as one vector, (Σ |x|^p)^(1/p): as the norm of the arrays' norms.

    p = norm_type; inf gives the largest |x|, 0 counts the nonzero arrays' norms as torch does. Without arrays the norm
    is 0.

    Torch     torch.nn.utils.get_total_norm.
    Raises    RuntimeError for a NaN or infinite norm with error_if_nonfinite, and for p < 0 or inf of an empty array.
    """
    arrays = [tensors] if isinstance(tensors, np.ndarray) else list(tensors)
    p = float(norm_type)
    if not arrays:
        return np.float32(0)
    with np.errstate(all="ignore"):
        total = _norm(np.array([_norm(x, p) for x in arrays]), p)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"get_total_norm: the norm of order {p} of the gradients is {total}, so they cannot be clipped. Look for "
            "the layer that produced it, or pass error_if_nonfinite=False."
        )
    return total


def _norm(x: np.ndarray, p: float) -> np.floating:
    x = x.ravel()
    if x.size == 0 and (p < 0 or p == math.inf):
        raise RuntimeError(f"get_total_norm: the {p}-norm of an empty array is not defined.")
    if p == 2:
        return np.sqrt(dot(x, x))
    if math.isinf(p):
        return np.abs(x).max() if p > 0 else np.abs(x).min()
    if p == 0:
        return x.dtype.type(np.count_nonzero(x))
    return (np.abs(x) ** p).sum() ** (1 / p)


@plain_options
def clip_grad_norm_(
    parameters: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> np.floating:
    """Scale all gradients so that their norm, as one vector, is at most max_norm; return the norm before scaling.

        g = g · min(1, max_norm / (norm + 1e-6))

    Differs   1e-6 is added to the norm, so a gradient of norm 1 clipped to 1 becomes shorter by 1e-6. Keras' clipnorm
              clips each variable separately; its global_clipnorm is this function.
    Torch     torch.nn.utils.clip_grad_norm_.
    Raises    RuntimeError as get_total_norm does. With a NaN norm all gradients become NaN, as in torch.
    Source    Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063.
    """
    if isinstance(parameters, Iterator):
        parameters = list(parameters)
        if not parameters:
            warnings.warn("clip_grad_norm_: `parameters` is an empty iterator, so nothing is clipped.", stacklevel=3)
    gradients = _gradients("clip_grad_norm_", parameters)
    norm = get_total_norm(gradients, norm_type, error_if_nonfinite)
    _scale(gradients, max_norm, norm)
    return norm


@plain_options
def clip_grads_with_norm_(
    parameters: Parameter | Iterable[Parameter], max_norm: float, total_norm: np.floating | float
) -> None:
    """Scale all gradients by one factor, for a norm that was already computed.

        g' = g min(1, max_norm / (total_norm + 1e-6))

    Why       one factor for all gradients keeps their direction and bounds the length of the step; a norm of 0 divides
              nothing by 0, thanks to 1e-6.
    Torch     torch.nn.utils.clip_grads_with_norm_.
    """
    _scale(_gradients("clip_grads_with_norm_", parameters), max_norm, total_norm)


@plain_options
def clip_grad_value_(parameters: Parameter | Iterable[Parameter], clip_value: float) -> None:
    """Clip every element of the gradients to [-clip_value, clip_value]. NaN stays NaN.

        g' = max(-clip_value, min(g, clip_value))

    Why       no element can move its weight by more than lr clip_value, but the direction of the gradient changes,
              which `clip_grad_norm_` keeps.
    Torch     torch.nn.utils.clip_grad_value_.
    """
    bound = float(clip_value)
    for gradient in _gradients("clip_grad_value_", parameters):
        np.maximum(gradient, -bound, out=gradient)
        np.minimum(gradient, bound, out=gradient)


def _scale(gradients: list[np.ndarray], max_norm: float, norm: np.floating | float) -> None:
    with np.errstate(all="ignore"):
        factor = np.minimum(float(max_norm) / (norm + 1e-6), 1.0)
        for gradient in gradients:
            gradient *= gradient.dtype.type(factor)  # a float64 would be multiplied with in float64


def _gradients(call: str, parameters: Any) -> list[np.ndarray]:
    parameters = [parameters] if isinstance(parameters, Parameter) else list(parameters)
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"{call}: expected Parameters, got {type(parameter).__name__}.")
    return [parameter.grad for parameter in parameters if parameter.grad is not None]
