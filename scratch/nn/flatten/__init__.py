"""Flatten and Unflatten."""

from scratch.nn.flatten.flatten import Flatten, Unflatten

__all__ = ["Flatten", "Unflatten"]
