"""TransformerDecoderLayer and TransformerDecoder: as the encoder, with attention to its output in between."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn.attention import MultiheadAttention
from scratch.nn.attention.masks import is_causal_mask
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


class TransformerDecoderLayer(Module):
    """Each position attends to the target so far, then to the memory, then passes through a small network.

        norm last:   u = norm1(x + a(x))      z = norm2(u + c(u, m))      y = norm3(z + f(z))
        norm first:  u = x + a(norm1(x))      z = u + c(norm2(u), m)      y = z + f(norm3(z))
        a(x) = dropout1(self_attn(x, x, x))   c(u, m) = dropout2(multihead_attn(u, m, m))
        f(z) = dropout3(linear2(dropout(activation(linear1(z)))))

    Shapes    tgt x, y (T, N, E), memory m (S, N, E); batch_first and no batch as in MultiheadAttention.
    Backward  each shortcut as in TransformerEncoderLayer; c' returns the gradients of u and, as key and value, of m.
    Returns   backward: dtgt, dmemory.
    Options   d_model E, nhead heads; dim_feedforward, the width of the inner network; dropout, the probability of all
              its dropouts; activation, "relu", "gelu" or a Module; layer_norm_eps; batch_first; norm_first; bias=False
              leaves the biases out; dtype of the parameters, float32 or float64; generator draws their initial values
              (None: the global one).
    Saves     nothing of its own; its layers do.
    Init      as the layers draw, in torch's order.
    Torch     torch.nn.TransformerDecoderLayer. activation may be a scratch Module, whereas torch takes a function.
    Raises    RuntimeError for an unknown activation; what MultiheadAttention raises.
    Source    Vaswani et al. 2017, arXiv:1706.03762, section 3.1.
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
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **own)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **own)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **own)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = make_activation("TransformerDecoderLayer", activation)

    def forward(
        self,
        tgt: np.ndarray,
        memory: np.ndarray,
        tgt_mask: np.ndarray | None = None,
        memory_mask: np.ndarray | None = None,
        tgt_key_padding_mask: np.ndarray | None = None,
        memory_key_padding_mask: np.ndarray | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> np.ndarray:
        own: dict[str, Any] = {
            "attn_mask": tgt_mask,
            "key_padding_mask": tgt_key_padding_mask,
            "is_causal": tgt_is_causal,
        }
        other: dict[str, Any] = {
            "attn_mask": memory_mask,
            "key_padding_mask": memory_key_padding_mask,
            "is_causal": memory_is_causal,
        }

        def attend(x: np.ndarray) -> np.ndarray:
            return self.dropout1(self.self_attn(x, x, x, need_weights=False, **own)[0])

        def consult(x: np.ndarray) -> np.ndarray:
            return self.dropout2(self.multihead_attn(x, memory, memory, need_weights=False, **other)[0])

        if self.norm_first:
            u = tgt + attend(self.norm1(tgt))
            z = u + consult(self.norm2(u))
            return z + self._feed(self.norm3(z))
        u = self.norm1(tgt + attend(tgt))
        z = self.norm2(u + consult(u))
        return self.norm3(z + self._feed(z))

    def backward(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.norm_first:
            dz = dy + self.norm3.backward(self._feed_backward(dy))
            du, dmemory = self._consult_backward(dz)
            du = dz + self.norm2.backward(du)
            return du + self.norm1.backward(self._attend_backward(du)), dmemory
        dz = self.norm3.backward(dy)
        dz = self.norm2.backward(dz + self._feed_backward(dz))
        du, dmemory = self._consult_backward(dz)
        du = self.norm1.backward(dz + du)
        return du + self._attend_backward(du), dmemory

    def _attend_backward(self, dy: np.ndarray) -> np.ndarray:
        dq, dk, dv = self.self_attn.backward(self.dropout1.backward(dy))
        return dq + dk + dv

    def _consult_backward(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dq, dk, dv = self.multihead_attn.backward(self.dropout2.backward(dy))
        return dq, dk + dv

    def _feed(self, x: np.ndarray) -> np.ndarray:
        return self.dropout3(feed_forward(x, self.linear1, self.activation, self.dropout, self.linear2))

    def _feed_backward(self, dy: np.ndarray) -> np.ndarray:
        dy = self.dropout3.backward(dy)
        return feed_forward_backward(dy, self.linear1, self.activation, self.dropout, self.linear2)


class TransformerDecoder(Module):
    """A stack of copies of one decoder layer, all looking at the same memory, and a norm after the last if given.

        y = norm(layer_n(... layer_1(x, m) ..., m))

    Backward  the layers' backwards in reverse; the memory's gradient is the sum over the layers.
    Returns   backward: dtgt, dmemory.
    Options   decoder_layer, which is copied num_layers times; norm, a layer for the end.
    Init      the copies start equal, as torch's deep copies do.
    Torch     torch.nn.TransformerDecoder; tgt_is_causal=None checks whether tgt_mask is the causal mask.
    """

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None) -> None:
        if not isinstance(decoder_layer, Module):
            raise TypeError(
                f"TransformerDecoder: decoder_layer must be a TransformerDecoderLayer, got {decoder_layer!r}."
            )
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.batch_first = decoder_layer.self_attn.batch_first
        self.num_layers = num_layers
        check_module(type(self).__name__, norm=norm)
        self.norm = norm

    def forward(
        self,
        tgt: np.ndarray,
        memory: np.ndarray,
        tgt_mask: np.ndarray | None = None,
        memory_mask: np.ndarray | None = None,
        tgt_key_padding_mask: np.ndarray | None = None,
        memory_key_padding_mask: np.ndarray | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> np.ndarray:
        if tgt_is_causal is None:
            tgt_is_causal = is_causal_mask(tgt_mask, tgt, self.batch_first)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        if not len(self.layers):
            raise IndexError(f"TransformerDecoder: num_layers must be at least 1, got {self.num_layers}.")
        x = tgt
        for layer in self.layers:
            x = layer.forward(x, memory, *masks, tgt_is_causal, memory_is_causal)
        return x if self.norm is None else self.norm(x)

    def backward(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dx = dy if self.norm is None else self.norm.backward(dy)
        parts = []
        for layer in reversed(list(self.layers)):
            dx, dmemory = layer.backward(dx)
            parts.append(dmemory)
        return dx, sum(parts[1:], parts[0])
