"""seed_everything: Python's, NumPy's and scratch's generators from one seed, as Lightning seeds its three."""

import logging
import os
import random
import warnings
from typing import SupportsInt

import numpy as np

from scratch.random.generator import manual_seed

LARGEST_SEED = 2**32 - 1  # NumPy's

log = logging.getLogger(__name__)


def seed_everything(seed: SupportsInt | str | None = None, workers: bool = False, verbose: bool = True) -> int:
    """Seed `random`, `numpy.random` and scratch, and return the seed.

    Without a seed, the environment's PL_GLOBAL_SEED is used, and without that 0. Sets PL_GLOBAL_SEED and
    PL_SEED_WORKERS, so that child processes and Lightning itself find them.

    Torch     lightning.seed_everything; same arguments.
    Raises    ValueError unless the seed is an integer in [0, 2^32).
    """
    if seed is None:
        seed = os.environ.get("PL_GLOBAL_SEED")
        if seed is None:
            seed = 0
            if verbose:
                warnings.warn(
                    "seed_everything: no seed given and no PL_GLOBAL_SEED set, so the seed is 0.", stacklevel=2
                )
    number = int(seed)
    if not 0 <= number <= LARGEST_SEED:
        raise ValueError(f"seed_everything: the seed must be from 0 to {LARGEST_SEED}, NumPy's range, got {number}.")
    if verbose:
        log.info("Seed set to %d", number)
    random.seed(number)
    np.random.seed(number)
    manual_seed(number)
    os.environ["PL_GLOBAL_SEED"] = str(number)
    os.environ["PL_SEED_WORKERS"] = str(int(workers))
    return number
