"""An epoch of MNIST by a CNN, and the cost of a training step as batch, channels, depth or a sequence grow."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import numpy as np

from experiments.bench.case import Case, Limit, Timed, Work, library
from experiments.bench.cases.mnist import CLASSES, SIDE, images, order, share

BATCH, LR = 64, 1e-3
PARTS = 10  # of the epoch, each a round
AXES: dict[str, tuple[int, ...]] = {
    "batch": (8, 16, 32, 64, 128, 256),
    "channels": (4, 8, 16, 32, 64, 128),
    "depth": (1, 2, 4, 8, 16),
    "tokens": (64, 128, 256, 512, 1024),
}
EXPECTED = {"batch": 1, "channels": 2, "depth": 1, "tokens": 2}  # time ~ size to this power, for hidden layers C → C
START = {"batch": 32, "channels": 16, "depth": 2, "tokens": 0}
WIDTH = 64  # of a token: from a few hundred on, their products with each other take most of the time
IMAGE = 14  # pixels of a side, in what grows


def cases(quick: bool) -> list[Case]:
    count = 1280 if quick else 60000
    epochs = [
        Case(
            f"16-32 channels 3x3, batch {BATCH}, {threads} thread{'s' * (threads > 1)}, a tenth of an epoch",
            "cnn",
            setting={"count": count},
            limits=(Limit(3.0, "torch"),),
            threads=threads,
            rounds=2 if quick else PARTS,
            seconds=0,
            judged=True,
        )
        for threads in ((1,) if quick else (1, 2))
    ]
    sizes = [(axis, size) for axis, sizes in AXES.items() for size in sizes]
    steps = [growing(axis, size, threads, quick) for threads in ((1,) if quick else (1, 2)) for axis, size in sizes]
    return [*epochs, *steps]


def growing(axis: str, size: int, threads: int, quick: bool) -> Case:
    return Case(
        f"a step, {axis} {size}" + (f", {threads} threads" if threads > 1 else ""),
        "cnn",
        setting={**START, **({"batch": 8} if axis == "tokens" else {}), axis: size, "axis": axis},
        threads=threads,
        rounds=1 if quick else 7,
        seconds=0 if quick else 0.05,
    )


def prepare(engine: str, **setting: Any) -> Work:
    return Epoch(engine, setting["count"]) if "count" in setting else step(engine, **setting)


def network(lib: Any) -> Any:
    """Two convolutions with pooling and two linear layers, weights from seed 0."""
    nn = lib.nn
    lib.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, CLASSES)),
    )


class Trainer:
    """Steps of Adam on one engine, with its library's own layers."""

    def __init__(self, engine: str, net: Any) -> None:
        lib = library(engine)
        self.engine, self.net = engine, net
        if engine == "scratch":
            net.requires_input_grad_(False)  # of data; torch's data asks for none either
        self.criterion = lib.nn.CrossEntropyLoss()
        self.optimizer = lib.optim.Adam(net.parameters(), lr=LR)

    def step(self, x: Any, y: Any) -> None:
        self.optimizer.zero_grad()
        loss = self.criterion(self.net(x), y)
        if self.engine == "scratch":
            self.net.backward(self.criterion.backward())
        else:
            loss.backward()
        self.optimizer.step()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Logits, a thousand images at a time."""
        with no_grad(self.engine):
            parts = [self.net(native(self.engine, x[i : i + 1000])) for i in range(0, len(x), 1000)]
            return np.concatenate([np.asarray(part) for part in parts])


class Epoch(Work):
    """One epoch; every measurement is the next tenth of it."""

    def __init__(self, engine: str, count: int) -> None:
        self.engine, self.data = engine, images(count)
        self.x = native(engine, self.data.x.reshape(-1, 1, SIDE, SIDE))
        self.y = native(engine, self.data.y)
        self.start()

    def start(self) -> None:
        self.trainer = Trainer(self.engine, network(library(self.engine)))
        self.parts = iter(np.array_split(order(len(self.data.x), BATCH, 1), PARTS))

    def warm_up(self) -> None:
        self.train(next(self.parts)[:2])
        self.start()

    def train(self, batches: np.ndarray) -> None:
        for batch in batches:
            numbers = native(self.engine, batch)
            self.trainer.step(self.x[numbers], self.y[numbers])

    def measure(self, seconds: float) -> dict[str, float]:
        batches = next(self.parts)
        start = perf_counter()
        self.train(batches)
        return {"tenth": perf_counter() - start}

    def accuracy(self) -> float:
        return share(self.trainer.predict(self.data.test_x[:2000].reshape(-1, 1, SIDE, SIDE)), self.data.test_y[:2000])

    def facts(self) -> dict[str, Any]:
        return {"data": self.data.source}


def step(engine: str, batch: int, channels: int, depth: int, tokens: int, axis: str) -> Timed:
    """A training step of `depth` 3x3 convolutions on random images, or of a transformer layer on sequences."""
    lib = library(engine)
    nn = lib.nn
    lib.manual_seed(0)
    if axis == "tokens":
        shape: tuple[int, ...] = (tokens, WIDTH)
        layers = [nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=0.0, batch_first=True)]
    else:
        shape = (channels, IMAGE, IMAGE)
        layers = [layer for _ in range(depth) for layer in (nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(math.prod(shape), CLASSES))
    rng = np.random.default_rng(0)
    x = native(engine, rng.normal(size=(batch, *shape)).astype(np.float32))
    y = native(engine, rng.integers(0, CLASSES, batch))
    trainer = Trainer(engine, net)
    return Timed({"step": lambda: trainer.step(x, y)})


def native(engine: str, array: np.ndarray) -> Any:
    """The array as this engine has it, without a copy."""
    if engine == "scratch":
        return array
    import torch

    return torch.from_numpy(array)


def no_grad(engine: str) -> Any:
    if engine == "scratch":
        return library(engine).no_grad()
    import torch

    return torch.no_grad()
