"""Run: one training with everything on the device, nothing read back, and many steps in one launch.

The images lie on the device as bytes. The images of each step and their shifts are drawn on the device for all steps
before the first; a step finds its row of that plan, and its learning rate, by a counter that is also on the device. So
every step is the same operations on the same memory, and on a GPU a chunk of steps is one CUDA graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

import torch_impl
from experiments.fast.recipe import Recipe, chunk_length
from experiments.fast.resident import Resident
from experiments.training.data import Part

CHUNK = 40  # steps in one launch, at most
WARM_UP = 3  # steps before a graph is captured: libraries choose their algorithms, the optimizer makes its state
EVALUATED = 2000  # images at once


class Run:
    """A recipe on a device, ready to be trained from one seed after the other.

    `prepare()` once, which warms up and on a GPU captures. Then for every seed `restart(seed)`, `draw_plan()`, and
    `chunk()` as often as `epochs * chunks` says: loops.py has three loops that do this, and what Lightning's put in
    place of `forward`, `backward` and `optimizer` they put there before `prepare()`.

    A restart changes only values, never addresses, which a captured graph keeps.
    """

    def __init__(
        self,
        recipe: Recipe,
        part: Part,
        device: str | torch.device = "cpu",
        precision: str = "32",
        compiled: bool = False,
        longest_chunk: int = CHUNK,
    ) -> None:
        self.recipe, self.precision, self.device = recipe, precision, torch.device(device)
        self.data = Resident(part, self.device, recipe.shift)
        self.epochs = recipe.epochs
        steps_per_epoch = recipe.steps_per_epoch(self.data.count)
        self.chunk_length = chunk_length(steps_per_epoch, longest_chunk)
        self.chunks = steps_per_epoch // self.chunk_length  # of an epoch
        self.steps = self.epochs * steps_per_epoch

        self.network = recipe.network(torch_impl).to(self.device, memory_format=torch.channels_last)
        self.criterion = torch_impl.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.rate = torch.tensor(recipe.lr, device=self.device)
        rule: dict[str, Any] = {
            "lr": self.rate,
            "betas": recipe.betas,
            "fused": True,
            "capturable": self.device.type == "cuda",
        }
        self.optimizer: Any = torch_impl.optim.Adam(self.network.parameters(), **rule)
        if compiled:
            from experiments.training.compiling import own_cache  # which takes a second to import

            own_cache()
        self.forward: Callable[[torch.Tensor], torch.Tensor] = torch.compile(self.network) if compiled else self.network
        self.backward: Callable[[torch.Tensor], None] = torch.Tensor.backward
        self.chunk: Callable[[], None] = self.chunk_of_steps

        self.rates = torch.tensor(recipe.rates(self.steps), device=self.device)
        self.plan = torch.zeros(self.steps, recipe.batch_size, dtype=torch.int64, device=self.device)
        self.losses = torch.zeros(self.steps, device=self.device)
        self.done = torch.zeros(1, dtype=torch.int64, device=self.device)

    # --- one seed -----------------------------------------------------------------------------------------------------

    def restart(self, seed: int) -> None:
        """Start over: weights drawn on the CPU, so that they are the same on every device, and an empty optimizer."""
        torch_impl.manual_seed(seed)
        self.network.load_state_dict(self.recipe.network(torch_impl).state_dict())
        self.network.train()
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
        self.done.zero_()
        self.generator = torch.Generator(self.device).manual_seed(seed)

    def draw_plan(self) -> None:
        """Draw on the device the images of every step, then their shifts."""
        data = self.data
        drawn: dict[str, Any] = {"generator": self.generator, "device": self.device}
        taken = self.plan.numel() // self.epochs
        order = torch.cat([torch.randperm(data.count, **drawn)[:taken] for _ in range(self.epochs)])
        moves = torch.randint(2 * data.margin + 1, (2, *self.plan.shape), **drawn)
        self.plan.copy_(data.corners(order.view_as(self.plan), *moves))

    def chunk_of_steps(self) -> None:
        for _ in range(self.chunk_length):
            self.step()

    def step(self) -> None:
        """One raw step: always the same shapes and the same memory, and nothing is read back."""
        images, labels = self.data.batch(self.plan.index_select(0, self.done).squeeze(0))
        self.rate.copy_(self.rates.index_select(0, self.done).squeeze(0))
        with self.arithmetic():
            loss = self.criterion(self.forward(images), labels)
        self.optimizer.zero_grad()
        self.backward(loss)
        self.optimizer.step()
        self.losses.index_copy_(0, self.done, loss.detach().reshape(1))
        self.done += 1

    def arithmetic(self) -> torch.autocast:
        """float32, or bfloat16 where that is safe. Casts are not cached: a cache would outlive a captured step."""
        return torch.autocast(self.device.type, torch.bfloat16, self.precision == "bf16", cache_enabled=False)

    # --- before the first seed, and after each ------------------------------------------------------------------------

    def prepare(self) -> None:
        """Compile, warm up and, on a GPU, capture a chunk in a CUDA graph. Leaves weights that `restart` replaces."""
        if self.device.type == "cuda":
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(WARM_UP):
                    self.step()
                    self.done.zero_()
            torch.cuda.current_stream().wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self.chunk_of_steps()
            self.chunk = graph.replay
        else:
            self.step()

    def clock(self) -> float:
        """The time now, with all work of the device done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def accuracy(self, part: Part) -> float:
        """The share of these images that the network classifies correctly, in the precision of the run."""
        held = Resident(part, self.device)
        self.network.eval()
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        with torch.no_grad(), self.arithmetic():
            for numbers in torch.arange(held.count, device=self.device).split(EVALUATED):
                images, labels = held.batch(held.corners(numbers, 0, 0))
                correct += (self.network(images).argmax(1) == labels).sum()
        return int(correct) / held.count

    def all_losses(self) -> list[float]:
        return self.losses.tolist()
