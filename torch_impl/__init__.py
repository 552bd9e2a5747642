"""The same names as `scratch`, from PyTorch: `nn`, `optim` and `data`; and the bridge between the two."""

from torch import manual_seed, no_grad

from torch_impl import data, nn, optim

__all__ = ["data", "manual_seed", "nn", "no_grad", "optim"]
