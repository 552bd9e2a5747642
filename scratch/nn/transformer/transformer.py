"""Transformer: an encoder that reads the source, a decoder that writes the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratch.nn import init
from scratch.nn.attention.masks import causal_mask
from scratch.nn.module import Module
from scratch.nn.normalization import LayerNorm
from scratch.nn.transformer.decoder import TransformerDecoder, TransformerDecoderLayer
from scratch.nn.transformer.encoder import TransformerEncoder, TransformerEncoderLayer
from scratch.nn.transformer.feed_forward import check_module, check_sizes
from scratch.random import Generator


class Transformer(Module):
    """The encoder's output is the memory that every layer of the decoder attends to.

        y = decoder(tgt, encoder(src))

    Shapes    src (S, N, E), tgt and y (T, N, E); batch_first and no batch as in MultiheadAttention.
    Backward  (dtgt, dm) = decoder'(dy);  dsrc = encoder'(dm)
    Returns   backward: dsrc, dtgt.
    Options   d_model E, nhead heads; num_encoder_layers, num_decoder_layers; dim_feedforward, dropout, activation,
              layer_norm_eps, batch_first, norm_first and bias of every layer; custom_encoder, custom_decoder in place
              of those made here; dtype of the parameters, float32 or float64; generator draws their initial values
              (None: the global one).
    Saves     nothing of its own; its layers do.
    Init      after the layers have drawn, every weight matrix is drawn again, Xavier uniform, in torch's order.
    Torch     torch.nn.Transformer.
    Raises    RuntimeError if the batches of src and tgt differ, or a width is not d_model.
    Source    Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Module = "relu",
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        generator: Generator | None = None,
    ) -> None:
        check_sizes("Transformer", d_model, nhead, dim_feedforward, dropout)
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)

        check_module("Transformer", custom_encoder=custom_encoder, custom_decoder=custom_decoder)
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*layer, dtype, generator), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*layer, dtype, generator), num_decoder_layers, norm()
        )
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter, generator=generator)

    def forward(
        self,
        src: np.ndarray,
        tgt: np.ndarray,
        src_mask: np.ndarray | None = None,
        tgt_mask: np.ndarray | None = None,
        memory_mask: np.ndarray | None = None,
        src_key_padding_mask: np.ndarray | None = None,
        tgt_key_padding_mask: np.ndarray | None = None,
        memory_key_padding_mask: np.ndarray | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> np.ndarray:
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(f"Transformer: src and tgt must have the same batch, got {src.shape} and {tgt.shape}.")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"Transformer: src and tgt must end in {self.d_model} features, got {src.shape}, {tgt.shape}."
            )
        memory = self.encoder.forward(src, src_mask, src_key_padding_mask, src_is_causal)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder.forward(tgt, memory, *masks, tgt_is_causal, memory_is_causal)

    def backward(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        dtgt, dmemory = self.decoder.backward(dy)
        return self.encoder.backward(dmemory), dtgt

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: DTypeLike = np.float32) -> np.ndarray:
        """(sz, sz): -inf above the diagonal, 0 on and below it."""
        return causal_mask(sz, sz, np.dtype(dtype))
