"""The same names as `scratch`, from PyTorch: `torch_impl.nn`, `torch_impl.optim`, and the bridge between the two."""

from torch import manual_seed, no_grad

from torch_impl import nn, optim

__all__ = ["manual_seed", "nn", "no_grad", "optim"]
