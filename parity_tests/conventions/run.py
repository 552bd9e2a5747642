"""Running statements about the libraries that are installed."""

from __future__ import annotations

import datetime
import os
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import torch

from parity_tests.conventions.results import Came
from parity_tests.conventions.statement import Statement


def run(statements: Iterable[Statement]) -> Iterator[tuple[Statement, Came]]:
    """Runs those that can be run here. An error is what came, and the statement does not hold."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    for statement in statements:
        if statement.runs and statement.show is not None:
            came = given(statement)
            yield (
                statement,
                Came(statement.library, statement.name, str(statement.version), today, statement.holds(came), came),
            )


def given(statement: Statement) -> object:
    """What the statement's function gives, from seed 0, and with nothing global left changed."""
    assert statement.show is not None
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            return statement.show()
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    finally:
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
