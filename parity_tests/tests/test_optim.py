"""Optimizers beyond their rows: groups and buffers, state, the line search, planted bugs."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.optim.lbfgs import _strong_wolfe

import scratch
from parity_tests.checks import check
from parity_tests.engine import ENGINES, SCRATCH, TORCH
from parity_tests.table.optim import ROWS
from parity_tests.table.row import Pair
from parity_tests.tests.alike import give_gradients, start
from scratch.optim.strong_wolfe import Point, strong_wolfe

RULES = sorted({row.name.removeprefix("optim.") for row in ROWS})


def assert_close(ours, theirs):
    for mine, exact in zip(ours, theirs, strict=True):
        mine, exact = SCRATCH.array_view(mine), TORCH.array_view(exact)
        assert mine.dtype == exact.dtype
        np.testing.assert_array_max_ulp(mine, exact, maxulp=8)


# --- groups and buffers -----------------------------------------------------------------------------------------------


def test_a_group_added_later_starts_counting_then():
    results = []
    for engine in ENGINES.values():
        first, second = start(engine, (3, 5), (7,))
        optimizer = engine.lib.optim.Adam([first], lr=0.1)
        for step in range(4):
            if step == 2:
                optimizer.add_param_group({"params": second, "lr": 0.01, "weight_decay": 0.1})
            give_gradients(engine, [first, second], step)
            optimizer.step()
        steps = [float(optimizer.state[p]["step"]) for p in (first, second)]
        assert steps == [4, 2]
        results.append([first, second])
    assert_close(*results)


def test_a_group_may_hold_several_dtypes():
    results = []
    for engine in ENGINES.values():
        parameters = [*start(engine, (3, 5), (7,)), *start(engine, (5,), dtype="float64"), *start(engine, (2,))]
        optimizer = engine.lib.optim.NAdam(parameters, lr=0.1)
        for step in range(4):
            give_gradients(engine, parameters, step)
            optimizer.step()
        results.append(parameters)
    assert_close(*results)


def test_parameters_are_views_of_one_buffer_and_gradients_are_written_into_it():
    model = scratch.nn.Sequential(scratch.nn.Linear(5, 3), scratch.nn.Linear(3, 2))
    before = {name: value.copy() for name, value in model.state_dict().items()}
    optimizer = scratch.optim.SGD(model.parameters(), lr=0.1)
    ((flat,),) = optimizer.flats
    model(np.ones((7, 5), np.float32))
    model.backward(np.ones((7, 2), np.float32))
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.data, before[name])
        assert np.shares_memory(parameter.data, flat.theta)
        assert np.shares_memory(parameter.grad, flat.grad)
    assert flat.theta.flags.c_contiguous
    assert flat.theta.size == sum(p.size for p in model.parameters())


def test_a_shared_parameter_is_one_parameter():
    first, second = scratch.nn.Linear(3, 3), scratch.nn.Linear(3, 3)
    second.weight = first.weight
    model = scratch.nn.Sequential(first, second)
    optimizer = scratch.optim.SGD(model.parameters(), lr=0.1)
    model(np.ones((2, 3), np.float32))
    model.backward(np.ones((2, 3), np.float32))
    optimizer.step()
    assert second.weight.data is first.weight.data
    assert optimizer.flats[0][0].theta.size == 9 + 3 + 3


def test_a_parameter_taken_by_another_optimizer_is_noticed():
    (parameter,) = start(SCRATCH, (3,))
    first = scratch.optim.SGD([parameter], lr=0.1)
    second = scratch.optim.Adam([parameter])
    give_gradients(SCRATCH, [parameter])
    second.step()
    with pytest.raises(RuntimeError, match=r"SGD\.step: a parameter of shape \(3,\) no longer lies in this optimizer"):
        first.step()


@pytest.mark.parametrize(
    "row", [row for row in ROWS if isinstance(row, Pair) and row.name != "optim.LBFGS"], ids=lambda row: row.label
)
def test_a_long_vector_cut_into_blocks_gets_the_same_bits(row, monkeypatch):
    results = []
    for block in (scratch.optim.flat.BLOCK, 7):
        monkeypatch.setattr(scratch.optim.flat, "BLOCK", block)
        parameters = start(SCRATCH, (3, 5), (7, 2))
        optimizer = getattr(scratch.optim, row.name.removeprefix("optim."))(parameters, *row.args, **row.kwargs)
        for step in range(3):
            give_gradients(SCRATCH, parameters, step)
            optimizer.step()
        results.append([*parameters, *(value for p in parameters for value in optimizer.state[p].values())])
    assert all(np.array_equal(a.data, b.data) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("gradient", [np.ones(4, np.float32), np.ones(3, np.float64), np.ones((1, 3), np.float32)])
def test_a_gradient_of_another_kind_is_refused(gradient):
    (parameter,) = start(SCRATCH, (3,))
    optimizer = scratch.optim.SGD([parameter], lr=0.1)
    parameter.grad = gradient
    with pytest.raises(RuntimeError, match=r"SGD\.step: the gradient must be float32\[3\]"):
        optimizer.step()


def test_zero_grad_forgets_or_zeroes():
    parameters = start(SCRATCH, (3,), (2,))
    optimizer = scratch.optim.SGD(parameters, lr=0.1)
    give_gradients(SCRATCH, parameters[:1])
    optimizer.zero_grad(set_to_none=False)
    assert not parameters[0].grad.any()
    assert parameters[1].grad is None
    optimizer.zero_grad()
    assert parameters[0].grad is None


def test_step_returns_the_loss_of_its_closure():
    optimizer = scratch.optim.SGD(start(SCRATCH, (3,)), lr=0.1)
    assert optimizer.step(lambda: 7.5) == 7.5
    assert optimizer.step() is None


def test_named_parameters():
    for engine in ENGINES.values():
        optimizer = engine.lib.optim.SGD(list(zip("ab", start(engine, (3,), (2,)), strict=True)), lr=0.1)
        assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]


# --- state ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_a_copied_model_and_optimizer_train_on_together(copied):
    model = scratch.nn.Sequential(scratch.nn.Linear(5, 3))
    optimizer = scratch.optim.Adam(model.parameters(), lr=0.1)
    give_gradients(SCRATCH, model.parameters())
    optimizer.step()
    twin, twin_optimizer = copied((model, optimizer))
    for network, rule in ((model, optimizer), (twin, twin_optimizer)):
        give_gradients(SCRATCH, network.parameters(), 1)
        rule.step()
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], value)
        assert not np.shares_memory(twin.state_dict()[name], value)


@pytest.mark.parametrize("rule", RULES)
def test_not_finite_gradients_travel_as_in_torch(rule):
    """NaN and infinities, planted in the first of three steps."""
    found = []
    for engine in ENGINES.values():
        parameters = start(engine, (5, 7), (3, 2))
        optimizer = getattr(engine.lib.optim, rule)(parameters)
        for step in range(3):
            give_gradients(engine, parameters, step)
            if step == 0:
                for place, value in ((0, np.nan), (1, np.inf), (2, -np.inf)):
                    parameters[0].grad[place, place] = value
            optimizer.step(lambda: 1.0)
        state = optimizer.state_dict()["state"]
        values = [engine.array_view(p) for p in parameters]
        values += [
            engine.array_view(state[i][key]) for i in sorted(state) for key in sorted(state[i]) if key[:2] != "al"
        ]
        found.append([np.where(np.isfinite(v), 0, v) for v in values if v.dtype.kind == "f"])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_state_that_does_not_fit_changes_nothing():
    parameters = start(SCRATCH, (3,), (2,))
    optimizer = scratch.optim.Adam(parameters)
    give_gradients(SCRATCH, parameters)
    optimizer.step()
    before = copy.deepcopy(optimizer.state_dict())
    saved = copy.deepcopy(before)
    saved["state"][1]["exp_avg"] = np.zeros(5, np.float32)
    saved["state"][0]["exp_avg"] = np.zeros(3, np.float32)
    with pytest.raises(
        ValueError, match=r"Adam\.load_state_dict: exp_avg has shape \(5,\), but its parameter has \(2,\)"
    ):
        optimizer.load_state_dict(saved)
    assert repr(optimizer.state_dict()) == repr(before)


def test_adam_continues_as_adamw():
    results = []
    for engine in ENGINES.values():
        (parameter,) = start(engine, (3,))
        give_gradients(engine, [parameter])
        adam = engine.lib.optim.Adam([parameter], lr=0.1)
        adam.step()
        (other,) = start(engine, (3,))
        adamw = engine.lib.optim.AdamW([other])
        adamw.load_state_dict(adam.state_dict())
        adamw.param_groups[0]["weight_decay"] = 0.3
        give_gradients(engine, [other], 1)
        adamw.step()
        results.append([other])
    assert_close(*results)


def test_averages_do_not_fade_into_subnormal_numbers():
    """In torch the mean stays at the smallest of them for ever, as 0.9 times 6e-45 rounds to 6e-45."""
    means = []
    for engine in ENGINES.values():
        (parameter,) = start(engine, (3,))
        optimizer = engine.lib.optim.Adam([parameter])
        give_gradients(engine, [parameter])
        for _ in range(1000):
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
        means.append(engine.array_view(optimizer.state[parameter]["exp_avg"]))
    assert np.all(means[0] == 0)
    assert np.all((means[1] != 0) & (np.abs(means[1]) < np.finfo(np.float32).tiny))


# --- the line search --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_the_line_search_takes_torchs_path(seed):
    """On sums of waves, where brackets open, shrink and stall: the same points, to the bit."""
    rng = np.random.default_rng(seed)
    size, frequency, phase = rng.normal(size=5), rng.uniform(0.1, 6, 5), rng.uniform(0, 7, 5)

    def f(x):
        wave = frequency * x + phase
        return float((size * np.cos(wave)).sum()), -float((size * frequency * np.sin(wave)).sum())

    value, gradient = f(0.0)
    direction = -gradient
    t, limit = float(rng.choice([1e-3, 0.1, 1.0, 10.0])), int(rng.choice([1, 2, 25]))
    paths: list[list[float]] = [[], []]

    def evaluate(path, t):
        path.append(float(t))
        value, gradient = f(float(t) * direction)
        return value, np.array([gradient])

    ours, evaluations = strong_wolfe(
        lambda t: evaluate(paths[0], t),
        t,
        np.array([direction]),
        Point(0, value, np.array([gradient]), np.float64(gradient * direction)),
        limit,
    )

    def torch_evaluate(x, t, d):
        loss, gradient = evaluate(paths[1], t)
        return loss, torch.from_numpy(gradient)

    g = torch.tensor([gradient], dtype=torch.float64)
    d = torch.tensor([direction], dtype=torch.float64)
    loss, _, step, torch_evaluations = _strong_wolfe(torch_evaluate, None, t, d, value, g, g.dot(d), max_ls=limit)
    assert paths[0] == paths[1]
    assert (float(ours.f), float(ours.t), evaluations) == (float(loss), float(step), torch_evaluations)


# --- planted bugs -----------------------------------------------------------------------------------------------------


def moments(group, run):
    """Adam's means and step count, after their update."""
    t = run.count()
    m, v = run.vector("exp_avg"), run.vector("exp_avg_sq")
    beta1, beta2 = group["betas"]
    m += (1 - beta1) * (run.grad - m)
    v *= beta2
    v += (1 - beta2) * run.grad**2
    return m, v, 1 - beta1**t, 1 - beta2**t


