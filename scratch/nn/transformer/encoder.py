"""TransformerEncoderLayer and TransformerEncoder: self-attention and a feed-forward block, each with a shortcut."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.activation import GELU, ReLU
from scratch.nn.attention import MultiheadAttention
from scratch.nn.attention.fast_path import may_take_fast_path
from scratch.nn.attention.masks import blocking, is_causal_mask
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
from scratch.random import Generator


class TransformerEncoderLayer(Module):
    """Every position attends to all, then passes through a small network separately.

        norm last:   z = norm1(x + a(x))        y = norm2(z + f(z))
        norm first:  z = x + a(norm1(x))        y = z + f(norm2(z))
        a(x) = dropout1(self_attn(x, x, x))     f(z) = dropout2(linear2(dropout(activation(linear1(z)))))

    Shapes    x, y (L, N, E), (N, L, E) with batch_first, (L, E) without a batch. src_mask, src_key_padding_mask as
              attn_mask and key_padding_mask of MultiheadAttention.
    Options   d_model E, nhead heads; dim_feedforward, the width of the inner network; dropout, the probability of all
              its dropouts; activation, "relu", "gelu" or a Module; layer_norm_eps; batch_first; norm_first; bias=False
              leaves the biases out; dtype of the parameters, float32 or float64; generator draws their initial values
              (None: the global one).
    Backward  norm last:   dz = norm2'(dy),  dz += f'(dz);   dx = norm1'(dz),  dx += a'(dx)
              norm first:  dz = dy + norm2'(f'(dy));         dx = dz + norm1'(a'(dz))
    Why       a sum passes its gradient to both terms: the shortcut passes it on unchanged, the block adds its own. In a
              the same x enters as query, key and value, so a' adds the three.
    Saves     nothing of its own; its layers do.
    Init      as the layers draw, in torch's order.
    Torch     torch.nn.TransformerEncoderLayer. activation may be a scratch Module, whereas torch takes a function. In
              eval mode inside no_grad() the numbers are those of torch's fast path: a wholly padded sequence is NaN,
              and a mask of floats blocks wherever it is not 0. See nn.attention.set_fastpath_enabled.
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
        if self.takes_fast_path(src):
            masks = _as_booleans(src_mask), _as_booleans(src_key_padding_mask), False
        else:
            masks = blocking(src_mask, src.dtype), blocking(src_key_padding_mask, src.dtype), is_causal
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

    def takes_fast_path(self, src: np.ndarray) -> bool:
        """Whether torch would take its fast path: see attention/fast_path.py."""
        return may_take_fast_path(self, src) and self.has_fast_path()

    def has_fast_path(self) -> bool:
        """Whether the options allow torch's fast path."""
        attention = self.self_attn
        return (
            attention.batch_first
            and attention.in_proj_bias is not None
            and attention.num_heads % 2 == 0
            and isinstance(self.activation, ReLU | GELU)
            and self.norm1.eps == self.norm2.eps
        )

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
    Torch     torch.nn.TransformerEncoder; is_causal=None checks whether the mask is the causal mask. In eval mode
              inside no_grad(), with a src_key_padding_mask, no mask, and norm last, padded positions are 0 before the
              final norm, in a wholly padded sequence too: torch's nested tensors. They are not after
              enable_nested_tensor=False, or where padding is not at the end; with mask_check=False torch does not check
              this, and takes as many positions from the start as are not padded. A batch that is empty or padded as a
              whole, and a later layer in training mode, which torch refuses there, are computed.
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
        own = isinstance(encoder_layer, TransformerEncoderLayer)
        self.use_nested_tensor = (
            enable_nested_tensor and own and not encoder_layer.norm_first and encoder_layer.has_fast_path()
        )
        self.mask_check = mask_check

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
            raise IndexError(f"TransformerEncoder: num_layers must be at least 1, got {self.num_layers}.")
        kept = self._kept(src, mask, src_key_padding_mask)
        x, padding = src, src_key_padding_mask if kept is None else ~kept
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=padding, is_causal=is_causal)
        if kept is not None:
            x = np.where(kept[..., np.newaxis], x, x.dtype.type(0))
        return x if self.norm is None else self.norm(x)

    def _kept(self, src: np.ndarray, mask: np.ndarray | None, padding: np.ndarray | None) -> np.ndarray | None:
        """(N, S): the positions that torch's nested tensors hold, if it makes any; the others become 0."""
        if not self.use_nested_tensor or padding is None or mask is not None:
            return None
        first = self.layers[0]
        if not isinstance(first, TransformerEncoderLayer) or not first.takes_fast_path(src):
            return None
        open_to_all = padding == 0
        kept = np.arange(padding.shape[-1]) < np.count_nonzero(open_to_all, axis=-1, keepdims=True)
        return kept if not self.mask_check or np.array_equal(kept, open_to_all) else None

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = dy if self.norm is None else self.norm.backward(dy)
        for layer in reversed(list(self.layers)):
            dx = layer.backward(dx)
        return dx


def _as_booleans(mask: np.ndarray | None) -> np.ndarray | None:
    """True (blocked) where a float mask is not 0, as torch's fast path reads it."""
    return mask if mask is None or mask.dtype.kind != "f" else mask != 0
