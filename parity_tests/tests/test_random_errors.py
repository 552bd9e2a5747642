"""What torch refuses scratch.random refuses, with an error of the same class that names the call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parity_tests.engine import SCRATCH, TORCH, Engine
from scratch import random

NAN, INF = float("nan"), float("inf")


def array(*numbers: Any, dtype: str = "float32") -> Callable[[Engine], Any]:
    """For an engine: its array of these numbers."""
    x = np.array(numbers, dtype)
    return lambda engine: engine.native(x)


X, INTEGERS, BOOLS, BYTES = (
    array(0, 0, 0),
    array(0, 0, dtype="int64"),
    array(True, dtype="bool"),
    array(1, dtype="uint8"),
)

BAD: dict[str, Callable[[Engine], Any]] = {
    "rand without a size": lambda e: e.random.rand(),
    "rand(-1)": lambda e: e.random.rand(-1),
    "rand(2.0)": lambda e: e.random.rand(2.0),
    "rand(True)": lambda e: e.random.rand(True),
    "rand(2, (3,))": lambda e: e.random.rand(2, (3,)),
    "rand of integers": lambda e: e.random.rand_like(INTEGERS(e)),
    "rand_like of a list": lambda e: e.random.rand_like([1.0]),
    "randn(-1)": lambda e: e.random.randn(-1),
    "randn of integers": lambda e: e.random.randn_like(INTEGERS(e)),
    "randint(5)": lambda e: e.random.randint(5),
    "randint(5, 3)": lambda e: e.random.randint(5, 3),
    "randint(5, 5, (2,))": lambda e: e.random.randint(5, 5, (2,)),
    "randint(5, 4, (0,))": lambda e: e.random.randint(5, 4, (0,)),
    "randint(0.5, 3.5, (2,))": lambda e: e.random.randint(0.5, 3.5, (2,)),
    "randint(True, (2,))": lambda e: e.random.randint(True, (2,)),
    "randint(5, (-3,))": lambda e: e.random.randint(5, (-3,)),
    "randperm(-1)": lambda e: e.random.randperm(-1),
    "randperm(2.5)": lambda e: e.random.randperm(2.5),
    "uniform_(1, 0)": lambda e: e.random.uniform_(X(e), 1, 0),
    "uniform_(0, inf)": lambda e: e.random.uniform_(X(e), 0, INF),
    "uniform_(nan, 1)": lambda e: e.random.uniform_(X(e), NAN, 1),
    "uniform_(-3e38, 3e38)": lambda e: e.random.uniform_(X(e), -3e38, 3e38),
    "uniform_(0, 1e39)": lambda e: e.random.uniform_(X(e), 0, 1e39),
    "uniform_ of integers": lambda e: e.random.uniform_(INTEGERS(e)),
    "normal_(0, -1)": lambda e: e.random.normal_(X(e), 0, -1),
    "normal_(0, nan)": lambda e: e.random.normal_(X(e), 0, NAN),
    "normal_ of integers": lambda e: e.random.normal_(INTEGERS(e)),
    "normal of numbers": lambda e: e.random.normal(0.0, 1.0),
    "normal of negative stds": lambda e: e.random.normal(X(e), array(1, -1, 1)(e)),
    "normal of a negative std": lambda e: e.random.normal(X(e), -1.0),
    "normal of a NaN std": lambda e: e.random.normal(X(e), array(1, NAN, 1)(e)),
    "normal of other shapes": lambda e: e.random.normal(X(e), array(1, 1)(e)),
    "normal of integer means": lambda e: e.random.normal(INTEGERS(e), 1.0),
    "random_(0)": lambda e: e.random.random_(X(e), 0),
    "random_(3, 3)": lambda e: e.random.random_(X(e), 3, 3),
    "random_(-1)": lambda e: e.random.random_(X(e), -1),
    "random_(2.5)": lambda e: e.random.random_(X(e), 2.5),
    "random_(0, 257) of bytes": lambda e: e.random.random_(BYTES(e), 0, 257),
    "random_(-1, 5) of bytes": lambda e: e.random.random_(BYTES(e), -1, 5),
    "random_(0, 3) of booleans": lambda e: e.random.random_(BOOLS(e), 0, 3),
    "random_() of uint16": lambda e: e.random.random_(array(1, dtype="uint16")(e)),
    "bernoulli_(1.5)": lambda e: e.random.bernoulli_(X(e), 1.5),
    "bernoulli_(-0.1)": lambda e: e.random.bernoulli_(X(e), -0.1),
    "bernoulli_(nan)": lambda e: e.random.bernoulli_(X(e), NAN),
    "bernoulli of 1.5": lambda e: e.random.bernoulli(array(0, 1.5)(e)),
    "bernoulli of NaN": lambda e: e.random.bernoulli(array(0, NAN)(e)),
    "bernoulli of integers": lambda e: e.random.bernoulli(INTEGERS(e)),
    "bernoulli_ of integers": lambda e: e.random.bernoulli_(X(e), array(1, 0, 1, dtype="int64")(e)),
    "bernoulli_ of another shape": lambda e: e.random.bernoulli_(X(e), array(0.5, 0.5)(e)),
    "exponential_(0)": lambda e: e.random.exponential_(X(e), 0),
    "exponential_(nan)": lambda e: e.random.exponential_(X(e), NAN),
    "exponential_ of integers": lambda e: e.random.exponential_(INTEGERS(e)),
    "log_normal_(0, 0)": lambda e: e.random.log_normal_(X(e), 0, 0),
    "log_normal_ of integers": lambda e: e.random.log_normal_(INTEGERS(e)),
    "cauchy_(0, 0)": lambda e: e.random.cauchy_(X(e), 0, 0),
    "cauchy_ of integers": lambda e: e.random.cauchy_(INTEGERS(e)),
    "geometric_(0)": lambda e: e.random.geometric_(X(e), 0),
    "geometric_(1)": lambda e: e.random.geometric_(X(e), 1),
    "geometric_(nan)": lambda e: e.random.geometric_(X(e), NAN),
    "geometric_ without p": lambda e: e.random.geometric_(X(e)),
    "geometric_ of booleans": lambda e: e.random.geometric_(BOOLS(e), 0.5),
    "multinomial of more than there is": lambda e: e.random.multinomial(array(1, 2)(e), 3),
    "multinomial of none": lambda e: e.random.multinomial(array(1, 2)(e), 0),
    "multinomial of 2.0": lambda e: e.random.multinomial(array(1, 2)(e), 2.0),
    "multinomial of integers": lambda e: e.random.multinomial(INTEGERS(e), 1),
    "multinomial of no dimension": lambda e: e.random.multinomial(array(1, 2)(e)[:1].reshape(()), 1),
    "multinomial of three dimensions": lambda e: e.random.multinomial(array(1, 2)(e).reshape(1, 2, 1), 1),
    "multinomial of a negative weight": lambda e: e.random.multinomial(array(-1, 2)(e), 1),
    "multinomial of an infinite weight": lambda e: e.random.multinomial(array(1, INF)(e), 3, True),
    "multinomial of a NaN weight": lambda e: e.random.multinomial(array(1, NAN)(e), 3, True),
    "multinomial of zeros": lambda e: e.random.multinomial(array(0, 0)(e), 1),
    "poisson of a negative rate": lambda e: e.random.poisson(array(1, -2)(e)),
    "poisson of a NaN rate": lambda e: e.random.poisson(array(1, NAN)(e)),
    "poisson of integers": lambda e: e.random.poisson(INTEGERS(e)),
    "poisson of a number": lambda e: e.random.poisson(3.0),
    "binomial of integers": lambda e: e.random.binomial(INTEGERS(e), array(1, 0)(e)),
    "binomial of a number": lambda e: e.random.binomial(array(1, 2)(e), 0.5),
    "binomial of shapes that do not fit": lambda e: e.random.binomial(array(1, 2)(e), array(0, 0, 0)(e)),
    "multinomial of zeros, replaced": lambda e: e.random.multinomial(array(0, 0)(e), 3, True),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_the_same_error(call: Callable[[Engine], Any]) -> None:
    with pytest.raises(Exception) as theirs:
        call(TORCH)
    with pytest.raises(theirs.type) as ours:
        call(SCRATCH)
    assert type(ours.value) is theirs.type
    assert "\n" not in str(ours.value)


def test_uneven_permutations_are_refused() -> None:
    with pytest.raises(RuntimeError, match="n=2051"):
        random.randperm(2051, dtype=np.float16)
    with pytest.raises(NotImplementedError, match="bool"):
        random.randperm(2, dtype=np.bool_)
    with pytest.raises(NotImplementedError, match="float16"):
        random.multinomial(np.ones(2, np.float16), 1)
    with pytest.raises(NotImplementedError, match="float16"):
        random.binomial(np.ones(2, np.float16), np.ones(2, np.float16))
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        random.binomial(np.ones(2, np.float32), np.ones(2))
    with pytest.raises(RuntimeError, match="above 2\\^62"):
        random.poisson(np.array([1e20]))
