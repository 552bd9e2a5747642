"""The engines as Lightning drives them: a torch module, a torch optimizer and batches of tensors for either engine.

Torch uses its own. scratch uses NumPy through the bridge: the tensors are views of the NumPy arrays.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import torch

import scratch
from experiments.training import models
from experiments.training.augment import Augmentation
from experiments.training.batches import Batches
from experiments.training.config import OPTIMIZERS, Config
from experiments.training.data import Part
from parity_tests.engine import SCRATCH, TORCH, Engine
from torch_impl.bridge import TorchModule, TorchOptimizer, TorchScheduler, arrays


class Driven:
    """What Lightning needs from an engine."""

    engine: Engine

    @property
    def name(self) -> str:
        return self.engine.name

    def network(self, config: Config, shape: tuple[int, ...], classes: int) -> torch.nn.Module:
        """The network, its weights drawn from the seed. Nothing is copied between the engines."""
        self.engine.seed(config.seed)
        return self.module(models.build(self.engine.lib, config, shape, classes, **self.engine.factory(config.dtype)))

    def criterion(self, label_smoothing: float = 0.0) -> torch.nn.Module:
        return self.module(self.engine.lib.nn.CrossEntropyLoss(label_smoothing=label_smoothing))

    def batches(
        self, part: Part, batch_size: int, seed: int, shuffle: bool, augmentation: Augmentation | None = None
    ) -> Batches:
        """One epoch after the other, in the order of the library's DataLoader."""
        generator = self.engine.random.Generator().manual_seed(seed)
        order = self.sampler(part, generator) if shuffle else range(len(part.labels))
        return Batches(part, order, batch_size, generator, seed, augmentation)

    def module(self, module: Any) -> torch.nn.Module:
        """The library's module as Lightning can drive it."""
        raise NotImplementedError

    def optimizer(self, config: Config, network: Any) -> torch.optim.Optimizer:
        """The library's optimizer of a driven network, as Lightning can drive it."""
        raise NotImplementedError

    def scheduler(self, config: Config, optimizer: Any, steps: int) -> Any:
        """The library's schedule over this many steps, stepped after each; None for a constant rate."""
        raise NotImplementedError

    def sampler(self, part: Part, generator: Any) -> Any:
        """The library's random order."""
        raise NotImplementedError


class DrivenTorch(Driven):
    """PyTorch, which Lightning was made for."""

    engine = TORCH

    def module(self, module: torch.nn.Module) -> torch.nn.Module:
        return module

    def optimizer(self, config: Config, network: torch.nn.Module) -> torch.optim.Optimizer:
        return rule(self.engine.lib, config)(network.parameters(), **hyperparameters(config))

    def scheduler(self, config: Config, optimizer: Any, steps: int) -> Any:
        return schedule(self.engine.lib, config, optimizer, steps)

    def sampler(self, part: Part, generator: Any) -> Any:
        return torch.utils.data.RandomSampler(range(len(part.labels)), generator=generator)


class DrivenScratch(Driven):
    """NumPy, through the bridge."""

    engine = SCRATCH

    def module(self, module: scratch.nn.Module) -> TorchModule:
        return TorchModule(module)

    def optimizer(self, config: Config, network: Any) -> TorchOptimizer:
        parameters = network.scratch_module.parameters()
        return TorchOptimizer(rule(self.engine.lib, config)(parameters, **hyperparameters(config)), network)

    def scheduler(self, config: Config, optimizer: Any, steps: int) -> Any:
        made = schedule(self.engine.lib, config, optimizer.scratch_optimizer, steps)
        return TorchScheduler(made, optimizer) if made else None

    def sampler(self, part: Part, generator: Any) -> Any:
        return scratch.data.RandomSampler(range(len(part.labels)), generator=generator)


def optimizer_and_schedule(driven: Driven, config: Config, network: Any, steps: int) -> tuple[Any, Any]:
    optimizer = driven.optimizer(config, network)
    return optimizer, driven.scheduler(config, optimizer, steps)


# --- what a config means, in the words that both libraries share ------------------------------------------------------


def rule(lib: Any, config: Config) -> Any:
    return getattr(lib.optim, OPTIMIZERS[config.optimizer])


def hyperparameters(config: Config) -> dict[str, float]:
    chosen = {"lr": config.lr, "weight_decay": config.weight_decay}
    return chosen | ({"momentum": config.momentum} if config.momentum else {})


def schedule(lib: Any, config: Config, optimizer: Any, steps: int) -> Any:
    """The learning rate over `steps` steps, at its highest config.lr; None if it is constant.

    Momentum is constant: cycling it would turn the twin's Adam into another rule for half of the run.
    """
    rates = lib.optim.lr_scheduler
    if config.scheduler == "onecycle":
        return rates.OneCycleLR(optimizer, max_lr=config.lr, total_steps=steps, cycle_momentum=False)
    if config.scheduler == "cosine":
        return rates.CosineAnnealingLR(optimizer, T_max=steps)
    if config.scheduler == "step":
        return rates.StepLR(optimizer, step_size=math.ceil(steps / 3), gamma=0.1)
    return None


def fingerprint(network: torch.nn.Module) -> str:
    """sha256 over the names and bits of a network's state."""
    digest = hashlib.sha256()
    for name, array in arrays(network).items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def chosen(config: Config) -> list[Driven]:
    """The engines that a config selects."""
    engines = (DrivenScratch(), DrivenTorch())
    return [driven for driven in engines if config.engine in (driven.name, "both")]
