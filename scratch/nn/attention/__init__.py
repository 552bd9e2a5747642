"""Attention."""

from scratch.nn.attention.fast_path import get_fastpath_enabled, set_fastpath_enabled
from scratch.nn.attention.multihead_attention import MultiheadAttention
from scratch.nn.attention.scaled_dot_product import ScaledDotProductAttention

__all__ = ["MultiheadAttention", "ScaledDotProductAttention", "get_fastpath_enabled", "set_fastpath_enabled"]
