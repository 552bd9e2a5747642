"""Attention."""

from scratch.nn.attention.multihead_attention import MultiheadAttention
from scratch.nn.attention.scaled_dot_product import ScaledDotProductAttention

__all__ = ["MultiheadAttention", "ScaledDotProductAttention"]
