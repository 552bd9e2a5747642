"""Containers: modules made of modules."""

from scratch.nn.container.module_list import ModuleList
from scratch.nn.container.sequential import Sequential

__all__ = ["ModuleList", "Sequential"]
