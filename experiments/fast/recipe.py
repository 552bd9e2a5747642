"""The recipes of the fast runs: a network, a number of passes, a rule, and the goal they were made for.

Each network is built by a function that takes the library, `scratch` or `torch_impl`, as its argument, so either engine
trains it. The numbers were chosen on the last 10000 training images, never on the test set:

    python -m experiments.fast run RECIPE --validation
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch_impl
from experiments.training import models

SIDE = 28  # pixels of a row or column of MNIST


@dataclass(frozen=True)
class Recipe:
    """Everything that defines a fast run except its seed.

    Adam with a learning rate that rises from `lr / 25` to `lr` during the first part `warm_up` of all steps and then
    falls to nearly 0, both along half a cosine (OneCycle). An epoch is `count // batch_size` full batches of a new
    permutation. Every image is moved by up to `shift` pixels along each axis, with black pixels from outside.
    """

    name: str
    network: Callable[[Any], Any]
    epochs: int
    batch_size: int
    lr: float
    betas: tuple[float, float]
    warm_up: float
    shift: int = 0
    label_smoothing: float = 0.0
    goal: float = 0.0  # test accuracy, the mean of the seeds
    seconds: dict[str, float] = field(default_factory=dict)  # of training on one H200-class GPU, at most, by loop

    def steps_per_epoch(self, count: int) -> int:
        """The number of full batches in `count` images."""
        if count < self.batch_size:
            raise ValueError(f"{self.name}: {count} images do not fill a batch of {self.batch_size}. Use more images.")
        return count // self.batch_size

    def rates(self, steps: int) -> list[float]:
        """The learning rate of every step."""
        optim = torch_impl.optim
        probe = optim.SGD(torch_impl.nn.Linear(1, 1).parameters(), lr=self.lr)
        schedule = optim.lr_scheduler.OneCycleLR(
            probe, self.lr, total_steps=max(steps, 2), pct_start=self.warm_up, cycle_momentum=False
        )
        rates = []
        for _ in range(steps):
            rates.append(float(schedule.get_last_lr()[0]))
            probe.step()
            if len(rates) < steps:
                schedule.step()
        return rates


def chunk_length(steps_per_epoch: int, longest: int) -> int:
    """The most steps, but no more than `longest`, of which an epoch is a whole number of chunks."""
    return next(length for length in range(longest, 0, -1) if steps_per_epoch % length == 0)


def convolutions(lib: Any, stages: Sequence[tuple[int, int, bool]], hidden: Sequence[int] = (), **factory: Any) -> Any:
    """Images (N, 28, 28) to logits: for each stage a convolution, batch normalization, ReLU; then fully connected.

    A stage is (channels, kernel size, whether 2x2 max pooling follows the convolution). No stage pads: every one
    leaves fewer pixels to the next. Pooling comes before the normalization, which then has a quarter of the work.
    """
    nn = lib.nn
    layers = [nn.Unflatten(1, (1, SIDE))]
    before, side = 1, SIDE
    for after, kernel, pooled in stages:
        layers.append(nn.Conv2d(before, after, kernel, bias=False, **factory))
        before, side = after, side - kernel + 1
        if pooled:
            layers.append(nn.MaxPool2d(2))
            side //= 2
        layers += [nn.BatchNorm2d(after, **factory), nn.ReLU()]
    layers.append(nn.Flatten())
    features = before * side * side
    for width in hidden:
        layers += [nn.Linear(features, width, bias=False, **factory), nn.BatchNorm1d(width, **factory), nn.ReLU()]
        features = width
    layers.append(nn.Linear(features, 10, **factory))
    return nn.Sequential(*layers)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "mlp",
            partial(models.mlp, in_features=SIDE * SIDE, hidden=(512, 256)),
            epochs=10,
            batch_size=500,
            lr=4e-3,
            betas=(0.8, 0.95),
            warm_up=0.2,
            shift=1,
            goal=0.980,
            seconds={"plain": 1.0, "trainer": 1.0},
        ),
        Recipe(
            "cnn-fast",
            partial(convolutions, stages=((24, 5, True), (32, 3, True)), hidden=(256,)),
            epochs=2,
            batch_size=250,
            lr=1e-2,
            betas=(0.7, 0.9),
            warm_up=0.2,
            shift=1,
            label_smoothing=0.1,
            goal=0.990,
            seconds={"plain": 0.5, "trainer": 1.0},
        ),
        Recipe(
            "cnn-accurate",
            partial(convolutions, stages=((32, 5, True), (64, 3, True)), hidden=(256,)),
            epochs=5,
            batch_size=250,
            lr=1e-2,
            betas=(0.7, 0.9),
            warm_up=0.2,
            shift=1,
            label_smoothing=0.1,
            goal=0.994,
            seconds={"plain": 5.0, "trainer": 5.0},
        ),
    )
}
