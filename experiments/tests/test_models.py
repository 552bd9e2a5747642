"""The networks that training builds: one builder, two libraries, the same bits and the same gradients."""

from typing import Any

import numpy as np
import pytest
import torch

import scratch
import torch_impl
from experiments.training import models
from experiments.training.config import INITS, SCHEDULERS, Config
from experiments.training.driven import DrivenScratch, DrivenTorch, fingerprint, optimizer_and_schedule
from experiments.training.outcome import relative_difference
from experiments.training.run import train

pytestmark = pytest.mark.usefixtures("no_pictures")

CONFIGS = [
    Config(model="mlp", hidden=(9, 7), activation="Tanh", dtype="float64"),
    Config(model="cnn", channels=(3, 5), hidden=(11,), activation="GELU", dtype="float64"),
    Config(model="cnn", channels=(2,), hidden=(), dtype="float64"),
    Config(model="lstm", hidden=(6,), dtype="float64"),
    Config(model="rnn", hidden=(6,), dtype="float64"),
    Config(model="gru", hidden=(5, 5), dropout=0.3, dtype="float64"),
    Config(model="lstm", hidden=(5, 5), dropout=0.3, dtype="float64"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.model}{c.channels}{c.hidden}")
def test_same_bits_and_same_gradients(config: Config) -> None:
    images = torch.rand(6, 8, 8, dtype=torch.float64)
    labels = torch.arange(6)
    losses, gradients = [], []
    for engine in (DrivenScratch(), DrivenTorch()):
        network = engine.network(config, (8, 8), 10)
        loss = engine.criterion(0.1)(network(images), labels)
        loss.backward()
        losses.append(loss.item())
        gradients.append({name: parameter.grad.numpy() for name, parameter in network.named_parameters()})
    assert losses[0] == pytest.approx(losses[1], rel=1e-14)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert np.abs(gradient).max() > 0
        np.testing.assert_allclose(gradient, gradients[1][name], rtol=1e-10, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("init", INITS)
def test_initial_weights_are_the_same_bits(init: str) -> None:
    configs = [Config(model=m, init=init, hidden=(8,)) for m in ("mlp", "cnn", "lstm", "rnn", "gru")]
    prints = [[fingerprint(e.network(c, (8, 8), 10)) for e in (DrivenScratch(), DrivenTorch())] for c in configs]
    assert all(ours == theirs for ours, theirs in prints)
    if init != "default":
        biases = [p for n, p in DrivenTorch().network(configs[2], (8, 8), 10).named_parameters() if "bias" in n]
        assert not any(bias.any() for bias in biases)


def test_an_image_too_small_for_the_poolings_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cnn: 4 poolings halve an image of 8x8 to nothing\. Use fewer"):
        models.cnn(scratch, (8, 8), (2, 2, 2, 2))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_schedules_give_both_engines_the_same_rates(scheduler: str) -> None:
    config = Config(scheduler=scheduler, lr=0.3, optimizer="sgd", hidden=(3,))
    rates: list[list[float]] = []
    for engine in (DrivenScratch(), DrivenTorch()):
        network = engine.network(config, (8, 8), 10)
        optimizer, schedule = optimizer_and_schedule(engine, config, network, 12)
        rates.append([])
        for _ in range(12):
            network(torch.ones(1, 8, 8)).sum().backward()
            optimizer.step()
            rates[-1].append(optimizer.param_groups[0]["lr"])
            if schedule is not None:
                schedule.step()
    assert rates[0] == rates[1]
    assert max(rates[0]) == pytest.approx(0.3, rel=0.01)
    assert (min(rates[0]) < 0.03 * 1.01) == (scheduler != "constant")


@pytest.mark.parametrize(
    "options",
    [{"model": "cnn", "channels": (4,)}, {"model": "lstm", "hidden": (12,)}, {"model": "gru", "hidden": (12,)}],
    ids=str,
)
def test_twins_agree_through_an_epoch(options: dict[str, Any], tmp_path: Any) -> None:
    """Cut here to a few steps; `nn-parity twins` has whole epochs."""
    settings = {"epochs": 1, "limit_train": 400, "dtype": "float64", "scheduler": "onecycle", "label_smoothing": 0.1}
    result = train(Config(**{**settings, **options}, output=str(tmp_path)))
    assert result.ok
    ours, theirs = (result.runs[name].losses for name in ("scratch", "torch"))
    assert relative_difference(ours, theirs).max() <= 1e-12
    assert ours[0] != ours[-1]


def test_every_name_of_the_config_exists_on_both_sides() -> None:
    for lib in (scratch, torch_impl):
        assert all(hasattr(lib.nn.init, f"{init}_") for init in INITS if init != "default")
