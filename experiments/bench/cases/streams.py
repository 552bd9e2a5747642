"""Random streams that have torch's bits, and the seed and initial weights of a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.bench.case import Case, Limit, Timed, Work, library

MILLION = 10**6
ROWS: list[tuple[str, str, list[Any], Limit | None]] = [
    ("rand(10^6), float32", "draw rand", [MILLION], Limit(6, "torch")),
    ("uniform_(-1, 3), 10^6, float32", "fill uniform_", ["float32", -1, 3], Limit(6, "torch")),
    ("uniform_(-1, 3), 10^6, float64", "fill uniform_", ["float64", -1, 3], Limit(6, "torch")),
    ("randn(10^6), float32", "draw randn", [MILLION], Limit(15, "torch")),
    ("normal_(), 10^6, float64", "fill normal_", ["float64"], Limit(15, "torch")),
    ("bernoulli_(0.3), 10^6, float32", "fill bernoulli_", ["float32", 0.3], None),
    ("randint(0, 10), 10^6", "draw randint", [0, 10, [MILLION]], None),
    ("randperm(60000)", "draw randperm", [60000], Limit(0.010)),
    ("manual_seed, MLP 784-128-10", "start mlp", [], Limit(0.010)),
]


def cases(quick: bool) -> list[Case]:
    return [
        Case(
            name,
            "streams",
            setting={"call": call, "arguments": arguments},
            limits=(limit,) if limit else (),
            rounds=3 if quick else 15,
            seconds=0.005 if quick else 0.05,
        )
        for name, call, arguments, limit in ROWS
    ]


def prepare(engine: str, call: str, arguments: list[Any]) -> Work:
    kind, name = call.split()
    lib = library(engine)
    if kind == "start":
        return Timed({"build": lambda: mlp(lib)})
    if kind == "fill":
        dtype, *rest = arguments
        return Timed({name: filling(engine, name, dtype, rest)})
    function = getattr(lib if engine == "scratch" else torch(), name)
    return Timed({name: lambda: function(*arguments)})


def filling(engine: str, name: str, dtype: str, arguments: list[Any]) -> Any:
    """The in-place function on a million numbers."""
    x = np.empty(MILLION, dtype)
    if engine == "scratch":
        function = getattr(library(engine).random, name)
        return lambda: function(x, *arguments)
    method = getattr(torch().from_numpy(x), name)
    return lambda: method(*arguments)


def torch() -> Any:
    import torch

    return torch


def mlp(lib: Any) -> None:
    """Seed, and build a network of 784-128-10 with its initial weights."""
    lib.manual_seed(0)
    lib.nn.Sequential(lib.nn.Linear(784, 128), lib.nn.ReLU(), lib.nn.Linear(128, 10))
