"""Bad input to everything public: torch's class of error, and a text that names the call, the rule and what came.

What is swept is read from `__all__` and the signatures, so a new class or function is swept as soon as it is exported.
"""

import inspect
import warnings
from functools import partial

import numpy as np
import pytest
import torch
import torch.utils.data

import scratch
from parity_tests.checks.refusal import same_class
from parity_tests.checks.sides import ScratchSide, draw, generator
from parity_tests.engine import REFERENCE, SCRATCH, find
from parity_tests.nests import leaves
from parity_tests.table.signatures import ADDED, LEFT_OUT
from parity_tests.tests.alike import give_gradients, start
from parity_tests.tests.properties.disagreements import unknown
from parity_tests.tests.properties.example import Cut, Dtype, Example, Option, Plant, Rank, rows, signature
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.properties.strategies import components, is_small
from parity_tests.tests.properties.verdict import problems
from parity_tests.tests.properties.wrong_arguments import ARGUMENTS
from parity_tests.tests.test_random_errors import BAD as BAD_DRAWS

WRONG = ("no such", -1, 2.5, None, float("nan"))


def outcome(call):
    """The error of a call, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return error
    return None


def verdicts(cases, known=()):
    """What is wrong in any of the cases (what, call): scratch refuses if torch does, with its class of error, in words.

    Where they are known to differ, they must.
    """
    found = []
    for what, call in cases:
        ours, theirs = (outcome(lambda engine=engine, call=call: call(engine)) for engine in (SCRATCH, REFERENCE))
        if (ours is None) != (theirs is None) or not (ours is None or same_class(ours, theirs)):
            wrong = f"scratch {ours!r}; torch {theirs!r}"
        else:
            wrong = "" if ours is None else fault(ours)
        if bool(wrong) != (what in known):
            found.append(f"{what}: {wrong or 'they agree now'}")
    return "\n".join(found)


def numbered(label):
    """The arrays among a row's inputs, by number."""
    row = rows()[label]
    inputs = leaves(draw(row.inputs, generator(row, 0), np.float32))
    return {i: x for i, x in enumerate(inputs) if isinstance(x, np.ndarray)}


