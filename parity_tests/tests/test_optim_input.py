"""Bad input to optimizers and schedules: the class of error that torch raises, with a text that says where."""

import warnings
from typing import Any

import pytest

import scratch
from parity_tests.engine import ENGINES, SCRATCH
from parity_tests.tests.alike import assert_refused_alike, give_gradients, start

P = "one parameter"  # replaced by a parameter of shape (2,) on either engine

BAD_OPTIMIZERS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "no parameters": ("SGD", [], {}),
    "a bare parameter": ("SGD", P, {}),
    "a number": ("SGD", [1.0], {}),
    "None": ("SGD", None, {}),
    "a group and a parameter": ("SGD", [{"params": [P]}, P], {}),
    "a parameter and a group": ("SGD", [P, {"params": [P]}], {}),
    "a group without params": ("SGD", [{"lr": 0.1}], {}),
    "one parameter in two groups": ("SGD", [{"params": [P]}, {"params": [P]}], {}),
    "some names": ("SGD", [("a", P), "another"], {}),
    "a set": ("SGD", [{"params": set()}], {}),
    "lr": ("SGD", [P], {"lr": -1}),
    "lr text": ("SGD", [P], {"lr": "fast"}),
    "momentum": ("SGD", [P], {"momentum": -0.1}),
    "weight_decay": ("SGD", [P], {"weight_decay": -0.1}),
    "nesterov without momentum": ("SGD", [P], {"nesterov": True}),
    "nesterov with dampening": ("SGD", [P], {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    "Adam lr": ("Adam", [P], {"lr": float("nan")}),
    "Adam eps": ("Adam", [P], {"eps": -1e-8}),
    "Adam beta1": ("Adam", [P], {"betas": (1.0, 0.9)}),
    "Adam beta2": ("Adam", [P], {"betas": (0.9, -0.1)}),
    "Adam betas of integers": ("Adam", [P], {"betas": (0, 0.9)}),
    "Adam one beta": ("Adam", [P], {"betas": (0.9,)}),
    "Adam betas a number": ("Adam", [P], {"betas": 0.9}),
    "AdamW weight_decay": ("AdamW", [P], {"weight_decay": -1}),
    "Adadelta rho": ("Adadelta", [P], {"rho": 1.1}),
    "Adafactor lr": ("Adafactor", [P], {"lr": -1}),
    "Adafactor beta2_decay": ("Adafactor", [P], {"beta2_decay": 0.1}),
    "Adafactor eps": ("Adafactor", [P], {"eps": (-1, 1e-3)}),
    "Adafactor d": ("Adafactor", [P], {"d": 0.5}),
    "Adagrad lr_decay": ("Adagrad", [P], {"lr_decay": -1}),
    "Adagrad accumulator": ("Adagrad", [P], {"initial_accumulator_value": -1}),
    "Adamax betas": ("Adamax", [P], {"betas": (0.9, 1.0)}),
    "ASGD lr": ("ASGD", [P], {"lr": -1}),
    "LBFGS lr": ("LBFGS", [P], {"lr": -1}),
    "LBFGS groups": ("LBFGS", [{"params": [P]}, {"params": ["another"]}], {}),
    "Muon of a vector": ("Muon", [P], {}),
    "Muon adjust_lr_fn": ("Muon", [P], {"adjust_lr_fn": "x"}),
    "NAdam momentum_decay": ("NAdam", [P], {"momentum_decay": -1}),
    "RAdam betas": ("RAdam", [P], {"betas": (-0.1, 0.9)}),
    "RMSprop alpha": ("RMSprop", [P], {"alpha": -1}),
    "Rprop etas": ("Rprop", [P], {"etas": (1.1, 1.2)}),
}


@pytest.mark.parametrize("case", BAD_OPTIMIZERS)
def test_bad_input_to_an_optimizer(case):
    rule, params, options = BAD_OPTIMIZERS[case]

    def build(engine):
        known = dict(zip((P, "another"), start(engine, (2,), (3,)), strict=True))
        return getattr(engine.lib.optim, rule)(replaced(params, known), **options)

    assert_refused_alike(build, rule)


def replaced(nest, known):
    if isinstance(nest, dict):
        return {key: replaced(value, known) for key, value in nest.items()}
    if isinstance(nest, list | tuple):
        return type(nest)(replaced(part, known) for part in nest)
    return known.get(nest, nest) if isinstance(nest, str) else nest


BAD_STATES = {
    "another number of groups": {"state": {}, "param_groups": []},
    "another number of parameters": {"state": {}, "param_groups": [{"params": [0, 1]}]},
    "nothing": {},
    "no state": {"param_groups": [{"params": [0]}]},
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_bad_state(case):
    assert_refused_alike(
        lambda engine: engine.lib.optim.SGD(start(engine, (2,)), lr=0.1).load_state_dict(BAD_STATES[case]),
        "SGD.load_state_dict",
    )


BAD_SCHEDULES: dict[str, dict[str, Any]] = {
    "LambdaLR": {"lr_lambda": [abs, abs]},
    "MultiplicativeLR": {"lr_lambda": 0.5},
    "ConstantLR": {"factor": 1.1},
    "LinearLR": {"start_factor": 0},
    "LinearLR end": {"end_factor": 1.1},
    "CosineAnnealingWarmRestarts": {"T_0": 0},
    "CosineAnnealingWarmRestarts T_mult": {"T_0": 3, "T_mult": 1.5},
    "CosineAnnealingWarmRestarts eta_min": {"T_0": 3, "eta_min": "low"},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2, "mode": "square"},
    "CyclicLR max_lr": {"base_lr": 0.1, "max_lr": [0.1, 0.2]},
    "CyclicLR momentum": {"base_lr": 0.1, "max_lr": 0.2},
    "OneCycleLR": {"max_lr": 0.1},
    "OneCycleLR total_steps": {"max_lr": 0.1, "total_steps": 0},
    "OneCycleLR epochs": {"max_lr": 0.1, "epochs": 1.5, "steps_per_epoch": 3},
    "OneCycleLR pct_start": {"max_lr": 0.1, "total_steps": 9, "pct_start": 2.0},
    "OneCycleLR anneal_strategy": {"max_lr": 0.1, "total_steps": 9, "anneal_strategy": "x"},
    "OneCycleLR momentum": {"max_lr": 0.1, "total_steps": 9},
    "SequentialLR": {"schedulers": [], "milestones": []},
    "ReduceLROnPlateau": {"factor": 1.0},
    "ReduceLROnPlateau mode": {"mode": "median"},
    "ReduceLROnPlateau threshold_mode": {"threshold_mode": "x"},
    "ReduceLROnPlateau min_lr": {"min_lr": [0.1, 0.2]},
    "StepLR": {"step_size": 3, "last_epoch": 2},
}


@pytest.mark.parametrize("case", BAD_SCHEDULES)
def test_bad_input_to_a_schedule(case):
    name, *_ = case.split()
    rule = "Adagrad" if "momentum" in case else "SGD"

    def build(engine):
        optimizer = getattr(engine.lib.optim, rule)(start(engine, (2,)), lr=0.1)
        return getattr(engine.lib.optim.lr_scheduler, name)(optimizer, **BAD_SCHEDULES[case])

    assert_refused_alike(build, name)


SCHEDULES = {"StepLR": (3,), "OneCycleLR": (0.1, 9), "CyclicLR": (0.1, 0.2), "ReduceLROnPlateau": ()}


def test_half_precision_is_refused_however_it_came():
    """In float16 torch's Adam loses eps, and a gradient of 0 becomes NaN."""
    layer = scratch.nn.Linear(2, 2)
    layer.weight.data = layer.weight.data.astype("float16")
    for kind in (scratch.optim.Adam, scratch.optim.SGD):
        with pytest.raises(RuntimeError, match=rf"{kind.__name__}: only float32 and float64 .* got float16"):
            kind(layer.parameters())


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_of_something_else_are_refused(name):
    assert_refused_alike(lambda engine: getattr(engine.lib.optim.lr_scheduler, name)("SGD", *SCHEDULES[name]), name)


def test_a_chain_of_nothing_is_refused():
    assert_refused_alike(lambda engine: engine.lib.optim.lr_scheduler.ChainedScheduler([]), "ChainedScheduler")


def test_one_cycle_ends():
    def run(engine):
        optimizer = engine.lib.optim.SGD(start(engine, (2,)), lr=0.1, momentum=0.9)
        scheduler = engine.lib.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
        optimizer.step()
        for _ in range(7):
            scheduler.step()

    assert_refused_alike(run, "OneCycleLR")


def test_a_schedule_refuses_the_state_of_another():
    optimizer = scratch.optim.SGD(start(SCRATCH, (2,)), lr=0.1)
    state = scratch.optim.lr_scheduler.StepLR(optimizer, 3).state_dict()
    with pytest.raises(KeyError, match=r"ExponentialLR\.load_state_dict: unknown keys \['step_size'\]"):
        scratch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9).load_state_dict(state)


