"""The benchmark's cases: what is measured, that the engines do the same, how bytes are counted. Nothing is timed."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from experiments.bench.case import Unavailable
from experiments.bench.cases import (
    GROUPS,
    all_cases,
    cnn,
    components,
    layers,
    memory,
    mlp,
    mnist,
    optimizers,
    profile,
    sizes,
)
from experiments.bench.traffic import counted, counting
from parity_tests.checks.sides import ScratchSide, TorchSide, draw, generator
from parity_tests.table import TABLE
from parity_tests.table.row import Pair, Program
from torch_impl.bridge import arrays


def test_every_component_of_the_table_is_measured():
    rules = {f"optim.{rule.split(',')[0]}" for rule in optimizers.RULES}
    fed = {row.name for row in TABLE if isinstance(row, Pair) and not isinstance(row, Program)}
    assert set(components.components()) | rules == fed
    assert set(sizes.SIZES) <= fed
    assert set(components.CLOSER) | set(components.REASONS) <= fed
    assert set(layers.REASONS) <= set(layers.ROWS)


@pytest.mark.parametrize("quick", [True, False])
def test_cases_have_names_of_their_own_and_settings_that_travel(quick):
    cases = all_cases(quick)
    assert {case.group for case in cases} == set(GROUPS)
    assert len({case.label for case in cases}) == len(cases)
    for case in cases:
        assert json.loads(json.dumps(case.setting)) == {
            key: list(value) if isinstance(value, tuple) else value for key, value in case.setting.items()
        }
        assert {limit.against for limit in case.limits} <= {"", *case.engines[1:]}


def test_the_mlp_has_the_limits_of_its_batch():
    limits = mlp.case((128,), 64, 1, 10).limits
    assert [(limit.most, limit.against) for limit in limits if limit.late] == [(1.1, "GEMMs")]
    assert {limit.against: limit.most for limit in limits if not limit.late} == {
        "sklearn": 1 / 2,
        "jax scan": 1.35,
        "torch": 1 / 1.6,
        "torch fused": 1 / 1.05,
        "torch compiled, fused": 1 / 1.2,
        "jax step": 1.0,
        "GEMMs": 2.5,
    }
    assert {limit.against for limit in mlp.case((128,), 512, 1, 10).limits} == {"sklearn", "jax scan", "GEMMs"}


def test_synthetic_images_are_mostly_black_as_those_of_mnist():
    x, y = mnist.synthetic(1000, seed=0)
    assert (x.dtype, x.shape, y.dtype) == (np.float32, (1000, 784), np.int64)
    assert 0.75 < np.mean(x == 0) < 0.95
    assert not x.reshape(-1, 28, 28)[:, [0, 1, 2, -1]].any()
    assert set(y) == set(range(10))


SETTING = {"hidden": [16], "batch": 32, "count": 2000}


@pytest.mark.parametrize("engine", [name for name in mlp.ENGINES if name not in mlp.FLOORS and "compiled" not in name])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jax.*")
def test_every_engine_learns_and_those_with_the_same_weights_and_batches_learn_the_same(engine):
    if engine.startswith("jax") and find_spec("jax") is None:
        with pytest.raises(Unavailable, match="is not installed"):
            mlp.prepare(engine, **SETTING)
        return
    work = mlp.prepare(engine, **SETTING)
    work.warm_up()
    for _ in range(3):
        assert work.measure(0)["epoch"] > 0
    assert work.accuracy() > 0.9
    assert work.facts() == {"data": mnist.SYNTHETIC, "images": 1984}
    if engine != "sklearn":
        ours = mlp.prepare("scratch", **SETTING)
        for _ in range(3):
            ours.measure(0)
        x = ours.data.test_x
        np.testing.assert_allclose(np.asarray(work.predict(x)), ours.predict(x), rtol=0, atol=2e-4)


def test_warming_up_leaves_the_initial_weights():
    for engine in ("scratch", "torch"):
        work = mlp.prepare(engine, **SETTING)
        before = {name: value.copy() for name, value in arrays(work.net).items()}
        work.warm_up()
        for name, value in arrays(work.net).items():
            assert np.array_equal(before[name], value)
        assert not work.optimizer.state


def test_a_cnn_learns_alike_on_both_engines():
    accuracies = []
    for engine in ("scratch", "torch"):
        work = cnn.prepare(engine, count=1280)
        work.warm_up()
        for _ in range(cnn.PARTS):
            work.measure(0)
        accuracies.append(work.accuracy())
    assert accuracies[0] == accuracies[1] > 0.7


@pytest.mark.parametrize("name", ["nn.init.eye_", "nn.utils.clip_grad_norm_", "optim.lr_scheduler.StepLR"])
@pytest.mark.parametrize("engine", ["scratch", "torch"])
def test_what_is_no_layer_can_be_measured_again_and_again(engine, name):
    work = components.prepare(engine, name)
    for _ in range(2):
        assert all(value > 0 for value in work.measure(0).values())


@pytest.mark.parametrize("name", ["nn.Linear", "nn.LSTM"])
def test_both_engines_do_the_same_work_and_gradients_do_not_pile_up(name):
    row = sizes.SIZES[name]
    inputs, call = draw((row.inputs, row.call), generator(row, 0, 0), np.dtype(np.float32))
    sides = ScratchSide(row, np.float32), TorchSide(row, np.float32)
    for layer, side in zip((components.scratch_layer, components.torch_layer), sides, strict=True):
        work = layer(side, inputs, call)
        for _ in range(2):
            assert set(work.measure(0)) == {"forward", "backward"}
    ours, theirs = (dict(side.module.named_parameters()) for side in sides)
    for parameter, value in ours.items():
        np.testing.assert_allclose(value.grad, theirs[parameter].grad.numpy(), rtol=1e-3, atol=1e-2)


def test_what_is_saved_for_backward_is_freed_by_it():
    work = memory.prepare("scratch", "CNN 16-32 channels", batch=8)
    found = memory.arrays_of_a_step(work.trainer(), work.x, work.y)
    assert found["MB saved for backward"] > 0.5
    assert found["MB left after it"] < 0.05


# --- bytes ------------------------------------------------------------------------------------------------------------

X = np.zeros((8, 16), np.float32)
N = X.nbytes
TRAFFIC = {
    "an operation reads and writes": (lambda x: x * 2, 2 * N),
    "two operands": (lambda x: x + x, 3 * N),
    "in place": (lambda x: np.multiply(x, 2, out=x), 2 * N),
    "a row is read once": (lambda x: x + x[0], 2 * N + N // 8),
    "a sum": (lambda x: x.sum(axis=0), N + N // 8),
    "a view moves nothing": (lambda x: x.T[1:].reshape(15, 8), 0),
    "a reshape that copies": (lambda x: x.T.reshape(-1), 2 * N),
    "picked rows": (lambda x: x[[1, 2]], 2 * N // 4),
    "assigned": (lambda x: x.__setitem__(slice(2), 1.0), N // 4),
    "a function": (lambda x: np.concatenate([x, x]), 4 * N),
    "an array made meanwhile": (lambda x: np.empty(4, np.float32) + 1, 32),
    "a product of matrices": (lambda x: x @ x.T, 2 * N + 8 * 8 * 4),
}


@pytest.mark.parametrize("what", TRAFFIC)
def test_traffic(what):
    function, expected = TRAFFIC[what]
    with counted() as traffic:
        function(counting(X.copy()))
    assert traffic.bytes == expected


def test_traffic_of_a_layer_and_of_a_rule():
    relu = components.prepare("scratch", "nn.ReLU").facts()
    assert relu["MB moved"] >= relu["MB at least"] > 0
    adam = optimizers.prepare("scratch", rule="Adam", size="100 thousand").facts()
    assert adam["MB at least"] == pytest.approx(7 * 101770 * 4 / 1e6, abs=0.01)
    assert adam["MB moved"] > adam["MB at least"]
    assert type(np.empty(1)) is np.ndarray


def test_a_profile_is_a_step_in_parts():
    for name in profile.MODELS:
        work = profile.prepare("scratch", name=name, batch=64)
        work.warm_up()
        assert {"gather", "loss", "Adam"} < set(work.measure(0))