def arguments(function):
    """Names of the arguments that say what to compute."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = inspect.signature(function).parameters.values()
    return [p.name for p in known if p.kind in kinds and p.name not in {*LEFT_OUT, *ADDED, "self", "maximize"}]


# --- layers, activations, losses --------------------------------------------------------------------------------------

FIRST = {}  # the first small row of every component
for row in rows().values():
    if row.name in components() and is_small(row):
        FIRST.setdefault(row.name, row.label)


def departures(label):
    """One at a time: every input of another rank, size and dtype, with a label out of range; every option wrong."""
    for i, x in numbered(label).items():
        yield from (Rank(i, how) for how in ("less", "more"))
        yield from (Cut(i, axis, size) for axis in range(x.ndim) for size in (x.shape[axis] + 1, 1))
        yield from (Dtype(i, dtype) for dtype in ("int64", "bool", "complex64", "float16"))
        if x.dtype.kind in "iu":
            yield from (Plant(i, 0.5, value) for value in ("-1", "imax", "imin"))
    name = rows()[label].name
    if not any(p.kind is p.VAR_POSITIONAL for p in signature(name).parameters.values()):
        yield from (Option(key, value) for key in arguments(find(scratch, name)) for value in WRONG)


@pytest.mark.parametrize("name", FIRST)
def test_a_layer_refuses_what_torch_refuses(name):
    found = []
    for departure in departures(FIRST[name]):
        example = Example(FIRST[name], (departure,))
        found += [f"{departure}: {p.what}: {p.text}" for p in unknown(example, problems(example))]
    assert not found, "\n".join(found)


def side_of(name):
    """The component of its first row, and inputs for it."""
    row = rows()[FIRST[name]]
    side = ScratchSide(row, np.float32)
    return side, *draw((row.inputs, row.call), generator(row, 0), np.float32)


def wrong_cotangents(output):
    """Of another shape, of another dtype, of another kind, and too many."""
    first = next(y for y in leaves(output) if y is not None)
    yield np.ones((*np.shape(first), 2), np.float32)
    yield np.ones(np.shape(first), np.float64)
    yield np.ones(np.shape(first), np.int64)
    yield "dy"
    yield [[1.0, 2.0]]


@pytest.mark.parametrize("name", FIRST)
def test_backward_needs_a_forward_and_a_cotangent_like_the_output(name):
    side, inputs, call = side_of(name)
    with pytest.raises(RuntimeError) as error:
        side.module.backward(*([None] if "Loss" in name else [np.ones(3, np.float32)]))
    assert not fault(error.value)
    output = side.forward(inputs, call, True, 0)
    several = isinstance(output, tuple | list)
    for cotangent in wrong_cotangents(output):
        with pytest.raises((RuntimeError, TypeError)) as error:
            side.module.backward(*([cotangent] * len(output) if several else [cotangent]))
        assert not fault(error.value), cotangent
        side.forward(inputs, call, True, 0)
    side.backward(side.cotangents(output))
    with pytest.raises(RuntimeError) as error:
        side.backward(side.cotangents(output))
    assert not fault(error.value)


@pytest.mark.parametrize("name", FIRST)
def test_forward_refuses_what_is_no_array(name):
    side, inputs, call = side_of(name)
    for wrong in ([[1.0, 2.0]], torch.ones(2, 3), "x", 3):
        with pytest.raises(TypeError) as error:
            side.module(wrong, *inputs[1:], **call)
        assert not fault(error.value), wrong


WITH_STATE = [name for name in FIRST if side_of(name)[0].state()]
BAD_STATES = {
    "missing": lambda state, last: state.pop(last),
    "unexpected": lambda state, last: state.update(other=np.zeros(1, np.float32)),
    "of another shape": lambda state, last: state.update({last: np.ones((2, *np.shape(state[last])), np.float32)}),
    "text": lambda state, last: state.update({last: "weights"}),
    "None": lambda state, last: state.update({last: None}),
    "texts": lambda state, last: state.update({last: np.full(np.shape(state[last]), "w")}),
    "objects": lambda state, last: state.update({last: np.full(np.shape(state[last]), {}, object)}),
    "complex": lambda state, last: state.update({last: np.full(np.shape(state[last]), 1j)}),
    "ragged": lambda state, last: state.update({last: [[1.0], [1.0, 2.0]]}),
    "a number for a key": lambda state, last: state.update({3: state[last]}),
}


@pytest.mark.parametrize("name", WITH_STATE)
def test_a_wrong_state_loads_nothing(name):
    side, *_ = side_of(name)
    before = {key: np.array(value) for key, value in side.state().items()}
    for what, spoil in BAD_STATES.items():
        state = {key: np.asarray(value + 1) for key, value in before.items()}
        spoil(state, list(state)[-1])
        with pytest.raises((RuntimeError, TypeError)) as error:
            side.module.load_state_dict(state)
        assert not fault(error.value), what
        assert all(np.array_equal(side.state()[key], value) for key, value in before.items()), what
    for what in ([], None, "state"):
        with pytest.raises(TypeError) as error:
            side.module.load_state_dict(what)
        assert not fault(error.value), what


# --- optimizers and schedules -----------------------------------------------------------------------------------------

RULES = [name for name in scratch.optim.__all__ if name[0].isupper() and name != "Optimizer"]


@pytest.mark.parametrize("name", RULES)
def test_an_optimizer_refuses_what_torch_refuses(name):
    def build(engine, key, wrong):
        return engine.find(f"optim.{name}")(**{"params": start(engine, (3, 2)), key: wrong})

    params = [("params", wrong) for wrong in ([], [3], {}, [{}], None, 3, "no such", torch.ones(2), np.ones(2))]
    options = [(key, wrong) for key in arguments(getattr(scratch.optim, name))[1:] for wrong in WRONG]
    cases = [(f"{name}({key}={wrong!r})", partial(build, key=key, wrong=wrong)) for key, wrong in params + options]
    assert not (text := verdicts(cases, ARGUMENTS)), text


def trained(engine, name):
    """An optimizer after a step, so that it has state."""
    parameters = start(engine, (3, 2))
    give_gradients(engine, parameters)
    optimizer = getattr(engine.lib.optim, name)(parameters, **({} if name == "Adafactor" else {"lr": 0.1}))
    optimizer.step(*([lambda: 1.0] if name == "LBFGS" else []))
    return optimizer


@pytest.mark.parametrize("name", RULES)
def test_an_optimizer_loads_nothing_from_a_wrong_state(name):
    spoils = {
        "no groups": lambda state: state.update(param_groups=[]),
        "more parameters": lambda state: state["param_groups"][0].update(params=[0, 1]),
        "no state": lambda state: state.pop("state"),
        "no param_groups": lambda state: state.pop("param_groups"),
        "a group without params": lambda state: state["param_groups"][0].pop("params"),
    }
    optimizers = {engine: trained(engine, name) for engine in (SCRATCH, REFERENCE)}

    def load(engine, spoil):
        state = optimizers[engine].state_dict()
        state = {"state": dict(state["state"]), "param_groups": [dict(group) for group in state["param_groups"]]}
        state["param_groups"][0]["lr"] = 77.0
        spoil(state)
        optimizers[engine].load_state_dict(state)

    assert not (text := verdicts([(what, partial(load, spoil=spoil)) for what, spoil in spoils.items()])), text
    assert optimizers[SCRATCH].param_groups[0]["lr"] != 77.0


@pytest.mark.parametrize("name", RULES)
def test_a_gradient_of_another_shape_or_dtype_is_refused(name):
    for wrong in (np.ones((2, 3), np.float32), np.ones(2, np.float32), np.ones((3, 2)), np.ones((3, 2), np.int64)):

        def step(engine, wrong=wrong):
            parameters = start(engine, (3, 2))
            optimizer = getattr(engine.lib.optim, name)(parameters)
            parameters[0].grad = engine.native(wrong)
            optimizer.step(*([lambda: 1.0] if name == "LBFGS" else []))

        error = outcome(lambda step=step: step(SCRATCH))
        assert isinstance(error, RuntimeError | TypeError), (wrong, error)
        assert not fault(error), wrong


SCHEDULES = {row.name.rpartition(".")[2]: row for row in rows().values() if row.name.startswith("optim.lr_scheduler.")}


@pytest.mark.parametrize("name", [n for n in SCHEDULES if n not in ("SequentialLR", "ChainedScheduler")])
def test_a_schedule_refuses_what_torch_refuses(name):
    row = SCHEDULES[name]

    def build(engine, key, wrong):
        optimizer = getattr(engine.lib.optim, row.optimizer)(start(engine, (2,)), lr=0.1)
        getattr(engine.lib.optim.lr_scheduler, name)(**{**row.kwargs, "optimizer": optimizer, key: wrong})

    options = [(key, wrong) for key in arguments(find(scratch, row.name)) for wrong in WRONG]
    cases = [(f"{name}({key}={wrong!r})", partial(build, key=key, wrong=wrong)) for key, wrong in options]
    assert not (text := verdicts(cases, ARGUMENTS)), text


# --- functions --------------------------------------------------------------------------------------------------------

FILLS = [name for name in scratch.nn.init.__all__ if name.endswith("_")]


@pytest.mark.parametrize("name", FILLS)
def test_an_initialiser_refuses_what_torch_refuses(name):
    function = getattr(scratch.nn.init, name)
    target, *options = arguments(function)
    needed = {"constant_": {"val": 0.5}, "sparse_": {"sparsity": 0.5}}.get(name, {})
    shape = (3, 4, 5) if name == "dirac_" else (3, 4)
    arrays = [np.zeros(s, t) for s in (shape, (), (0,), (2,), (2, 3, 4)) for t in ("float32", "int64")]

    def fill(engine, array, **given):
        engine.find(f"nn.init.{name}")(engine.native(array), **{**needed, **given})

    cases = [
        (f"{name}({target}: {array.dtype}{list(array.shape)})", partial(fill, array=array))
        for array in [*arrays, np.zeros(shape, "complex64")]
    ]
    cases += [
        (f"{name}({key}={wrong!r})", partial(fill, array=np.zeros(shape, "float32"), **{key: wrong}))
        for key in options
        for wrong in WRONG
    ]
    assert not (text := verdicts(cases, ARGUMENTS)), text


@pytest.mark.parametrize("case", BAD_DRAWS)
def test_the_texts_of_the_random_functions(case):
    error = outcome(lambda: BAD_DRAWS[case](SCRATCH))
    assert error is not None
    assert not fault(error), case


ROWS = np.arange(12.0, dtype=np.float32).reshape(6, 2)
BAD_DATA = {
    "TensorDataset of unequal lengths": lambda d, x: d.TensorDataset(x, x[:3]),
    "TensorDataset, index": lambda d, x: d.TensorDataset(x)[99],
    "Subset, index": lambda d, x: d.Subset(d.TensorDataset(x), [0, 1])[5],
    "random_split, lengths": lambda d, x: d.random_split(d.TensorDataset(x), [1, 2]),
    "random_split, fractions": lambda d, x: d.random_split(d.TensorDataset(x), [0.5, 0.9]),
    "random_split, a negative fraction": lambda d, x: d.random_split(d.TensorDataset(x), [-0.5, 1.5]),
    "RandomSampler, num_samples": lambda d, x: d.RandomSampler(x, num_samples=-1),
    "RandomSampler, half a sample": lambda d, x: d.RandomSampler(x, num_samples=2.5),
    "RandomSampler, replacement": lambda d, x: d.RandomSampler(x, replacement="yes"),
    "WeightedRandomSampler, num_samples": lambda d, x: d.WeightedRandomSampler([1.0], -1),
    "WeightedRandomSampler, half a sample": lambda d, x: d.WeightedRandomSampler([1.0], 1.5),
    "WeightedRandomSampler, replacement": lambda d, x: d.WeightedRandomSampler([1.0], 1, "yes"),
    "WeightedRandomSampler, matrix": lambda d, x: d.WeightedRandomSampler([[1.0, 2.0]], 1),
    "WeightedRandomSampler, too many": lambda d, x: list(d.WeightedRandomSampler([1.0, 2.0], 3, False)),
    "WeightedRandomSampler, negative": lambda d, x: list(d.WeightedRandomSampler([-1.0, 2.0], 1)),
    "BatchSampler, batch_size": lambda d, x: d.BatchSampler(d.SequentialSampler(x), 0, False),
    "BatchSampler, half a batch": lambda d, x: d.BatchSampler(d.SequentialSampler(x), 2.5, False),
    "BatchSampler, drop_last": lambda d, x: d.BatchSampler(d.SequentialSampler(x), 2, "yes"),
    "DistributedSampler, rank": lambda d, x: d.DistributedSampler(d.TensorDataset(x), num_replicas=2, rank=5),
    "DistributedSampler, negative rank": lambda d, x: d.DistributedSampler(d.TensorDataset(x), num_replicas=2, rank=-1),
    "DataLoader, batch_size": lambda d, x: d.DataLoader(d.TensorDataset(x), batch_size=0),
    "DataLoader, shuffle and sampler": lambda d, x: d.DataLoader(x, shuffle=True, sampler=d.SequentialSampler(x)),
    "DataLoader, batch_size and batch_sampler": lambda d, x: d.DataLoader(x, 3, batch_sampler=[[0]]),
    "DataLoader, drop_last alone": lambda d, x: d.DataLoader(x, batch_size=None, drop_last=True),
    "DataLoader of nothing, shuffled": lambda d, x: d.DataLoader(d.TensorDataset(x[:0]), shuffle=True),
    "default_collate of nothing": lambda d, x: d.default_collate([]),
    "default_collate of shapes": lambda d, x: d.default_collate([x[:1], x[:2]]),
    "default_collate of lengths": lambda d, x: d.default_collate([[1, 2], [3]]),
    "default_collate of objects": lambda d, x: d.default_collate([object(), object()]),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_input_to_data(case):
    data = {SCRATCH: (scratch.data, ROWS), REFERENCE: (torch.utils.data, torch.from_numpy(ROWS))}
    assert not (text := verdicts([(case, lambda engine: BAD_DATA[case](*data[engine]))])), text
