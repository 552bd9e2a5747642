"""Padding: a margin of constants, or of elements of the input itself."""

from scratch.nn.padding.circular import CircularPad1d, CircularPad2d, CircularPad3d
from scratch.nn.padding.constant import ConstantPad1d, ConstantPad2d, ConstantPad3d, ZeroPad1d, ZeroPad2d, ZeroPad3d
from scratch.nn.padding.reflection import ReflectionPad1d, ReflectionPad2d, ReflectionPad3d
from scratch.nn.padding.replication import ReplicationPad1d, ReplicationPad2d, ReplicationPad3d

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]
