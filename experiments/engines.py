"""The two engines behind one face: what Lightning trains is a torch module, a torch optimizer and batches of tensors.

Torch's are its own. Scratch's are NumPy's, seen through the bridge: the tensors are views of the NumPy arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.utils.data

import scratch
import torch_impl
from experiments import models
from experiments.config import OPTIMIZERS, Config
from experiments.data import Part
from torch_impl.bridge import TorchModule, TorchOptimizer, arrays


class Engine:
    """What the engines share: the library `lib`, and where its dtypes are found."""

    name: str
    lib: Any
    dtypes: Any

    def network(self, config: Config, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """The network, its weights drawn from the seed. Nothing is copied between the engines."""
        self.lib.manual_seed(config.seed)
        return self.driven(models.build(self.lib, config, shape, classes, dtype=getattr(self.dtypes, config.dtype)))

    def criterion(self) -> torch.nn.Module:
        return self.driven(self.lib.nn.CrossEntropyLoss())

    def rule(self, config: Config) -> Any:
        return getattr(self.lib.optim, OPTIMIZERS[config.optimizer])

    def driven(self, module: Any) -> torch.nn.Module:
        """The library's module as Lightning can drive it."""
        raise NotImplementedError

    def optimizer(self, config: Config, network: Any) -> torch.optim.Optimizer:
        """The library's optimizer of a driven network, as Lightning can drive it."""
        raise NotImplementedError

    def batches(self, part: Part, batch_size: int, seed: int, shuffle: bool) -> Batches:
        """One epoch after the other, in the order of the library's DataLoader."""
        raise NotImplementedError


class TorchEngine(Engine):
    """PyTorch."""

    name = "torch"
    lib = torch_impl
    dtypes = torch

    def driven(self, module: torch.nn.Module) -> torch.nn.Module:
        return module

    def optimizer(self, config: Config, network: torch.nn.Module) -> torch.optim.Optimizer:
        return self.rule(config)(network.parameters(), lr=config.lr)

    def batches(self, part: Part, batch_size: int, seed: int, shuffle: bool) -> Batches:
        """The order of DataLoader(shuffle=shuffle), but a batch is gathered in one statement, not item by item."""
        data = torch.utils.data
        dataset = data.TensorDataset(*(torch.from_numpy(array) for array in part))
        generator = torch.Generator().manual_seed(seed)
        order = data.RandomSampler(dataset, generator=generator) if shuffle else data.SequentialSampler(dataset)
        numbers = data.BatchSampler(order, batch_size, drop_last=False)
        return Batches(data.DataLoader(dataset, batch_size=None, sampler=numbers, generator=generator))


class ScratchEngine(Engine):
    """NumPy."""

    name = "scratch"
    lib = scratch
    dtypes = np

    def driven(self, module: scratch.nn.Module) -> TorchModule:
        return TorchModule(module)

    def optimizer(self, config: Config, network: Any) -> TorchOptimizer:
        return TorchOptimizer(self.rule(config)(network.scratch_module.parameters(), lr=config.lr), network)

    def batches(self, part: Part, batch_size: int, seed: int, shuffle: bool) -> Batches:
        dataset = scratch.data.TensorDataset(*part)
        generator = scratch.Generator().manual_seed(seed)
        return Batches(scratch.data.DataLoader(dataset, batch_size, shuffle, generator=generator))


class Batches:
    """What a loader yields, as tensors, with a fingerprint of all that has passed."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.passed = hashlib.sha256()

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        for batch in self.loader:
            tensors = [torch.as_tensor(part) for part in batch]
            for tensor in tensors:
                self.passed.update(tensor.numpy().data)
            yield tensors

    def __len__(self) -> int:
        return len(self.loader)


def fingerprint(network: torch.nn.Module) -> str:
    """sha256 over the names and bits of a network's state."""
    digest = hashlib.sha256()
    for name, array in arrays(network).items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def chosen(config: Config) -> list[Engine]:
    """The engines that a config asks for."""
    engines = (ScratchEngine(), TorchEngine())
    return [engine for engine in engines if config.engine in (engine.name, "both")]
