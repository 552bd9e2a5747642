"""Properties of what is no layer: initialisers, random functions, clipping, schedules, loaders, packed sequences."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.utils.data
from hypothesis import strategies as st

import scratch
from parity_tests.checks.clipping import run as clipped
from parity_tests.checks.initialiser import fill
from parity_tests.checks.refusal import same_class
from parity_tests.checks.scheduler import Side
from parity_tests.checks.streams import DRAWS, Draw, same_bits, same_state, seed_both
from parity_tests.engine import REFERENCE, SCRATCH, Engine
from parity_tests.rule import FLOOR, bits_equal, distance, float32_limit, float64_limit
from parity_tests.table import TABLE
from parity_tests.table.recipe import given, normal
from parity_tests.table.row import Clipping, Initialiser, Scheduler
from parity_tests.tests.properties.example import FLOAT_VALUES, LAYOUTS, Option, rows, special
from parity_tests.tests.properties.profiles import hold
from parity_tests.tests.properties.refusal_text import fault
from parity_tests.tests.properties.strategies import choices

FEW, MANY = 40, 1000
DEPTHS = [pytest.param(False, id="fixed"), pytest.param(True, id="deep", marks=pytest.mark.deep)]
DTYPES = st.sampled_from(("float32", "float64"))
SHAPES = st.lists(st.integers(0, 6), max_size=5).map(tuple)


def attempt(call):
    try:
        return call(), None
    except Exception as error:
        return None, error


def refusals(ours, theirs, options=1):
    """What is wrong if one side or both refuse, or nothing."""
    if (ours is None) != (theirs is None):
        return f"scratch {ours!r}; torch {theirs!r}"
    if options <= 1 and not same_class(ours, theirs):
        return f"class: scratch {ours!r}; torch {theirs!r}"
    return fault(ours)


def offered(name, *but):
    """Options of a function or class: values of its rows, its defaults, and others like them."""
    return [Option(key, value) for key, values in choices(name).items() if key not in but for value in values]


def options_of(name, *but, largest=2):
    pool = offered(name, *but)
    drawn = st.lists(st.sampled_from(pool), max_size=largest, unique_by=lambda o: o.name) if pool else st.just([])
    return drawn.map(lambda options: {o.name: o.value for o in options})


# --- initialisers -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fill:
    name: str
    options: dict[str, Any]
    shape: tuple[int, ...]
    dtype: str
    layout: str
    seed: int

    def problem(self):
        start = np.zeros(self.shape, self.dtype)
        start = LAYOUTS[self.layout](start) if start.ndim else start
        needed = {"constant_": {"val": 0.5}, "sparse_": {"sparsity": 0.3}}.get(self.name, {})
        pair = Initialiser(f"nn.init.{self.name}", kwargs={**needed, **self.options})
        scratch.manual_seed(self.seed)
        ours_refuses = attempt(lambda: getattr(scratch.nn.init, self.name)(start.copy(order="K"), **pair.kwargs))[1]
        tensor = torch.from_numpy(start.copy(order="K"))
        theirs_refuses = attempt(lambda: REFERENCE.find(f"nn.init.{self.name}")(tensor, **pair.kwargs))[1]
        if "view size" in str(theirs_refuses):
            return ""  # torch asks strides for a view that they do not have; here any strides work
        if ours_refuses or theirs_refuses:
            return refusals(ours_refuses, theirs_refuses, 2 if self.options else 1)
        ours, theirs = fill(pair, start, self.seed)
        if self.name == "orthogonal_":  # its last bits are the LAPACK's
            return "" if ours.shape == theirs.shape and ours.dtype == theirs.dtype else f"{ours.shape} {ours.dtype}"
        return "" if bits_equal(ours, theirs) else f"{ours}, torch has {theirs}"


FILLS = [name for name in scratch.nn.init.__all__ if name.endswith("_")]
ORDERS = st.sampled_from(("Fortran", "first axis last", "sliced"))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("deep", DEPTHS)
@pytest.mark.parametrize("name", FILLS)
def test_an_initialiser(name, deep):
    options = options_of(f"nn.init.{name}", "tensor", "generator")
    fills = st.builds(Fill, st.just(name), options, SHAPES, DTYPES, ORDERS, st.integers(0, 2**64 - 1))
    hold("init", fills, lambda f: f.problem(), MANY if deep else FEW, deep)


# --- random functions -------------------------------------------------------------------------------------------------


def drawn_otherwise(case: tuple[Draw, int, int, int, int]) -> str:
    draw, n, seed, dtype, layout = case
    n = max(n, draw.smallest)
    dtype, layout = draw.dtypes[dtype % len(draw.dtypes)], draw.layouts[layout % len(draw.layouts)]
    seed_both(seed)
    for _ in range(2):  # the second call starts in mid-stream
        if not same_bits(*draw.both(n, dtype, layout)):
            return f"{draw.name}, {n} of {dtype}, {layout}: other bits"
    return "" if same_state() else f"{draw.name}, {n} of {dtype}, {layout}: the streams are left in other states"


@pytest.mark.parametrize("deep", DEPTHS)
@pytest.mark.parametrize("draw", [draw for draw in DRAWS if draw.exact], ids=lambda draw: draw.name)
def test_a_random_function(draw, deep):
    choice = st.integers(0, 59)
    cases = st.tuples(st.just(draw), st.integers(0, 3000), st.integers(-(2**63), 2**64 - 1), choice, choice)
    hold("random", cases, drawn_otherwise, MANY if deep else FEW, deep)


# --- clipping ---------------------------------------------------------------------------------------------------------

CLIPS = list(dict.fromkeys(row.name for row in TABLE if isinstance(row, Clipping)))


def clipped_otherwise(case: tuple[Clipping, list[tuple[tuple[int, ...], str, str] | None], str]) -> str:
    pair, gradients, dtype = case

    def array(i: int, shape: tuple[int, ...], size: str, value: str) -> Any:
        values = np.random.default_rng(i).normal(size=shape).astype("float32")
        with np.errstate(over="ignore", under="ignore"):
            values = np.asarray(values * special(size, values.dtype))
        if value and values.size:
            values.flat[0] = special(value, values.dtype)
        return given(values)

    pair = replace(pair, gradients=tuple(g if g is None else array(i, *g) for i, g in enumerate(gradients)))
    with np.errstate(all="ignore"):
        ours, our_error = attempt(lambda: clipped(pair, SCRATCH, dtype, 0))
        theirs, their_error = attempt(lambda: clipped(pair, REFERENCE, dtype, 0))
        if our_error or their_error:
            return refusals(our_error, their_error)
        rough, truth = (clipped(pair, REFERENCE, kind, 0) for kind in ("float32", "float64"))
        for what, expected in theirs.items():
            if ours[what].dtype != expected.dtype or ours[what].shape != expected.shape:
                return f"{what}: {ours[what].dtype}{ours[what].shape}, torch {expected.dtype}{expected.shape}"
            if np.isfinite(truth[what]).all() and not np.isfinite(rough[what]).all():
                continue  # squares and sums overflow
            limit = float32_limit if dtype == "float32" else float64_limit
            error, allowed = distance(ours[what], truth[what]), limit(distance(rough[what], truth[what]))
            if not error <= allowed and not bits_equal(ours[what], expected):
                return f"{what}: {error:.3g} ulp, limit {allowed:.3g}: {ours[what]}, torch {expected}"
    return ""


@pytest.mark.parametrize("deep", DEPTHS)
@pytest.mark.parametrize("name", CLIPS)
def test_clipping(name, deep):
    sizes, values = st.sampled_from(("1", "tiny", "subnormal", "root", "0")), st.sampled_from(["", *FLOAT_VALUES])
    gradient = st.one_of(st.tuples(SHAPES, sizes, values), st.none())
    pairs = st.sampled_from([row for row in TABLE if row.name == name])
    some = st.tuples(st.tuples(SHAPES, sizes, values), st.lists(gradient, max_size=3)).map(lambda x: [x[0], *x[1]])
    cases = st.tuples(pairs, some, DTYPES)
    hold("clip", cases, clipped_otherwise, MANY if deep else FEW, deep)


# --- schedules --------------------------------------------------------------------------------------------------------

SCHEDULES = list(
    dict.fromkeys(
        row.name for row in rows().values() if isinstance(row, Scheduler) and row.name != "optim.swa_utils.SWALR"
    )
)


def scheduled_otherwise(case: tuple[Scheduler, dict[str, Any], int]) -> str:
    pair, options, steps = case
    pair = replace(pair, kwargs={**pair.kwargs, **options})

    def run(engine: Engine) -> dict[str, np.ndarray]:
        side = Side(pair, engine)
        side.record()
        for step in range(steps):
            side.step(step)
        return side.numbers()

    ours, our_error = attempt(lambda: run(SCRATCH))
    theirs, their_error = attempt(lambda: run(REFERENCE))
    if our_error or their_error:
        return refusals(our_error, their_error, len(options))
    with np.errstate(all="ignore"):
        worst = max(theirs, key=lambda what: distance(ours[what], theirs[what]))
        error = distance(ours[worst], theirs[worst])
    return "" if error <= FLOOR else f"{worst}: {error:.3g} ulp: {ours[worst]}, torch {theirs[worst]}"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("deep", DEPTHS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule(name, deep):
    pairs = st.sampled_from([row for row in rows().values() if row.name == name])
    options = options_of(name, "optimizer", "schedulers", "last_epoch").map(copy.deepcopy)
    hold(
        "lr_scheduler", st.tuples(pairs, options, st.integers(1, 40)), scheduled_otherwise, MANY if deep else FEW, deep
    )


# --- loaders ----------------------------------------------------------------------------------------------------------


def loaded_otherwise(case: tuple[int, int | None, bool, bool, bool, int]) -> str:
    n, batch_size, shuffle, drop_last, own, seed = case
    x = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
    sides = []
    libraries = (
        (SCRATCH, scratch.data, scratch, x),
        (REFERENCE, torch.utils.data, torch, torch.from_numpy(x)),
    )
    for engine, data, lib, samples in libraries:
        engine.seed(seed)
        generator = lib.Generator().manual_seed(seed + 1) if own else None

        def read(data=data, lib=lib, samples=samples, generator=generator):
            loader = data.DataLoader(
                data.TensorDataset(samples), batch_size, shuffle, drop_last=drop_last, generator=generator
            )
            batches = [np.asarray(batch[0]).tolist() for _ in range(2) for batch in loader]
            return batches, len(loader), np.asarray(lib.get_rng_state()).tobytes()

        sides.append(attempt(read))
    (ours, our_error), (theirs, their_error) = sides
    if our_error or their_error:
        return refusals(our_error, their_error)
    return "" if ours == theirs else "other batches, or another state of the stream"


@pytest.mark.parametrize("deep", DEPTHS)
def test_a_loader(deep):
    booleans, sizes = st.booleans(), st.one_of(st.integers(-1, 9), st.none())
    cases = st.tuples(st.integers(0, 20), sizes, booleans, booleans, booleans, st.integers(0, 2**40))
    hold("data", cases, loaded_otherwise, MANY if deep else 4 * FEW, deep)


# --- packed sequences -------------------------------------------------------------------------------------------------


def packed_otherwise(case: tuple[list[int], int, bool, bool, str]) -> str:
    lengths, longest, batch_first, enforce_sorted, dtype = case
    sizes = (len(lengths), longest) if batch_first else (longest, len(lengths))
    x = normal(*sizes, 2)(np.random.default_rng(len(lengths)), dtype)
    sides = []
    for rnn, array in ((scratch.nn.utils.rnn, x), (torch.nn.utils.rnn, torch.from_numpy(x))):

        def run(rnn=rnn, array=array):
            packed = rnn.pack_padded_sequence(array, lengths, batch_first, enforce_sorted)
            padded, back = rnn.pad_packed_sequence(packed, batch_first, -1.0)
            return [None if a is None else np.asarray(a).tolist() for a in (*packed, padded, back)]

        sides.append(attempt(run))
    (ours, our_error), (theirs, their_error) = sides
    if our_error or their_error:
        return refusals(our_error, their_error)
    return "" if ours == theirs else f"{ours}, torch has {theirs}"


@pytest.mark.parametrize("deep", DEPTHS)
def test_packed_sequences(deep):
    lengths = st.lists(st.integers(0, 6), max_size=5)
    cases = st.tuples(lengths, st.integers(0, 7), st.booleans(), st.booleans(), DTYPES)
    hold("packing", cases, packed_otherwise, MANY if deep else 4 * FEW, deep)
