"""Normalization of batches, of instances, of rows, of groups of channels, and across channels."""

from scratch.nn.normalization.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from scratch.nn.normalization.cross_map_lrn import CrossMapLRN2d
from scratch.nn.normalization.group_norm import GroupNorm
from scratch.nn.normalization.instance_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from scratch.nn.normalization.layer_norm import LayerNorm
from scratch.nn.normalization.local_response_norm import LocalResponseNorm
from scratch.nn.normalization.rms_norm import RMSNorm

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CrossMapLRN2d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]