class EpsilonInsideTheRoot(scratch.optim.Adam):
    def update(self, group, run):
        m, v, correction1, correction2 = moments(group, run)
        run.theta -= group["lr"] / correction1 * m / np.sqrt(v / correction2 + group["eps"])


class EpsilonHat(scratch.optim.Adam):
    def update(self, group, run):
        m, v, correction1, correction2 = moments(group, run)
        run.theta -= group["lr"] * correction2**0.5 / correction1 * m / (np.sqrt(v) + group["eps"])


class NoBiasCorrection(scratch.optim.Adam):
    def update(self, group, run):
        m, v, _, _ = moments(group, run)
        run.theta -= group["lr"] * m / (np.sqrt(v) + group["eps"])


class DampenedFirstStep(scratch.optim.SGD):
    def update(self, group, run):
        run.vector("momentum_buffer")
        super().update(group, run)


class RateInsideTheVelocity(scratch.optim.SGD):
    def update(self, group, run):
        v = run.vector("momentum_buffer")
        v *= group["momentum"]
        v += group["lr"] * run.grad
        run.theta -= v


class DecayWithoutGradient(scratch.optim.SGD):
    def step(self, closure=None):
        for group, (flat,) in zip(self.param_groups, self.flats, strict=True):
            flat.theta *= 1 - group["lr"] * group["weight_decay"]
        super().step(closure)


