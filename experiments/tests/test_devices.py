"""Two processes that share every batch train what one process would, and their mean gradient is scratch's."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.tests import without_pictures
from experiments.training.batches import Batches
from experiments.training.config import Config
from experiments.training.data import Part
from experiments.training.devices import Share
from experiments.training.driven import Driven, DrivenScratch, DrivenTorch
from experiments.training.masks import share_masks
from experiments.training.results import read_finished
from experiments.training.run import train
from parity_tests.rule import bits_equal, distance, float32_limit
from parity_tests.tests import patience
from torch_impl.bridge import arrays, load_arrays

pytestmark = pytest.mark.usefixtures("no_pictures")

CONFIG = Config(hidden=(16,), batch_size=13)
CURVE = Config(epochs=2, hidden=(32,), dropout=0.3, batch_size=57, dtype="float64", limit_train=250)  # uneven parts


@pytest.mark.parametrize("engine", ["torch", "scratch"])
def test_two_processes_with_one_global_batch_give_the_curve_of_one(engine: str, tmp_path: Path) -> None:
    """The command runs in a process of its own: Lightning starts the second one by starting it again."""
    config = replace(CURVE, engine=engine)
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    options = (
        "--config",
        tmp_path / "config.yaml",
        "--devices",
        "2",
        "--strategy",
        "ddp",
        "--output",
        tmp_path / "two",
    )
    command = [sys.executable, "-m", without_pictures.__name__, "train", *options]
    done = patience.run(command)
    assert done.returncode == 0, done.stderr[-3000:]
    shared = read_finished(tmp_path / "two" / engine, tmp_path / "two").losses
    alone = train(replace(config, output=str(tmp_path / "one"))).runs[engine].losses
    assert len(alone) == len(shared) == 10
    np.testing.assert_allclose(shared, alone, rtol=1e-13)


def batches(engine: Driven, seed: int = 3) -> Batches:
    generator = np.random.default_rng(0)
    part = Part(generator.random((33, 5, 5), np.float32), generator.integers(0, 10, 33))
    return engine.batches(part, CONFIG.batch_size, seed, shuffle=True)


def test_the_parts_of_a_batch_are_the_batch_and_their_weights_its_mean() -> None:
    whole, parts = batches(DrivenTorch()), [batches(DrivenTorch()) for _ in range(3)]
    for rank, part in enumerate(parts):
        part.share(rank, 3)
    for (images, labels), *shares in zip(whole, *parts, strict=True):
        assert sorted(torch.cat([share[1] for share in shares]).tolist()) == sorted(labels.tolist())
        assert sum(len(share[0]) for share in shares) == len(images)
        mean = sum(share[2] * share[0].mean() for share in shares) / 3
        assert mean.item() == pytest.approx(images.mean().item(), rel=1e-6)


def test_the_weight_of_an_uneven_part_is_exact_in_float64() -> None:
    part = Part(np.zeros((7, 1)), np.zeros(7, int))
    readers = [Batches(part, range(7), 7, torch.Generator()) for _ in range(2)]
    for rank, reader in enumerate(readers):
        reader.share(rank, 2)
    (*_, first, whole), (*_, second, _) = (next(iter(reader)) for reader in readers)
    assert (first.dtype, whole) == (torch.float64, 7)
    assert (float(first), float(second)) == (8 / 7, 6 / 7)


MASKED = [
    Config(hidden=(12, 9), dropout=0.3),
    Config(model="cnn", channels=(3,), hidden=(12,), dropout=0.3),
    Config(model="lstm", hidden=(5, 5, 5), dropout=0.3),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("config", MASKED, ids=lambda config: config.model)
@pytest.mark.parametrize("engine", [DrivenScratch(), DrivenTorch()], ids=["scratch", "torch"])
@pytest.mark.parametrize("world", [2, 3])
def test_each_process_drops_what_one_process_would_drop_of_its_part(
    world: int, engine: Driven, config: Config, dtype: str
) -> None:
    """In all batches of two epochs; the last one of each has 1 image, so that of three processes two have none.

    The products of a few rows are not summed in the order of those of many: the outputs agree but for the rounding.
    """
    config = replace(config, dtype=dtype, batch_size=8)
    rng = np.random.default_rng(0)
    part = Part(rng.random((17, 8, 8)).astype(dtype), rng.integers(0, 10, 17))
    expected, streams = outputs(engine, config, part, 0, 1)
    shares = [outputs(engine, config, part, rank, world) for rank in range(world)]
    for batch, whole in enumerate(expected):
        for rank, (found, after) in enumerate(shares):
            limit = 1e-4 if dtype == "float32" else 1e-12
            np.testing.assert_allclose(found[batch], whole[rank::world], rtol=limit, atol=limit / 100)
            assert torch.equal(after, streams)  # whatever is drawn next is drawn alike


def outputs(engine: Driven, config: Config, part: Part, rank: int, world: int) -> tuple[list[np.ndarray], torch.Tensor]:
    """The network's output for each batch in training in one of so many processes, and its random stream afterwards."""
    network = engine.network(config, (8, 8), 10).train()
    reader = engine.batches(part, config.batch_size, 0, shuffle=True)
    reader.share(rank, world)
    if world > 1:
        share_masks(network, reader.mine)
    found = []
    for images, _, *shared in (batch for _ in range(2) for batch in reader):
        if shared:
            reader.mine.whole = shared[1]
        found.append(network(images).detach().numpy())
    return found, torch.as_tensor(engine.engine.random.get_rng_state())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("engine", [DrivenScratch(), DrivenTorch()], ids=["scratch", "torch"])
