"""TransformerEncoderLayer and TransformerEncoder: self-attention and a feed-forward block, each with a shortcut."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.attention import MultiheadAttention
from scratch.nn.container import ModuleList
from scratch.nn.dropout import Dropout
from scratch.nn.linear import Linear
from scratch.nn.module import Module
from scratch.nn.normalization import LayerNorm
from scratch.nn.transformer.feed_forward import (
    check_module,
    check_sizes,
    feed_forward,
    feed_forward_backward,
    make_activation,
)
from scratch.nn.transformer.masks import is_causal_mask
from scratch.random import Generator


class TransformerEncoderLayer(Module):
    """Every position attends to all, then passes through a small network of its own.

        norm last:   z = norm1(x + a(x))        y = norm2(z + f(z))
        norm first:  z = x + a(norm1(x))        y = z + f(norm2(z))
        a(x) = dropout1(self_attn(x, x, x))     f(z) = dropout2(linear2(dropout(activation(linear1(z)))))

    Shapes    x, y (L, N, E), (N, L, E) with batch_first, (L, E) without a batch. src_mask, src_key_padding_mask as
              attn_mask and key_padding_mask of MultiheadAttention.
    Options   d_model E, nhead heads; dim_feedforward, the width of the inner network; dropout, the probability of all
              its dropouts; activation, "relu", "gelu" or a Module; layer_norm_eps; batch_first; norm_first; bias=False
              leaves the biases out; dtype of the parameters, float32 or float64; generator draws their initial values,
              None being the global one.
    Backward  norm last:   dz = norm2'(dy),  dz += f'(dz);   dx = norm1'(dz),  dx += a'(dx)
              norm first:  dz = dy + norm2'(f'(dy));         dx = dz + norm1'(a'(dz))
    Why       a sum hands its gradient to both terms: the shortcut passes it on unchanged, the block adds its own. In a
              the same x enters as query, key and value, so a' adds the three.
    Saves     nothing of its own; its layers do.
    Init      as the layers draw, in torch's order.
    Torch     torch.nn.TransformerEncoderLayer. activation may be a scratch Module where torch takes a function. In eval
              mode without gradients torch takes a fast path of the same meaning; it is not imitated.
    Raises    RuntimeError for an unknown activation; what MultiheadAttention raises.
    Source    Vaswani et al. 2017, arXiv:1706.03762, section 3.1; Xiong et al. 2020, arXiv:2002.04745 (norm first).
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Module = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        check_sizes(type(self).__name__, d_model, nhead, dim_feedforward, dropout)
        own: dict[str, Any] = {"dtype": dtype, "generator": generator}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **own)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **own)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **own)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = make_activation("TransformerEncoderLayer", activation)

    def forward(
        self,
        src: np.ndarray,
        src_mask: np.ndarray | None = None,
        src_key_padding_mask: np.ndarray | None = None,
        is_causal: bool = False,
    ) -> np.ndarray:
        masks = src_mask, src_key_padding_mask, is_causal
        if self.norm_first:
            z = src + self._attend(self.norm1(src), *masks)
            return z + self._feed(self.norm2(z))
        z = self.norm1(src + self._attend(src, *masks))
        return self.norm2(z + self._feed(z))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        if self.norm_first:
            dz = dy + self.norm2.backward(self._feed_backward(dy))
            return dz + self.norm1.backward(self._attend_backward(dz))
        dz = self.norm2.backward(dy)
        dz = self.norm1.backward(dz + self._feed_backward(dz))
        return dz + self._attend_backward(dz)

    def _attend(
        self, x: np.ndarray, mask: np.ndarray | None, key_padding_mask: np.ndarray | None, is_causal: bool
    ) -> np.ndarray:
        options: dict[str, Any] = {"attn_mask": mask, "key_padding_mask": key_padding_mask, "is_causal": is_causal}
        return self.dropout1(self.self_attn(x, x, x, need_weights=False, **options)[0])

    def _attend_backward(self, dy: np.ndarray) -> np.ndarray:
        dq, dk, dv = self.self_attn.backward(self.dropout1.backward(dy))
        return dq + dk + dv

    def _feed(self, x: np.ndarray) -> np.ndarray:
        return self.dropout2(feed_forward(x, self.linear1, self.activation, self.dropout, self.linear2))

    def _feed_backward(self, dy: np.ndarray) -> np.ndarray:
        dy = self.dropout2.backward(dy)
        return feed_forward_backward(dy, self.linear1, self.activation, self.dropout, self.linear2)


class TransformerEncoder(Module):
    """A stack of copies of one encoder layer, and a norm after the last if one is given.

        y = norm(layer_n(... layer_1(x)))

    Shapes    as TransformerEncoderLayer. mask and src_key_padding_mask go to every layer.
    Options   encoder_layer, which is copied num_layers times; norm, a layer for the end; enable_nested_tensor and
              mask_check as torch has them.
    Backward  the layers' backwards in reverse.
    Init      the copies start equal, as torch's deep copies do.
    Torch     torch.nn.TransformerEncoder; enable_nested_tensor and mask_check are about its fast path and ignored.
              is_causal=None looks whether the mask is the causal one.
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        if not isinstance(encoder_layer, Module):
            raise TypeError(
                f"TransformerEncoder: encoder_layer must be a TransformerEncoderLayer, got {encoder_layer!r}."
            )
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.batch_first = encoder_layer.self_attn.batch_first
        self.num_layers = num_layers
        check_module(type(self).__name__, norm=norm)
        self.norm = norm

    def forward(
        self,
        src: np.ndarray,
        mask: np.ndarray | None = None,
        src_key_padding_mask: np.ndarray | None = None,
        is_causal: bool | None = None,
    ) -> np.ndarray:
        if is_causal is None:
            is_causal = is_causal_mask(mask, src, self.batch_first)
        if not len(self.layers):
            raise IndexError(f"TransformerEncoder: there is no layer to apply, num_layers was {self.num_layers}.")
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=is_causal)
        return x if self.norm is None else self.norm(x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = dy if self.norm is None else self.norm.backward(dy)
        for layer in reversed(list(self.layers)):
            dx = layer.backward(dx)
        return dx
