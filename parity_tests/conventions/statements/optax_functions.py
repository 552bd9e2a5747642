"""optax: optimizers, losses and clipping."""

from __future__ import annotations

import inspect
import math
from typing import Any

from parity_tests.conventions.statement import Late, Table, which

TABLE = Table("optax")
shows = TABLE.shows
jax, jnp = Late("jax"), Late("jax.numpy")
optax = Late("optax")


def steps(transformation: Any, gradients: list[float], start: float = 0.0) -> list[float]:
    p = jnp.asarray(start)
    state, found = transformation.init(p), []
    for g in gradients:
        update, state = transformation.update(jnp.asarray(g), state, p)
        p = optax.apply_updates(p, update)
        found.append(float(p))
    return found


@shows("Adam's eps is outside the corrected root, as in torch; eps_root is inside.", ["outside", 1e-8], "optim.Adam")
def adam_epsilon() -> Any:
    (p,) = steps(optax.adam(1.0, eps=1e-4), [1e-4])
    g, root = 1e-4, math.sqrt(1 - 0.999)
    default = inspect.signature(optax.adam).parameters["eps"].default
    return [which(p, 1e-4, outside=-g / (g + 1e-4), hat=-g / (g + 1e-4 / root)), default]


@shows(
    "Adam computes 1 - β2^t in float32: 6.7e-6 from the exact step at step 1.",
    6.7e-6,
    "optim.Adam optim.AdamW",
    causes=("float32-correction: computed in float32",),
)
def float32_correction() -> Any:
    (p,) = steps(optax.adam(1.0, eps=0.0), [1.0])
    return float(f"{abs(abs(p) - 1):.1e}")


@shows(
    "AdamW's weight_decay is 1e-4, multiplied by the rate.",
    [1e-4, "times lr"],
    "optim.AdamW optim.Adam",
    causes=("decay-extra: weight_decay=0.0001", "decay-value: weight_decay=0.0001"),
)
def adamw_decay() -> Any:
    (p,) = steps(optax.adamw(0.1, weight_decay=0.5), [0.0], start=1.0)
    return [
        inspect.signature(optax.adamw).parameters["weight_decay"].default,
        which(p, **{"times lr": 0.95, "plain": 0.5}),
    ]


@shows("sgd with momentum keeps lr outside the trace.", "outside", "optim.SGD")
def lr_outside_the_trace() -> Any:
    rates = iter([1.0, 0.1])
    trace = optax.trace(0.9)
    p, state = 0.0, trace.init(jnp.zeros(()))
    for rate in rates:
        update, state = trace.update(jnp.ones(()), state)
        p -= rate * float(update)
    _, second = steps(optax.sgd(optax.piecewise_constant_schedule(1.0, {1: 0.1}), momentum=0.9), [1.0, 1.0])
    return which(second, 1e-4, outside=p, inside=-2.0)


@shows(
    "rmsprop: decay 0.9, eps inside the root, and the mean starts at 0.",
    [0.9, "inside"],
    "optim.RMSprop",
    causes=("eps-inside", "alpha: alpha=0.9"),
)
def rmsprop_epsilon() -> Any:
    (p,) = steps(optax.rmsprop(1.0, eps=0.1), [1.0])
    default = inspect.signature(optax.rmsprop).parameters["decay"].default
    return [default, which(p, 1e-4, outside=-1 / (math.sqrt(0.1) + 0.1), inside=-1 / math.sqrt(0.1 + 0.1))]


@shows(
    "adagrad: the accumulator starts at 0.1 and eps is inside the root.",
    ["inside", 0.1],
    "optim.Adagrad",
    causes=("accumulator-start: 0.1",),
)
def adagrad_start() -> Any:
    (p,) = steps(optax.adagrad(1.0, eps=0.5), [1.0])
    given = inspect.signature(optax.adagrad).parameters["initial_accumulator_value"].default
    return [which(p, 1e-4, outside=-1 / (math.sqrt(1.1) + 0.5), inside=-1 / math.sqrt(1.6)), given]


@shows(
    "nadam has a constant β1, without torch's schedule of momentum: its first step is another.",
    True,
    "optim.NAdam",
    causes=("nadam-schedule: optax",),
)
def nadam_first_step() -> Any:
    import torch

    (p,) = steps(optax.nadam(1.0), [1.0])
    q = torch.nn.Parameter(torch.zeros(()))
    q.grad = torch.ones(())
    torch.optim.NAdam([q], lr=1.0).step()
    return abs(p - q.item()) > 0.01


@shows(
    "rprop hands out the step of the call before: the first is 0.", [0.0, True], "optim.Rprop", causes=("late-step",)
)
def rprop_is_late() -> Any:
    first, second = steps(optax.rprop(0.1), [1.0, 1.0])
    return [first, second < 0]


@shows(
    "A label of -1 takes the last class in softmax_cross_entropy_with_integer_labels.",
    True,
    "nn.CrossEntropyLoss",
    causes=("ignored-rows: read as an index from the end",),
)
def negative_label() -> Any:
    x = jnp.array([[1.0, 2.0, 0.5]])
    return bool(
        optax.softmax_cross_entropy_with_integer_labels(x, jnp.array([-1]))[0]
        == optax.softmax_cross_entropy_with_integer_labels(x, jnp.array([2]))[0]
    )


@shows(
    "ctc_loss of an impossible alignment is finite, about 1e5, and its gradient too; torch's are infinite and NaN.",
    [True, True],
    "nn.CTCLoss",
    causes=("ctc-impossible: optax",),
)
def impossible_alignment() -> Any:
    def loss(x: Any) -> Any:
        return optax.ctc_loss(x, jnp.zeros((1, 1)), jnp.array([[1, 2]]), jnp.zeros((1, 2)))[0]

    x = jnp.zeros((1, 1, 3))
    return [bool(1e4 < float(loss(x)) < 1e6), bool(jnp.isfinite(jax.grad(loss)(x)).all())]


@shows("clip_by_global_norm divides by the norm, without 1e-6.", 1.0, "nn.utils.clip_grad_norm_")
def clip_adds_nothing() -> Any:
    clip = optax.clip_by_global_norm(1.0)
    update, _ = clip.update({"a": jnp.array(3.0), "b": jnp.array(4.0)}, clip.init(None))
    return float(jnp.hypot(update["a"], update["b"]))


@shows("l2_loss has a factor 1/2.", 2.0, "nn.MSELoss")
def half_the_squares() -> Any:
    return float(optax.l2_loss(jnp.array(2.0), jnp.array(0.0)))
