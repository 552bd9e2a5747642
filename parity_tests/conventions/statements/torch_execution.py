"""torch: what changes the last bits of a result, what worker processes draw, and what compiles nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from parity_tests.conventions.statement import Table

TABLE = Table("torch")
shows = TABLE.shows


@shows(
    "Another number of threads adds in another order: last bits of a long sum, of mse_loss, of batch_norm in training "
    "and of softmax over a first axis change, in float32. Whether the bits are those of one thread.",
    {"sum": False, "mse_loss": False, "batch_norm": False, "softmax": False, "softmax over the last axis": True},
    "nn.BatchNorm?d nn.MSELoss nn.Softmax",
)
def threads_and_bits() -> Any:
    x, y, rows = torch.randn(2**20), torch.randn(2**20), torch.randn(64, 1000)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append({
            "sum": torch.stack([part.sum() for part in x.view(4, -1)]),
            "mse_loss": torch.stack([F.mse_loss(a, b) for a, b in zip(x.view(4, -1), y.view(4, -1), strict=True)]),
            "batch_norm": F.batch_norm(x.view(-1, 256)[:1000], None, None, training=True),
            "softmax": F.softmax(rows, 0),
            "softmax over the last axis": F.softmax(rows, 1),
        })  # fmt: skip
    one, two = found
    assert all(torch.allclose(one[name], two[name], rtol=1e-3, atol=1e-2) for name in one)
    return {name: torch.equal(one[name], two[name]) for name in one}


@shows(
    "A Conv2d of a batch of images and of the same images one by one: some last bits differ; torch.vmap over the "
    "images gives the bits of the batch.",
    [True, False, True],
    "nn.Conv?d",
)
def images_one_by_one() -> Any:
    layer, x = nn.Conv2d(16, 32, 3), torch.randn(16, 16, 14, 14)
    with torch.no_grad():
        whole, single = layer(x), torch.cat([layer(one[None]) for one in x])
        mapped = torch.vmap(layer)(x)
    return [torch.allclose(whole, single, atol=1e-5), torch.equal(whole, single), torch.equal(whole, mapped)]


class _Drawn(torch.utils.data.Dataset[float]):
    """Numbers of NumPy's global generator."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> float:
        return float(np.random.random())


@shows("NumPy's numbers in the workers of a DataLoader follow torch's seed.", [True, False])
def numpy_in_workers() -> Any:
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append([x.item() for x in torch.utils.data.DataLoader(_Drawn(), num_workers=1)])
    return [found[0] == found[1], found[0] == found[2]]


@shows(
    "nn.Sequential(...).compile() compiles nothing and says nothing; torch.compile of a function that calls it makes "
    "one graph. The graphs of both.",
    [0, 1],
    "nn.Sequential",
    before="2.14",
)
def compiled_sequential() -> Any:
    return _graphs()


@shows("nn.Sequential(...).compile() compiles: it makes one graph, as torch.compile does.", [1, 1], since="2.14")
def compiled_sequential_now() -> Any:
    return _graphs()


def _graphs() -> list[int]:
    """How many graphs the method compile makes, and the function."""
    made: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        made.append(graph)
        return graph.forward

    x, network = torch.ones(1, 2), nn.Sequential(nn.Linear(2, 2))
    torch._dynamo.reset()
    torch.compile(lambda x: network(x), backend=backend)(x)
    by_function = len(made)
    torch._dynamo.reset()
    network.compile(backend=backend)
    network(x)
    torch._dynamo.reset()
    return [len(made) - by_function, by_function]
