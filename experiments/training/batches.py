"""Batches: epoch after epoch of images as tensors, in an order that can be resumed in the middle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch

import scratch
from experiments.training.augment import Augmentation, move
from experiments.training.data import Part
from experiments.training.devices import Share


class Batches:
    """The batches of `part` in the order that `order` draws from `generator` for each epoch.

    The order is that of DataLoader(shuffle=True, generator=generator), scratch's or torch's; a batch is gathered in one
    statement, moved and turned if there is an augmentation, and returned as (images, labels). Devices that share the
    work each get a part of every batch, the weight that makes the mean over the devices the mean over the batch, in the
    images' precision, and the size of the whole batch: (images, labels, weight, size).

    `state_dict` holds the position; a Batches that has loaded it continues with the next batch, bit for bit. `passed`
    has a fingerprint of the batches of each epoch so far.
    """

    def __init__(
        self,
        part: Part,
        order: Iterable[int],
        batch_size: int,
        generator: Any,
        seed: int = 0,
        augmentation: Augmentation | None = None,
    ) -> None:
        self.part = part
        self.order = order
        self.batch_size = batch_size
        self.generator = generator
        self.augmentation = augmentation
        self.moves = scratch.Generator().manual_seed(seed)
        self.mine = Share()
        self.passed: list[bytes] = []
        self.position = 0  # batches of this epoch that have been returned
        self.epoch_start = _state(generator)

    def share(self, rank: int, world: int) -> None:
        """Return part `rank` of `world` of every batch. All parts together are the batch of a single device."""
        self.mine.rank, self.mine.world = rank, world

    def __len__(self) -> int:
        return -(-len(self.part.labels) // self.batch_size)

    def __iter__(self) -> Iterator[list[Any]]:
        if self.position == len(self):
            self.position = 0
        if self.position == 0:
            self.epoch_start = _state(self.generator)
            self.passed.append(b"")
        else:
            _set_state(self.generator, self.epoch_start)
        self._draw_seed()
        numbers = list(self.order)
        for start in range(self.position * self.batch_size, len(numbers), self.batch_size):
            batch = numbers[start : start + self.batch_size]
            images, labels = (array[batch] for array in self.part)
            self._note(images, labels)
            images = self._moved(images)
            self.position += 1
            yield self._share(images, labels)

    def _draw_seed(self) -> None:
        """The number that a DataLoader draws at the start of every epoch to seed its workers."""
        if isinstance(self.generator, torch.Generator):
            torch.empty((), dtype=torch.int64).random_(generator=self.generator)
        else:
            scratch.data.sampler.draw_seed(self.generator)

    def _note(self, images: np.ndarray, labels: np.ndarray) -> None:
        digest = hashlib.sha256(self.passed[-1])
        digest.update(images.data)
        digest.update(labels.data)
        self.passed[-1] = digest.digest()

    def _moved(self, images: np.ndarray) -> np.ndarray:
        if not self.augmentation:
            return images
        return move(images, *self.augmentation.draw(len(images), self.moves))

    def _share(self, images: np.ndarray, labels: np.ndarray) -> list[Any]:
        """The part of this device of the batch, its weight in the mean over the devices, and the size of the whole."""
        if self.mine.world == 1:
            return [torch.from_numpy(images), torch.from_numpy(labels)]
        part = [torch.from_numpy(array[self.mine.own].copy()) for array in (images, labels)]
        weight = torch.tensor(len(part[1]) * self.mine.world / len(labels), dtype=part[0].dtype)
        return [*part, weight, len(labels)]

    def state_dict(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "epoch_start": self.epoch_start,
            "generator": _state(self.generator),
            "moves": _state(self.moves),
            "passed": list(self.passed),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"]
        self.epoch_start = state["epoch_start"]
        _set_state(self.generator, state["generator"])
        _set_state(self.moves, state["moves"])
        self.passed = list(state["passed"])


def _state(generator: Any) -> torch.Tensor:
    """The state of scratch's or torch's generator, which is the same 5056 bytes."""
    return torch.as_tensor(generator.get_state()).clone()


def _set_state(generator: Any, state: torch.Tensor) -> None:
    generator.set_state(state if isinstance(generator, torch.Generator) else state.numpy())
