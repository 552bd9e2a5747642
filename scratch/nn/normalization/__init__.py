"""Normalization of rows, of groups of channels, and across channels."""

from scratch.nn.normalization.cross_map_lrn import CrossMapLRN2d
from scratch.nn.normalization.group_norm import GroupNorm
from scratch.nn.normalization.layer_norm import LayerNorm
from scratch.nn.normalization.local_response_norm import LocalResponseNorm
from scratch.nn.normalization.rms_norm import RMSNorm

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]
