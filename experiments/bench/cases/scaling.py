"""A training step of four networks on one thread and on two, and what more cores would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.bench.case import Case, Timed, Work, library
from experiments.bench.prediction import bandwidth, predicted, record, wake_time

CORES = (2, 8, 64)
ADAM_BYTES = 28  # for each weight, between memory and cache
SIZES: dict[str, dict[str, int]] = {
    "MLP 784-512-256-10, batch 64": {"network": 0, "batch": 64},
    "MLP 784-512-256-10, batch 512": {"network": 0, "batch": 512},
    "CNN 16-32, batch 64": {"network": 1, "batch": 64},
    "Transformer layer 256, 8 heads, 16 x 128 tokens": {"network": 2, "batch": 16},
}


def cases(quick: bool) -> list[Case]:
    return [
        Case(
            f"{name}, {threads} thread{'s' * (threads > 1)}",
            "scaling",
            setting=setting,
            threads=threads,
            rounds=3 if quick else 9,
            seconds=0.02 if quick else 0.1,
        )
        for threads in (1, 2)
        for name, setting in SIZES.items()
    ]


def prepare(engine: str, network: int, batch: int) -> Work:
    step, weights = (_classifier if network < 2 else _transformer)(engine, network, batch)

    def notes() -> dict[str, Any]:
        if engine != "scratch" or library(engine).get_num_threads() > 1:
            return {}
        recording, wake = record(step), wake_time()
        floor = ADAM_BYTES * weights / bandwidth()
        times = (f"{1e3 * predicted(recording, cores, wake, floor):.2f} ms on {cores}" for cores in CORES)
        share = 1 - recording.serial / recording.seconds
        return {f"{share:.0%} of it can be shared out; predicted": ", ".join(times) + " cores"}

    return Timed({"step": step}, notes=notes)


def _classifier(engine: str, network: int, batch: int) -> tuple[Callable[[], Any], int]:
    lib, rng = library(engine), np.random.default_rng(0)
    nn = lib.nn
    lib.manual_seed(0)
    if network == 0:
        shape: tuple[int, ...] = (784,)
        net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))
    else:
        shape = (1, 28, 28)
        net = nn.Sequential(
            *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(800, 10)),
        )
    x, labels = (rng.standard_normal((batch, *shape)).astype(np.float32), rng.integers(0, 10, batch))
    return _training(engine, lib, net, (x,), lib.nn.CrossEntropyLoss(), labels)


def _transformer(engine: str, _: int, batch: int) -> tuple[Callable[[], Any], int]:
    lib, rng = library(engine), np.random.default_rng(0)
    lib.manual_seed(0)
    net = lib.nn.TransformerEncoderLayer(256, 8, 1024, dropout=0.0, batch_first=True)
    x, target = (rng.standard_normal((batch, 128, 256)).astype(np.float32) for _ in range(2))
    return _training(engine, lib, net, (x,), lib.nn.MSELoss(), target)


def _training(
    engine: str, lib: Any, net: Any, inputs: tuple[Any, ...], criterion: Any, target: Any
) -> tuple[Callable[[], Any], int]:
    """A step of Adam, with torch's fused kernel, and the number of weights."""
    weights = sum(int(np.prod(parameter.shape)) for parameter in net.parameters())
    if engine == "scratch":
        net.requires_input_grad_(False)
        optimizer = lib.optim.Adam(net.parameters())

        def step() -> None:
            optimizer.zero_grad()
            criterion(net(*inputs), target)
            net.backward(criterion.backward())
            optimizer.step()

        return step, weights
    import torch

    tensors, goal = [torch.from_numpy(x) for x in inputs], torch.from_numpy(target)
    fused = lib.optim.Adam(net.parameters(), fused=True)

    def torch_step() -> None:
        fused.zero_grad()
        criterion(net(*tensors), goal).backward()
        fused.step()

    return torch_step, weights
