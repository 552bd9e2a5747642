"""SGD: stochastic gradient descent, with momentum."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratch.optim.flat import Run, in_blocks
from scratch.optim.inplace import Array, add_
from scratch.optim.optimizer import Optimizer, check_range


class SGD(Optimizer):
    """Stochastic gradient descent.

        g = grad + weight_decay θ                  (grad negated if maximize)
        v = momentum v + (1 - dampening) g         v = g in the first step, without dampening
        θ = θ - lr (g + momentum v) if nesterov, else θ - lr v

    With momentum 0 there is no v, and θ = θ - lr g.

    Options   params, an iterable of parameters or of groups with their own options; lr; momentum; dampening;
              weight_decay; nesterov; maximize.
    State     momentum_buffer: v. None with momentum 0.
    Differs   lr is outside the velocity. Keras and scikit-learn keep it inside, v = momentum v - lr g: the same numbers
              while lr is constant, different ones after lr changes. Sutskever's form is theirs. With nesterov θ is
              the textbook's look-ahead point, and the gradient is taken there, as in every deep learning library.
              Keras' weight_decay is decoupled from the gradient, here it is L2.
    Torch     torch.optim.SGD; same names and defaults.
    Raises    ValueError for a negative lr, momentum or weight_decay; for nesterov without momentum or with dampening.
    Source    Polyak 1964; Nesterov 1983; Sutskever, Martens, Dahl, Hinton 2013.
    """

    scalars = ()
    vectors = ("momentum_buffer",)
    optional = ("momentum_buffer",)
    fading = vectors

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        check_range("SGD", "lr", lr)
        check_range("SGD", "momentum", momentum)
        check_range("SGD", "weight_decay", weight_decay)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening 0, got momentum={momentum}, dampening={dampening}."
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def update(self, group: dict[str, Any], run: Run) -> None:
        lr, momentum = group["lr"], group["momentum"]
        vectors = [run.theta, self.gradient(group, run)]
        if momentum == 0:
            in_blocks(lambda theta, g, tmp: add_(theta, g, -lr, tmp), vectors, work=1)
            return
        first = not run.has("momentum_buffer")

        def rule(theta: Array, g: Array, v: Array, tmp: Array) -> None:
            if first:
                v[...] = g
            else:
                v *= momentum
                add_(v, g, 1 - group["dampening"], tmp)
            if group["nesterov"]:
                np.multiply(v, momentum, out=tmp)
                tmp += g
                tmp *= -lr
                theta += tmp
            else:
                add_(theta, v, -lr, tmp)

        in_blocks(rule, [*vectors, run.vector("momentum_buffer")], work=1)