@pytest.mark.parametrize("world", [2, 3])
def test_the_masks_of_all_parts_are_the_masks_of_one_process_bit_for_bit(
    world: int, engine: Driven, dtype: str
) -> None:
    """Dropout alone, over the ones of batches of 7, 8 and 1, so that what comes out is the mask."""

    def masks(rank: int, world: int) -> list[np.ndarray]:
        engine.engine.seed(5)
        layer: Any = engine.engine.lib.nn.Dropout(0.3)
        share = Share(rank, world)
        if world > 1:
            share_masks(layer, share)
        drawn = []
        for share.whole in (7, 8, 1):
            drawn.append(
                engine.engine.array(layer(engine.engine.native(np.ones((share.whole, 5), dtype)[rank::world])))
            )
        return drawn

    parts = [masks(rank, world) for rank in range(world)]
    for batch, whole in enumerate(masks(0, 1)):
        assert 0 < np.count_nonzero(whole) < whole.size or len(whole) == 1
        for rank, part in enumerate(parts):
            assert bits_equal(part[batch], np.ascontiguousarray(whole[rank::world]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_alone_sums_the_halves_of_a_batch_to_other_bits_than_the_batch(dtype: torch.dtype) -> None:
    """Why the curve of several processes cannot be that of one to the last bit: the sums have another order."""
    torch.manual_seed(0)
    net, x, y = torch.nn.Linear(784, 128, dtype=dtype), torch.rand(64, 784, dtype=dtype), torch.randint(0, 128, (64,))

    def gradient(rows: slice) -> torch.Tensor:
        loss = torch.nn.functional.cross_entropy(net(x[rows]), y[rows])
        return torch.autograd.grad(loss, net.weight)[0]

    whole = gradient(slice(None))
    halves = (gradient(slice(0, None, 2)) + gradient(slice(1, None, 2))) / 2
    assert torch.equal(whole, gradient(slice(None)))
    assert not torch.equal(whole, halves)
    assert (whole - halves).abs().max() < 8 * torch.finfo(dtype).eps * whole.abs().max()


GRADIENT = """
import os, signal, sys, numpy as np, torch
from torch.nn.parallel import DistributedDataParallel
from experiments.training.driven import DrivenTorch
from experiments.tests.test_devices import CONFIG, batches

def work(rank, address, path):
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    engine = DrivenTorch()
    network = DistributedDataParallel(engine.network(CONFIG, (5, 5), 10))
    reader = batches(engine)
    reader.share(rank, 2)
    images, labels, weight, _ = next(iter(reader))
    (engine.criterion()(network(images), labels) * weight).backward()
    if rank == 0:
        np.savez(path, **{name: p.grad.numpy() for name, p in network.module.named_parameters()})
        os._exit(0)  # without an orderly end, in which gloo's two sides can wait for each other
    signal.pause()

if __name__ == "__main__":
    fork = torch.multiprocessing.get_context("fork")  # one import for both
    first, second = (fork.Process(target=work, args=(rank, *sys.argv[1:])) for rank in range(2))
    first.start(), second.start()
    first.join()
    second.kill()
    sys.exit(first.exitcode)
"""


def test_the_mean_gradient_of_two_processes_is_scratchs_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    """13 images are 7 for one process and 6 for the other; the rule holds both ways, against float64."""
    (tmp_path / "gradient.py").write_text(GRADIENT)
    address = f"file://{tmp_path / 'meeting'}"  # not a port, which another process may take meanwhile
    command = [sys.executable, str(tmp_path / "gradient.py"), address, str(tmp_path / "gradient.npz")]
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    done = patience.run(command, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr[-3000:]
    shared = np.load(tmp_path / "gradient.npz", allow_pickle=False)
    ours = gradient(DrivenScratch().network(CONFIG, (5, 5), 10), np.float32)
    exact = DrivenScratch().network(replace(CONFIG, dtype="float64"), (5, 5), 10)
    load_arrays(
        exact.scratch_module,
        {  # type: ignore[arg-type]
            name: value.astype(np.float64)
            for name, value in arrays(DrivenScratch().network(CONFIG, (5, 5), 10)).items()
        },
    )
    truth = gradient(exact, np.float64)
    assert sorted(shared) == sorted(ours)
    for name in shared:
        error = distance(shared[name], truth[name], np.float32)
        assert distance(ours[name], truth[name], np.float32) <= float32_limit(error)
        assert error <= float32_limit(distance(ours[name], truth[name], np.float32))


def gradient(network: Any, dtype: type) -> dict[str, np.ndarray]:
    """Scratch's gradient of the first batch, whole."""
    images, labels = next(iter(batches(DrivenScratch())))
    loss = DrivenScratch().criterion()(network(images.to(torch.from_numpy(np.empty(0, dtype)).dtype)), labels)
    loss.backward()
    return {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}