def test_schedules_warn_as_torch_does():
    for engine in ENGINES.values():
        optimizer = engine.lib.optim.SGD(start(engine, (2,)), lr=0.1)
        scheduler = engine.lib.optim.lr_scheduler.StepLR(optimizer, 3)
        with pytest.warns(UserWarning, match="get_last_lr"):
            scheduler.get_lr()
        with pytest.warns(UserWarning, match=r"optimizer\.step"):
            scheduler.step()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            optimizer.step()
            scheduler.step()


@pytest.mark.parametrize("rule", ["Adafactor", "LBFGS"])
def test_rules_that_cannot_step_parameters_without_elements(rule):
    def step(engine):
        parameters = start(engine, (0, 3))
        give_gradients(engine, parameters)
        getattr(engine.lib.optim, rule)(parameters).step(lambda: 1.0)

    assert_refused_alike(step, rule)


def test_lbfgs_needs_a_closure():
    assert_refused_alike(lambda engine: engine.lib.optim.LBFGS(start(engine, (2,))).step(), "LBFGS.step")


def test_averaging_refuses_bad_input():
    fn = scratch.optim.swa_utils.get_swa_avg_fn()

    def linear(engine):
        return engine.lib.nn.Linear(2, 3)

    assert_refused_alike(lambda engine: engine.lib.optim.swa_utils.get_ema_avg_fn(1.1), "get_ema_avg_fn")
    assert_refused_alike(lambda engine: engine.lib.optim.swa_utils.get_ema_multi_avg_fn(-0.1), "get_ema_multi_avg_fn")
    assert_refused_alike(
        lambda engine: engine.lib.optim.swa_utils.AveragedModel(linear(engine), avg_fn=fn, multi_avg_fn=fn),
        "AveragedModel",
    )


@pytest.mark.parametrize("options", [{"anneal_strategy": "x"}, {"anneal_epochs": 1.5}, {"anneal_epochs": -1}])
def test_swalr_refuses_bad_options(options):
    assert_refused_alike(
        lambda engine: engine.lib.optim.swa_utils.SWALR(
            engine.lib.optim.SGD(start(engine, (2,)), lr=0.1), 0.1, **options
        ),
        "SWALR",
    )
