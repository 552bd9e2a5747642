"""A convolution or linear layer and the batch normalization behind it, as one layer for evaluation.

    y = (W x + b - μ) r γ + β = (W r γ) x + (b - μ) r γ + β        r = 1 / sqrt(σ² + eps)

μ and σ² are the running statistics; a missing b or β counts as 0, a missing γ as 1.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import numpy as np

from scratch.nn.module import Module
from scratch.nn.parameter import Parameter

Layer = TypeVar("Layer", bound=Module)


def fuse_conv_bn_eval(conv: Layer, bn: Any, transpose: bool = False) -> Layer:
    """A copy of the convolution that computes the same as the original followed by `bn` in eval mode.

    Torch     torch.nn.utils.fuse_conv_bn_eval; `transpose` is for the transposed convolutions.
    Raises    AssertionError if one of them is in training mode, or bn has no running statistics.
    """
    _check("fuse_conv_bn_eval", conv, bn)
    w, b, bn_w, bn_b = _arrays(conv, bn)
    return _with(conv, fuse_conv_bn_weights(w, b, bn.running_mean, bn.running_var, bn.eps, bn_w, bn_b, transpose))


def fuse_conv_bn_weights(
    conv_w: np.ndarray,
    conv_b: np.ndarray | None,
    bn_rm: np.ndarray,
    bn_rv: np.ndarray,
    bn_eps: float,
    bn_w: np.ndarray | None,
    bn_b: np.ndarray | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused convolution, from the two layers' arrays; as torch.nn.utils.fuse_conv_bn_weights."""
    scale = 1 / np.sqrt(bn_rv + float(bn_eps))
    channel = 1 if transpose else 0
    shape = [-1 if axis == channel else 1 for axis in range(conv_w.ndim)]
    weight = conv_w * (scale if bn_w is None else bn_w * scale).reshape(shape)
    bias = ((0 if conv_b is None else conv_b) - bn_rm) * scale
    if bn_w is not None:
        bias *= bn_w
    return Parameter(weight), Parameter(bias if bn_b is None else bias + bn_b)


def fuse_linear_bn_eval(linear: Layer, bn: Any) -> Layer:
    """A copy of the linear layer that computes the same as the original followed by `bn` in eval mode.

    Torch     torch.nn.utils.fuse_linear_bn_eval.
    Raises    AssertionError if one of them is in training mode, bn has no running statistics, or the sizes differ.
    """
    _check("fuse_linear_bn_eval", linear, bn)
    size: Any = linear
    if bn.num_features not in (1, size.out_features):
        raise AssertionError(
            f"fuse_linear_bn_eval: {linear} has {size.out_features} outputs, and {bn} normalizes {bn.num_features}."
        )
    w, b, bn_w, bn_b = _arrays(linear, bn)
    return _with(linear, fuse_linear_bn_weights(w, b, bn.running_mean, bn.running_var, bn.eps, bn_w, bn_b))


def fuse_linear_bn_weights(
    linear_w: np.ndarray,
    linear_b: np.ndarray | None,
    bn_rm: np.ndarray,
    bn_rv: np.ndarray,
    bn_eps: float,
    bn_w: np.ndarray,
    bn_b: np.ndarray,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the fused layer, from the two layers' arrays; as torch.nn.utils.fuse_linear_bn_weights."""
    scale = bn_w / np.sqrt(bn_rv + float(bn_eps))
    bias = ((0 if linear_b is None else linear_b) - bn_rm) * scale + bn_b
    return Parameter(linear_w * scale[:, np.newaxis]), Parameter(bias)


def _arrays(layer: Any, bn: Any) -> list[Any]:
    parameters = (layer.weight, layer.bias, bn.weight, bn.bias)
    return [None if parameter is None else parameter.data for parameter in parameters]


def _with(layer: Layer, parameters: tuple[Parameter, Parameter]) -> Layer:
    fused: Any = copy.deepcopy(layer)
    fused.weight, fused.bias = parameters
    return fused


def _check(call: str, layer: Module, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError(f"{call}: both layers must be in eval mode to be fused. Call eval().")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError(f"{call}: {bn} has no running statistics to fuse.")
