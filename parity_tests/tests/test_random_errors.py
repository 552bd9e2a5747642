"""What torch refuses scratch.random refuses, with an error of the same class that names the call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from parity_tests.checks.streams import Scratch, Torch
from scratch import random

NAN, INF = float("nan"), float("inf")


def array(*numbers: Any, dtype: str = "float32") -> Callable[[Any], Any]:
    """For a side: its array of these numbers."""
    x = np.array(numbers, dtype)
    return lambda side: torch.from_numpy(x.copy()) if isinstance(side, Torch) else x.copy()


X, INTEGERS, BOOLS, BYTES = (
    array(0, 0, 0),
    array(0, 0, dtype="int64"),
    array(True, dtype="bool"),
    array(1, dtype="uint8"),
)

BAD: dict[str, Callable[[Any], Any]] = {
    "rand without a size": lambda side: side.rand(),
    "rand(-1)": lambda side: side.rand(-1),
    "rand(2.0)": lambda side: side.rand(2.0),
    "rand(True)": lambda side: side.rand(True),
    "rand(2, (3,))": lambda side: side.rand(2, (3,)),
    "rand of integers": lambda side: side.rand_like(INTEGERS(side)),
    "rand_like of a list": lambda side: side.rand_like([1.0]),
    "randn(-1)": lambda side: side.randn(-1),
    "randn of integers": lambda side: side.randn_like(INTEGERS(side)),
    "randint(5)": lambda side: side.randint(5),
    "randint(5, 3)": lambda side: side.randint(5, 3),
    "randint(5, 5, (2,))": lambda side: side.randint(5, 5, (2,)),
    "randint(5, 4, (0,))": lambda side: side.randint(5, 4, (0,)),
    "randint(0.5, 3.5, (2,))": lambda side: side.randint(0.5, 3.5, (2,)),
    "randint(True, (2,))": lambda side: side.randint(True, (2,)),
    "randint(5, (-3,))": lambda side: side.randint(5, (-3,)),
    "randperm(-1)": lambda side: side.randperm(-1),
    "randperm(2.5)": lambda side: side.randperm(2.5),
    "uniform_(1, 0)": lambda side: side.uniform_(X(side), 1, 0),
    "uniform_(0, inf)": lambda side: side.uniform_(X(side), 0, INF),
    "uniform_(nan, 1)": lambda side: side.uniform_(X(side), NAN, 1),
    "uniform_(-3e38, 3e38)": lambda side: side.uniform_(X(side), -3e38, 3e38),
    "uniform_(0, 1e39)": lambda side: side.uniform_(X(side), 0, 1e39),
    "uniform_ of integers": lambda side: side.uniform_(INTEGERS(side)),
    "normal_(0, -1)": lambda side: side.normal_(X(side), 0, -1),
    "normal_(0, nan)": lambda side: side.normal_(X(side), 0, NAN),
    "normal_ of integers": lambda side: side.normal_(INTEGERS(side)),
    "normal of numbers": lambda side: side.normal(0.0, 1.0),
    "normal of negative stds": lambda side: side.normal(X(side), array(1, -1, 1)(side)),
    "normal of a negative std": lambda side: side.normal(X(side), -1.0),
    "normal of a NaN std": lambda side: side.normal(X(side), array(1, NAN, 1)(side)),
    "normal of other shapes": lambda side: side.normal(X(side), array(1, 1)(side)),
    "normal of integer means": lambda side: side.normal(INTEGERS(side), 1.0),
    "random_(0)": lambda side: side.random_(X(side), 0),
    "random_(3, 3)": lambda side: side.random_(X(side), 3, 3),
    "random_(-1)": lambda side: side.random_(X(side), -1),
    "random_(2.5)": lambda side: side.random_(X(side), 2.5),
    "random_(0, 257) of bytes": lambda side: side.random_(BYTES(side), 0, 257),
    "random_(-1, 5) of bytes": lambda side: side.random_(BYTES(side), -1, 5),
    "random_(0, 3) of booleans": lambda side: side.random_(BOOLS(side), 0, 3),
    "random_() of uint16": lambda side: side.random_(array(1, dtype="uint16")(side)),
    "bernoulli_(1.5)": lambda side: side.bernoulli_(X(side), 1.5),
    "bernoulli_(-0.1)": lambda side: side.bernoulli_(X(side), -0.1),
    "bernoulli_(nan)": lambda side: side.bernoulli_(X(side), NAN),
    "bernoulli of 1.5": lambda side: side.bernoulli(array(0, 1.5)(side)),
    "bernoulli of NaN": lambda side: side.bernoulli(array(0, NAN)(side)),
    "bernoulli of integers": lambda side: side.bernoulli(INTEGERS(side)),
    "bernoulli_ of integers": lambda side: side.bernoulli_(X(side), array(1, 0, 1, dtype="int64")(side)),
    "bernoulli_ of another shape": lambda side: side.bernoulli_(X(side), array(0.5, 0.5)(side)),
    "exponential_(0)": lambda side: side.exponential_(X(side), 0),
    "exponential_(nan)": lambda side: side.exponential_(X(side), NAN),
    "exponential_ of integers": lambda side: side.exponential_(INTEGERS(side)),
    "log_normal_(0, 0)": lambda side: side.log_normal_(X(side), 0, 0),
    "log_normal_ of integers": lambda side: side.log_normal_(INTEGERS(side)),
    "cauchy_(0, 0)": lambda side: side.cauchy_(X(side), 0, 0),
    "cauchy_ of integers": lambda side: side.cauchy_(INTEGERS(side)),
    "geometric_(0)": lambda side: side.geometric_(X(side), 0),
    "geometric_(1)": lambda side: side.geometric_(X(side), 1),
    "geometric_(nan)": lambda side: side.geometric_(X(side), NAN),
    "geometric_ without p": lambda side: side.geometric_(X(side)),
    "geometric_ of booleans": lambda side: side.geometric_(BOOLS(side), 0.5),
    "multinomial of more than there is": lambda side: side.multinomial(array(1, 2)(side), 3),
    "multinomial of none": lambda side: side.multinomial(array(1, 2)(side), 0),
    "multinomial of 2.0": lambda side: side.multinomial(array(1, 2)(side), 2.0),
    "multinomial of integers": lambda side: side.multinomial(INTEGERS(side), 1),
    "multinomial of no dimension": lambda side: side.multinomial(array(1, 2)(side)[:1].reshape(()), 1),
    "multinomial of three dimensions": lambda side: side.multinomial(array(1, 2)(side).reshape(1, 2, 1), 1),
    "multinomial of a negative weight": lambda side: side.multinomial(array(-1, 2)(side), 1),
    "multinomial of an infinite weight": lambda side: side.multinomial(array(1, INF)(side), 3, True),
    "multinomial of a NaN weight": lambda side: side.multinomial(array(1, NAN)(side), 3, True),
    "multinomial of zeros": lambda side: side.multinomial(array(0, 0)(side), 1),
    "multinomial of zeros, replaced": lambda side: side.multinomial(array(0, 0)(side), 3, True),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_the_same_error(call: Callable[[Any], Any]) -> None:
    with pytest.raises(Exception) as theirs:
        call(Torch())
    with pytest.raises(theirs.type) as ours:
        call(Scratch())
    assert type(ours.value) is theirs.type
    assert "\n" not in str(ours.value)


def test_uneven_permutations_are_refused() -> None:
    with pytest.raises(RuntimeError, match="n=2051"):
        random.randperm(2051, dtype=np.float16)
    with pytest.raises(NotImplementedError, match="bool"):
        random.randperm(2, dtype=np.bool_)
    with pytest.raises(NotImplementedError, match="float16"):
        random.multinomial(np.ones(2, np.float16), 1)