class DecayedGradientInAdamW(scratch.optim.AdamW):
    def update(self, group, run):
        super().update({**group, "decoupled_weight_decay": False}, run)


class ForgetfulState(scratch.optim.Adam):
    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.state = {}


class SilentlyDouble(scratch.optim.SGD):
    def update(self, group, run):
        super().update(group, run)
        for state in run.states:
            state["momentum_buffer"] = state["momentum_buffer"].astype(np.float64)


PLANTED = [
    (EpsilonInsideTheRoot, "optim.Adam"),
    (EpsilonHat, "optim.Adam"),
    (NoBiasCorrection, "optim.Adam"),
    (ForgetfulState, "optim.Adam"),
    (DampenedFirstStep, "optim.SGD[dampening]"),
    (RateInsideTheVelocity, "optim.SGD[momentum]"),
    (SilentlyDouble, "optim.SGD[momentum]"),
    (DecayWithoutGradient, "optim.SGD[decay]"),
    (DecayedGradientInAdamW, "optim.AdamW"),
]


@pytest.mark.parametrize(("bug", "label"), PLANTED, ids=lambda value: getattr(value, "__name__", value))
def test_a_planted_bug_is_caught(bug, label):
    (row,) = [row for row in ROWS if row.label == label]
    assert all(result.ok for result in check(row, ["float32"]))
    with np.errstate(all="ignore"):
        assert not all(result.ok for result in check(row, ["float32"], component=bug))
