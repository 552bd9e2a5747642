"""Every value from one distribution: uniform, normal."""

from __future__ import annotations

from scratch import random
from scratch.arguments import check_numbers, plain_options
from scratch.nn.init.filled import T, array_to_fill
from scratch.random import Generator


@plain_options
def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> T:
    """Draw every value from U(a, b).

        W ~ U(a, b)        E[W] = (a + b) / 2        Var(W) = (b - a)² / 12

    Why       an output y_o = Σ_i W_oi x_i sums fan_in products. With E[W] = 0 and independent weights
                  Var(y) = fan_in Var(W) E[x²]
              so U(-c, c), whose variance is c² / 3, keeps the size of x through a layer for c = sqrt(3 / fan_in). The
              default U(0, 1) has a mean: outputs grow by about fan_in / 2 in every layer.
    Torch     torch.nn.init.uniform_, its draws to the bit.
    """
    x = array_to_fill("uniform_", tensor)
    check_numbers("uniform_", a=a, b=b)
    random.uniform_(x, a, b, generator=generator)
    return tensor


@plain_options
def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> T:
    """Draw every value from N(mean, std²).

        W ~ N(mean, std²)        Var(W) = std²

    Why       an output y_o = Σ_i W_oi x_i sums fan_in products. With mean 0 and independent weights
                  Var(y) = fan_in std² E[x²]
              so std = 1 / sqrt(fan_in) keeps the size of x through a linear layer. The default std = 1 multiplies the
              variance by fan_in in every layer: 128^30 after 30 layers of 128 units.
    Torch     torch.nn.init.normal_, its draws to the bit.
    """
    x = array_to_fill("normal_", tensor)
    check_numbers("normal_", mean=mean, std=std)
    random.normal_(x, mean, std, generator=generator)
    return tensor
