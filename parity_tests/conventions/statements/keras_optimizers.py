"""Keras 3 on torch: optimizers and clipping, as far as they differ from torch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from parity_tests.conventions.statement import Late, Table, plain, which

TABLE = Table("Keras")
shows = TABLE.shows
keras = Late("keras")


def steps(optimizer: Any, gradients: list[float], start: float = 0.0, rates: list[float] | None = None) -> list[float]:
    p = keras.Variable(np.array([start], np.float32))
    optimizer.build([p])
    found = []
    for number, g in enumerate(gradients):
        if rates:
            optimizer.learning_rate = rates[number]
        optimizer.apply([torch.tensor([g])], [p])
        found.append(plain(p)[0])
    return found


@shows(
    "SGD keeps lr inside the velocity: v = m v - lr g.",
    "inside",
    "optim.SGD",
    causes=("sgd-lr-inside: inside the velocity",),
)
def lr_inside_the_velocity() -> Any:
    last = steps(keras.optimizers.SGD(1.0, momentum=0.9), [1.0, 1.0], rates=[1.0, 0.1])[-1]
    return which(last, outside=-(1 + 0.1 * 1.9), inside=-(1 + 0.9 + 0.1))


@shows("SGD's default lr is 0.01, RMSprop's 0.001.", [0.01, 0.001], "optim.SGD optim.RMSprop")
def default_rates() -> Any:
    return [plain(o().learning_rate) for o in (keras.optimizers.SGD, keras.optimizers.RMSprop)]


@shows(
    "Adam adds epsilon to the uncorrected root (epsilon-hat), 1e-7 by default.",
    ["hat", 1e-7],
    "optim.Adam optim.AdamW",
    causes=("adam-eps-hat",),
)
def adam_epsilon() -> Any:
    (p,) = steps(keras.optimizers.Adam(1.0, epsilon=1e-4), [1e-4])
    g, root = 1e-4, math.sqrt(1 - 0.999)
    found = which(p, 1e-4, outside=-g / (g + 1e-4), hat=-g / (g + 1e-4 / root))
    return [found, keras.optimizers.Adam().epsilon]


@shows(
    "Adam computes 1 - β2^t in float32: 6.7e-6 from the exact step at step 1.",
    6.7e-6,
    "optim.Adam optim.AdamW",
    causes=("float32-correction: computed in float32",),
)
def float32_correction() -> Any:
    (p,) = steps(keras.optimizers.Adam(1.0, epsilon=0.0), [1.0])
    return float(f"{abs(abs(p) - 1):.1e}")


@shows(
    "weight_decay is decoupled in every optimizer, in SGD too.",
    "decoupled",
    "optim.SGD optim.Adam optim.AdamW optim.RMSprop",
    causes=("decay-decoupled",),
)
def decay_in_sgd() -> Any:
    (p,) = steps(keras.optimizers.SGD(0.1, momentum=0.0, weight_decay=0.5), [0.0], start=1.0)
    second = steps(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.5), [0.0, 0.0], start=1.0)[-1]
    return which([p, second], decoupled=[0.95, 0.95**2], coupled=[0.95, 0.95 - 0.045 - 0.0475])


@shows("AdamW's weight_decay is 0.004.", 0.004, "optim.AdamW", causes=("decay-value: weight_decay=0.004",))
def adamw_default() -> Any:
    return keras.optimizers.AdamW().weight_decay


@shows(
    "RMSprop: rho 0.9, and epsilon 1e-7 is inside the root.",
    [0.9, 1e-7, "inside"],
    "optim.RMSprop",
    causes=("eps-inside",),
)
def rmsprop_epsilon() -> Any:
    (p,) = steps(keras.optimizers.RMSprop(1.0, epsilon=0.1), [1.0])
    given = keras.optimizers.RMSprop()
    return [given.rho, given.epsilon, which(p, outside=-1 / (math.sqrt(0.1) + 0.1), inside=-1 / math.sqrt(0.1 + 0.1))]


@shows(
    "Adagrad: the accumulator starts at 0.1, epsilon 1e-7 is inside the root, lr is 0.001.",
    [0.1, 1e-7, 0.001, "inside"],
    "optim.Adagrad",
    causes=("accumulator-start: 0.1",),
)
def adagrad_start() -> Any:
    (p,) = steps(keras.optimizers.Adagrad(1.0, epsilon=0.5), [1.0])
    given = keras.optimizers.Adagrad()
    root = math.sqrt(1.1)
    return [
        given.initial_accumulator_value,
        given.epsilon,
        plain(given.learning_rate),
        which(p, outside=-1 / (root + 0.5), inside=-1 / math.sqrt(1.6)),
    ]


@shows("Adadelta: lr 0.001, epsilon 1e-7.", [0.001, 1e-7], "optim.Adadelta")
def adadelta_defaults() -> Any:
    given = keras.optimizers.Adadelta()
    return [plain(given.learning_rate), given.epsilon]


@shows(
    "Adamax: epsilon is added to the maximum in the denominator.",
    "outside",
    "optim.Adamax",
    causes=("eps-place: added to the maximum",),
)
def adamax_epsilon() -> Any:
    (p,) = steps(keras.optimizers.Adamax(1.0, epsilon=0.5), [1.0])
    p2 = steps(keras.optimizers.Adamax(1.0, epsilon=0.5), [1.0, 0.0])[-1] - p
    m, correction = 0.09, 1 - 0.81
    return which(p2, 1e-4, outside=-m / correction / (0.999 + 0.5), inside=-m / correction / (0.999 * 1.5))


@shows("Nadam has decoupled weight_decay only.", "decoupled", "optim.NAdam")
def nadam_decay() -> Any:
    (p,) = steps(keras.optimizers.Nadam(0.1, weight_decay=0.5), [0.0], start=1.0)
    return which(p, decoupled=0.95, coupled=0.9)


@shows(
    "clipnorm clips each variable by itself, global_clipnorm all together, as torch's clip_grad_norm_.",
    [[1.0, 1.0], [0.6, 0.8]],
    "nn.utils.clip_grad_norm_",
)
def clipping() -> Any:
    found = []
    for option in ("clipnorm", "global_clipnorm"):
        ps = [keras.Variable(np.zeros(1, np.float32)) for _ in range(2)]
        optimizer = keras.optimizers.SGD(1.0, **{option: 1.0})
        optimizer.build(ps)
        optimizer.apply([torch.tensor([3.0]), torch.tensor([4.0])], ps)
        found.append([round(-plain(p)[0], 6) for p in ps])
    return found
