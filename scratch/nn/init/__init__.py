"""torch.nn.init: fill a parameter in place, with torch's draws from the same seed, and return it.

Every function takes a Parameter or an array. Bounds and deviations are computed in Python floats, in the order of
operations that torch uses, since another order changes the last bit of every weight.
"""

from scratch.nn.init.constants import constant_, ones_, zeros_
from scratch.nn.init.distributions import normal_, uniform_
from scratch.nn.init.identity import dirac_, eye_
from scratch.nn.init.random_matrices import orthogonal_, sparse_
from scratch.nn.init.truncated_normal import trunc_normal_
from scratch.nn.init.variance import (
    calculate_gain,
    kaiming_normal_,
    kaiming_uniform_,
    xavier_normal_,
    xavier_uniform_,
)

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
