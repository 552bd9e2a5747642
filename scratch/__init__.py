"""Neural networks from scratch in NumPy, with torch's names, torch's numbers and torch's random streams."""

from scratch import data, nn, optim, random
from scratch.grad_mode import is_grad_enabled, no_grad
from scratch.memory import keep_freed_memory
from scratch.random import (
    Generator,
    bernoulli,
    binomial,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    seed,
    seed_everything,
    set_rng_state,
)

__all__ = [
    "Generator",
    "bernoulli",
    "binomial",
    "data",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "is_grad_enabled",
    "manual_seed",
    "multinomial",
    "nn",
    "no_grad",
    "normal",
    "optim",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "seed",
    "seed_everything",
    "set_rng_state",
]

keep_freed_memory()
