"""PyTorch's random streams in NumPy: the same seed gives the same bits.

    scratch.manual_seed(0); scratch.randn(3)        # the numbers of torch.manual_seed(0); torch.randn(3)

Engines:        mersenne.py (CPU), philox.py (CUDA); generator.py holds them and the global one, seeding.py seeds all.
Distributions:  uniform.py, integers.py, normals.py, bernoulli.py, exponential.py, counts.py, multinomial.py,
                permutation.py.
Arithmetic:     avx2_float32.py and libm_float32.py (log, sin, cos), libm_float64.py, rounding.py (fused multiply-add);
                arch.py chooses among them, memory_order.py sets the order in which an array is filled, topk.py that of
                ties.
"""

from scratch.random.arch import get_arch, set_arch
from scratch.random.bernoulli import bernoulli, bernoulli_, dropout_mask
from scratch.random.counts import binomial, poisson
from scratch.random.exponential import cauchy_, exponential_, geometric_, log_normal_
from scratch.random.generator import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from scratch.random.integers import randint, randint_like, random_
from scratch.random.multinomial import multinomial
from scratch.random.normals import normal, normal_, randn, randn_like
from scratch.random.permutation import randperm
from scratch.random.seeding import seed_everything
from scratch.random.uniform import rand, rand_like, uniform_

__all__ = [
    "Generator",
    "bernoulli",
    "bernoulli_",
    "binomial",
    "cauchy_",
    "default_generator",
    "dropout_mask",
    "exponential_",
    "fork_rng",
    "geometric_",
    "get_arch",
    "get_rng_state",
    "initial_seed",
    "log_normal_",
    "manual_seed",
    "multinomial",
    "normal",
    "normal_",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random_",
    "randperm",
    "seed",
    "seed_everything",
    "set_arch",
    "set_rng_state",
    "uniform_",
]
