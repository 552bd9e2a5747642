"""Containers: modules made of modules or of parameters."""

from scratch.nn.container.module_dict import ModuleDict
from scratch.nn.container.module_list import ModuleList
from scratch.nn.container.parameter_dict import ParameterDict
from scratch.nn.container.parameter_list import ParameterList
from scratch.nn.container.sequential import Sequential

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]
