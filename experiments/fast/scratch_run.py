"""ScratchRun: the same training by NumPy, with the same weights, plan and learning rates from the same seed."""

from __future__ import annotations

import time

import numpy as np

import scratch
from experiments.fast.recipe import Recipe, chunk_length
from experiments.fast.torch_run import CHUNK, EVALUATED
from experiments.training.data import SOURCES, Part


class ScratchRun:
    """A recipe trained by scratch on the CPU in float32; the plain loop drives it like a Run."""

    precision, device = "32", "cpu"

    def __init__(self, recipe: Recipe, part: Part, longest_chunk: int = CHUNK) -> None:
        self.recipe, self.part = recipe, part
        self.epochs = recipe.epochs
        steps_per_epoch = recipe.steps_per_epoch(len(part.labels))
        self.chunk_length = chunk_length(steps_per_epoch, longest_chunk)
        self.chunks = steps_per_epoch // self.chunk_length
        self.steps = self.epochs * steps_per_epoch
        self.rates = recipe.rates(self.steps)
        self.criterion = scratch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        height, width = part.images.shape[1:]
        padded = np.pad(part.images, ((0, 0), *[(recipe.shift, recipe.shift)] * 2))
        self.pixels, self.width, self.area = padded.reshape(-1), padded.shape[2], padded[0].size
        self.window = np.arange(height)[:, None] * self.width + np.arange(width)

    def restart(self, seed: int) -> None:
        scratch.manual_seed(seed)
        self.network = self.recipe.network(scratch).requires_input_grad_(False)
        self.optimizer = scratch.optim.Adam(self.network.parameters(), betas=self.recipe.betas)
        self.generator = scratch.Generator().manual_seed(seed)
        self.losses: list[float] = []

    def draw_plan(self) -> None:
        count, batch, generator = len(self.part.labels), self.recipe.batch_size, self.generator
        taken = self.steps // self.epochs * batch
        order = [scratch.randperm(count, generator=generator)[:taken] for _ in range(self.epochs)]
        numbers = np.concatenate(order).reshape(self.steps, batch)
        down, right = scratch.randint(0, 2 * self.recipe.shift + 1, (2, *numbers.shape), generator=generator)
        self.plan = numbers * self.area + down * self.width + right

    def chunk(self) -> None:
        for _ in range(self.chunk_length):
            self.step()

    def step(self) -> None:
        corners = self.plan[len(self.losses)]
        images = self.pixels.take(corners[:, None, None] + self.window)
        loss = self.criterion(self.network(self.scaled(images)), self.part.labels[corners // self.area])
        self.optimizer.zero_grad()
        self.network.backward(self.criterion.backward())
        self.optimizer.param_groups[0]["lr"] = self.rates[len(self.losses)]
        self.optimizer.step()
        self.losses.append(float(loss))

    @staticmethod
    def scaled(images: np.ndarray) -> np.ndarray:
        pixels = images.astype(np.float32)
        pixels *= 1 / SOURCES["mnist"][1]
        return pixels

    def prepare(self) -> None:
        """Nothing is compiled, and the first step is as fast as the second."""

    def clock(self) -> float:
        return time.perf_counter()

    def accuracy(self, part: Part) -> float:
        self.network.eval()
        correct = 0
        with scratch.no_grad():
            for first in range(0, len(part.labels), EVALUATED):
                images, labels = (array[first : first + EVALUATED] for array in part)
                correct += int((self.network(self.scaled(images)).argmax(1) == labels).sum())
        return correct / len(part.labels)

    def all_losses(self) -> list[float]:
        return self.losses
