"""Seeds and states: what torch accepts as a seed, and its own bytes handed over in mid-stream, both ways."""

import os
import random as python_random
from collections.abc import Iterator

import lightning
import numpy as np
import pytest
import torch

from parity_tests.checks.streams import same_bits, same_state, seed_both
from scratch import random

SEEDS: list[object] = [0, -1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**100, 3.7, -0.5, float("nan")]
SEEDS += [float("inf"), "12", "x", None, True, np.int64(5), np.float32(2.5), np.array(4), [1]]


@pytest.mark.parametrize("seed", SEEDS, ids=repr)
def test_manual_seed_accepts_and_rejects_what_torch_does(seed: object) -> None:
    def outcome(call, *arguments) -> object:
        try:
            return call(*arguments).initial_seed()
        except Exception as error:  # the class is the outcome
            return type(error)

    assert outcome(random.manual_seed, seed) == outcome(torch.manual_seed, seed)
    assert outcome(random.Generator().manual_seed, seed) == outcome(torch.Generator().manual_seed, seed)


def advance_torch(words: int, singles: int) -> None:
    torch.empty(words, dtype=torch.int32).random_()
    torch.randn(singles)


@pytest.mark.parametrize("words", [0, 1, 622, 623, 624, 625, 1300])
@pytest.mark.parametrize("singles", [0, 1, 2])
def test_states_are_exchanged_in_mid_stream(words: int, singles: int) -> None:
    """Wherever torch stops in a round of 624 words, with and without a cached normal, scratch goes on, and back."""
    seed_both(2**40 + words)
    advance_torch(words, singles)
    state = torch.get_rng_state()
    for given in (state, state.numpy(), state.numpy().tobytes()):
        random.set_rng_state(given)
        assert np.array_equal(random.get_rng_state(), state.numpy())
    assert random.initial_seed() == torch.initial_seed() == 2**40 + words
    for n in (1, 5, 700):
        assert same_bits(torch.randn(n).numpy(), random.randn(n))
    random.randn(3)
    torch.set_rng_state(torch.from_numpy(random.get_rng_state()))
    assert same_bits(torch.randn(2).numpy(), random.randn(2))
    assert same_state()


def test_an_unseeded_generator_is_torchs() -> None:
    assert np.array_equal(random.Generator().get_state(), torch.Generator().get_state().numpy())
    assert random.Generator().initial_seed() == torch.Generator().initial_seed()
    assert random.Generator().device == torch.Generator().device.type == "cpu"


def test_seeding_forgets_the_cached_normal() -> None:
    seed_both(1)
    torch.randn(1), random.randn(1)
    seed_both(1)
    assert same_state()
    assert same_bits(torch.randn(1).numpy(), random.randn(1))


def altered(**fields: int) -> np.ndarray:
    layout = {"left": (8, "i4"), "seeded": (12, "i4"), "next": (16, "u8")}
    state = torch.Generator().get_state().numpy().copy()
    for name, value in fields.items():
        offset, kind = layout[name]
        state[offset : offset + np.dtype(kind).itemsize].view(kind)[0] = value
    return state


BAD_STATES = {
    "too short": np.zeros(10, np.uint8),
    "zeros": np.zeros(5056, np.uint8),
    "floats": np.zeros(5056, np.float32),
    "not seeded": altered(seeded=0),
    "left 0": altered(left=0, next=5),
    "left 625": altered(left=625, next=0),
    "next 625": altered(left=1, next=625),
    "next 700": altered(left=2, next=700),
}


@pytest.mark.parametrize("state", BAD_STATES.values(), ids=BAD_STATES)
def test_a_bad_state_is_refused_and_changes_nothing(state: np.ndarray) -> None:
    ours = random.Generator()
    before = ours.get_state()
    with pytest.raises((RuntimeError, TypeError)) as theirs:
        torch.Generator().set_state(torch.from_numpy(state))
    with pytest.raises(theirs.type, match="set_state"):
        ours.set_state(state)
    assert np.array_equal(ours.get_state(), before)


def test_positions_that_torch_never_writes_are_refused() -> None:
    """With next + left other than 625 torch would read a stretch of its key that NumPy's engine cannot stop after."""
    with pytest.raises(RuntimeError, match="left=300"):
        random.Generator().set_state(altered(left=300, next=5))


def test_fork_rng() -> None:
    seed_both(6)
    random.randn(1), torch.randn(1)
    with random.fork_rng(), torch.random.fork_rng():
        assert same_bits(torch.rand(9).numpy(), random.rand(9))
    assert same_state()
    assert same_bits(torch.randn(1).numpy(), random.randn(1))
    before = random.get_rng_state()
    with pytest.raises(RuntimeError), random.fork_rng():
        random.uniform_(random.rand(3), 1, 0)
    assert np.array_equal(random.get_rng_state(), before)
    with random.fork_rng(enabled=False):
        random.rand(3)
    assert not np.array_equal(random.get_rng_state(), before)


def test_seed_draws_another_seed_every_time() -> None:
    first, second = random.seed(), random.seed()
    assert first != second
    assert random.initial_seed() == second
    assert 0 <= second < 2**64
    assert random.Generator().seed() not in (first, second)


@pytest.fixture
def streams_restored() -> Iterator[None]:
    variables = {name: os.environ.get(name) for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")}
    python, numpy = python_random.getstate(), np.random.get_state()
    yield
    python_random.setstate(python)
    np.random.set_state(numpy)
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def seeded_streams(call, *arguments: object, **options: object) -> list[object]:
    """What a seed_everything returned or raised, the next number of each stream, and the variables it left."""
    try:
        result: object = call(*arguments, **options)
    except Exception as error:  # the class is the outcome
        result = type(error)
    state = random.get_rng_state() if call is random.seed_everything else torch.get_rng_state().numpy()
    variables = [os.environ.get(name) for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")]
    return [result, python_random.random(), np.random.random(), state.tobytes(), variables]


@pytest.mark.usefixtures("streams_restored")
@pytest.mark.parametrize("seed", [0, 42, 2**32 - 1, "7", 3.9, -1, 2**32, "x"])
@pytest.mark.parametrize("workers", [False, True])
def test_seed_everything_is_lightnings(seed: object, workers: bool) -> None:
    for call in (random.manual_seed, torch.manual_seed, python_random.seed, np.random.seed):
        call(1)
    theirs = seeded_streams(lightning.seed_everything, seed, workers=workers, verbose=False)
    for call in (python_random.seed, np.random.seed):
        call(1)
    assert seeded_streams(random.seed_everything, seed, workers=workers, verbose=False) == theirs


@pytest.mark.usefixtures("streams_restored")
@pytest.mark.parametrize("variable", [None, "19", "nineteen"])
def test_seed_everything_without_a_seed(variable: str | None) -> None:
    results = []
    for call in (lightning.seed_everything, random.seed_everything):
        os.environ.pop("PL_GLOBAL_SEED", None)
        if variable is not None:
            os.environ["PL_GLOBAL_SEED"] = variable
        python_random.seed(1)
        np.random.seed(1)
        seed_both(1)
        results.append(seeded_streams(call, verbose=False))
    assert results[0] == results[1]
    os.environ.pop("PL_GLOBAL_SEED", None)
    with pytest.warns(UserWarning, match="seed is 0"):
        random.seed_everything()
