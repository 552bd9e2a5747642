"""Transformers."""

from scratch.nn.transformer.decoder import TransformerDecoder, TransformerDecoderLayer
from scratch.nn.transformer.encoder import TransformerEncoder, TransformerEncoderLayer
from scratch.nn.transformer.transformer import Transformer

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]
