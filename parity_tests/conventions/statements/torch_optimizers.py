"""torch.optim: what a step is, and the details in which torch differs from papers and other libraries."""

from __future__ import annotations

import math
from typing import Any

import torch

from parity_tests.conventions.statement import Table, raises, which

TABLE = Table("torch")
shows = TABLE.shows


def steps(
    kind: Any, gradients: list[float], rates: list[float] | None = None, start: float = 0.0, **options: Any
) -> list[float]:
    """One float64 parameter after each step."""
    p = torch.nn.Parameter(torch.tensor([start], dtype=torch.float64))
    optimizer = kind([p], **options)
    found = []
    for number, gradient in enumerate(gradients):
        if rates:
            optimizer.param_groups[0]["lr"] = rates[number]
        p.grad = torch.full_like(p, gradient)
        optimizer.step()
        found.append(p.item())
    return found


@shows(
    "SGD: the first step sets the velocity to the gradient; dampening is skipped in it.",
    [-1.0, -2.4],
    "optim.SGD",
)
def first_velocity_is_not_dampened() -> Any:
    return steps(torch.optim.SGD, [1, 1], lr=1.0, momentum=0.9, dampening=0.5)


@shows("SGD: lr is outside the velocity, so that a new lr scales old gradients too.", "outside", "optim.SGD")
def lr_outside_the_velocity() -> Any:
    last = steps(torch.optim.SGD, [1, 1], [1.0, 0.1], lr=1.0, momentum=0.9)[-1]
    return which(last, outside=-(1 + 0.1 * 1.9), inside=-(1 + 0.9 + 0.1))


@shows(
    "SGD with nesterov: θ -= lr (g + m buf); θ is the textbook's look-ahead point, and gradients are taken there.",
    "torch",
    "optim.SGD",
)
def nesterov() -> Any:
    found = steps(torch.optim.SGD, [1, 2], lr=0.1, momentum=0.5, nesterov=True)
    v = [1.0, 2.5]
    return which(found, torch=[-0.1 * 1.5, -0.1 * 1.5 - 0.1 * (2 + 0.5 * v[1])], plain=[-0.1, -0.1 - 0.1 * v[1]])


@shows("SGD: the default lr is 1e-3.", 1e-3, "optim.SGD")
def default_lr_of_sgd() -> Any:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"]


@shows("Adam: epsilon is outside the root, and added after v is corrected.", "outside", "optim.Adam optim.AdamW")
def adam_epsilon() -> Any:
    (p,) = steps(torch.optim.Adam, [1e-4], lr=1.0, eps=1e-4)
    g, root = 1e-4, math.sqrt(1 - 0.999)
    return which(p, outside=-g / (g + 1e-4), hat=-g / (g + 1e-4 / root), inside=-g / math.sqrt(g * g + 1e-4))


@shows("Adam: weight_decay is added to the gradient.", "coupled", "optim.Adam")
def adam_decay() -> Any:
    (p,) = steps(torch.optim.Adam, [0.0], lr=0.1, start=1.0, weight_decay=0.5)
    return which(p, coupled=1 - 0.1, decoupled=1 - 0.05)


@shows("AdamW: θ *= 1 - lr wd before the step, and wd is 0.01 by default.", ["decoupled", 0.01], "optim.AdamW")
def adamw_decay() -> Any:
    (p,) = steps(torch.optim.AdamW, [0.0], lr=0.1, start=1.0, weight_decay=0.5)
    default = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))]).defaults["weight_decay"]
    return [which(p, coupled=1 - 0.1, decoupled=1 - 0.05), default]


@shows(
    "Adam: AMSGrad takes the maximum of the uncorrected v and corrects it afterwards; its paper corrects nothing.",
    "maximum, then correction",
    "optim.Adam",
)
def amsgrad() -> Any:
    found = steps(torch.optim.Adam, [1, 0.1], lr=1.0, amsgrad=True, eps=0.0)[-1]
    m, v = [0.1, 0.1 * 0.9 + 0.01], [0.001, 0.001 * 0.999 + 0.001 * 0.01]
    first, mean = m[0] / 0.1 / math.sqrt(v[0] / 0.001), m[1] / (1 - 0.81)
    return which(
        found,
        **{
            "maximum, then correction": -first - mean / math.sqrt(max(v) / (1 - 0.999**2)),
            "correction, then maximum": -first - mean / math.sqrt(max(v[0] / 0.001, v[1] / (1 - 0.999**2))),
        },
    )


@shows("Adamax: epsilon is added to |g| inside the maximum.", "inside", "optim.Adamax")
def adamax_epsilon() -> Any:
    found = steps(torch.optim.Adamax, [1.0, 0.0], lr=1.0, eps=0.5)[-1]
    m, correction = 0.09, 1 - 0.81
    u = max(0.999 * 1.5, 0.5)
    return which(found, inside=-1 / 1.5 - m / correction / u, outside=-1 / 1.5 - m / correction / (0.999 + 0.5))


@shows("NAdam: the product of momenta is kept in float32, also in a float64 training.", "torch.float32", "optim.NAdam")
def nadam_product() -> Any:
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.NAdam([p])
    p.grad = torch.ones_like(p)
    optimizer.step()
    return str(optimizer.state[p]["mu_product"].dtype)


@shows("RAdam: rectified from ρ > 5 on, step 6 at β2 0.999 (the paper: ρ > 4, step 5).", [False, True], "optim.RAdam")
def radam_tractable() -> Any:
    found = steps(torch.optim.RAdam, [1e-3] * 6, lr=1.0)
    sizes = [abs(b - a) for a, b in zip([0.0, *found], found, strict=False)]
    return [not math.isclose(size, 1e-3, rel_tol=1e-3) for size in sizes[4:]]


@shows("RMSprop: α 0.99, and 1e-8 is added outside the root.", [0.99, 1e-8, "outside"], "optim.RMSprop")
def rmsprop_epsilon() -> Any:
    (p,) = steps(torch.optim.RMSprop, [1.0], lr=1.0, eps=0.1)
    given = torch.optim.RMSprop([torch.nn.Parameter(torch.zeros(1))]).defaults
    return [given["alpha"], given["eps"], which(p, outside=-1 / (0.1 + 0.1), inside=-1 / math.sqrt(0.01 + 0.1))]


@shows("RMSprop: the default lr is 0.01.", 0.01, "optim.RMSprop")
def default_lr_of_rmsprop() -> Any:
    return torch.optim.RMSprop([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"]


@shows("Adagrad: epsilon 1e-10, accumulator 0, lr 0.01.", [1e-10, 0, 0.01], "optim.Adagrad")
def adagrad_defaults() -> Any:
    given = torch.optim.Adagrad([torch.nn.Parameter(torch.zeros(1))]).defaults
    return [given["eps"], given["initial_accumulator_value"], given["lr"]]


@shows("Adadelta: lr is 1, and epsilon is inside both roots.", [1.0, "inside"], "optim.Adadelta")
def adadelta_defaults() -> Any:
    (p,) = steps(torch.optim.Adadelta, [1.0], eps=0.1)
    inside, outside = math.sqrt(0.1) / math.sqrt(0.1 + 0.1), 0.1 / (math.sqrt(0.1) + 0.1)
    default = torch.optim.Adadelta([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"]
    return [default, which(p, inside=-inside, outside=-outside)]


@shows("Adafactor: the rate is min(lr, 1/√t), where the paper has 0.01 for lr.", [0.5, 0.5], "optim.Adafactor")
def adafactor_rate() -> Any:
    found = steps(torch.optim.Adafactor, [1.0] * 16, lr=0.5, start=4.0, weight_decay=0.0, d=1e9)
    size = [a - b for a, b in zip([4.0, *found], found, strict=False)]
    rms = [4.0, *found]
    return [size[0] / rms[0], round(size[3] / rms[3], 4)]


@shows("ASGD: its rate η is rounded to float32, also in a float64 training.", "torch.float32", "optim.ASGD")
def asgd_rate() -> Any:
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.ASGD([p])
    p.grad = torch.ones_like(p)
    optimizer.step()
    return str(optimizer.state[p]["eta"].dtype)


@shows("Rprop: the sign of a NaN gradient is 0, so it makes no step.", [0.0, 0.0], "optim.Rprop")
def rprop_nan() -> Any:
    return steps(torch.optim.Rprop, [math.nan, math.nan], lr=0.1)


@shows("LBFGS: without line_search_fn the first step has the length min(1, 1/|g|₁) lr.", -1.0, "optim.LBFGS")
def lbfgs_first_step() -> Any:
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.LBFGS([p], lr=1.0, max_iter=1)

    def closure() -> Any:
        p.grad = torch.full_like(p, 100.0)
        return torch.tensor(0.0)

    optimizer.step(closure)
    return p.item()


@shows(
    "Muon: the momentum is a mean, scaled by 1 - momentum; Jordan's original adds the gradient whole, which the "
    "normalization removes.",
    [0.05, 0.05],
    "optim.Muon",
)
def muon_momentum() -> Any:
    p = torch.nn.Parameter(torch.zeros(2, 2))
    optimizer = torch.optim.Muon([p], momentum=0.95)
    p.grad = torch.eye(2)
    optimizer.step()
    return torch.diagonal(optimizer.state[p]["momentum_buffer"]).tolist()


@shows(
    "Muon: the update of a transposed weight is not the transpose of the update: rows and columns count differently "
    "in its rate. The norms of both, for a 16 x 64 weight and its transpose.",
    [3.66, 7.32],
    "optim.Muon",
)
def muon_is_not_symmetric() -> Any:
    gradient = torch.randn(16, 64)
    norms = []
    for g in (gradient, gradient.T.contiguous()):
        p = torch.nn.Parameter(torch.zeros_like(g))
        optimizer = torch.optim.Muon([p], lr=1.0, weight_decay=0.0)
        p.grad = g
        optimizer.step()
        norms.append(p.detach().norm().item())
    return [round(norm, 2) for norm in norms]


@shows(
    "clip_grad_norm_ divides by the norm plus 1e-6: a gradient of norm 1 clipped to 1 becomes shorter.",
    "1e-6",
    "nn.utils.clip_grad_norm_",
)
def clip_adds_to_the_norm() -> Any:
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    p.grad = torch.ones_like(p)
    torch.nn.utils.clip_grad_norm_([p], 1.0)
    return "1e-6" if math.isclose(p.grad.item(), 1 / (1 + 1e-6), rel_tol=1e-12) else p.grad.item()


@shows("clip_grad_norm_ takes the norm of all gradients together.", [0.6, 0.8], "nn.utils.clip_grad_norm_")
def clip_takes_one_norm() -> Any:
    ps = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    for p, g in zip(ps, (3.0, 4.0), strict=True):
        p.grad = torch.full_like(p, g)
    torch.nn.utils.clip_grad_norm_(ps, 1.0)
    return [p.grad.item() for p in ps if p.grad is not None]


@shows(
    "ReduceLROnPlateau with threshold_mode rel and a negative metric takes a worse value for an improvement and "
    "replaces best by it: the rate never falls.",
    [-9.6, 1.0],
    "optim.lr_scheduler.ReduceLROnPlateau",
)
def plateau_of_a_negative_metric() -> Any:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.1)
    for metric in (-10.0, -9.9, -9.8, -9.7, -9.6):
        scheduler.step(metric)
    return [scheduler.best, optimizer.param_groups[0]["lr"]]


@shows(
    "ReduceLROnPlateau: NaN is never better, so it is a bad epoch.", [1, 1.0], "optim.lr_scheduler.ReduceLROnPlateau"
)
def plateau_of_nan() -> Any:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    scheduler.step(1.0)
    scheduler.step(math.nan)
    return [scheduler.num_bad_epochs, scheduler.best]


@shows(
    "AveragedModel(use_buffers=True) averages num_batches_tracked in float32 and cuts it to an integer: with an EMA of "
    "0.9 it stays at 1 for ten updates and is 2 at the eleventh.",
    [1, 1, 2],
    "optim.swa_utils.AveragedModel",
)
def averaged_counts() -> Any:
    norm = torch.nn.BatchNorm1d(2)
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    model = torch.optim.swa_utils.AveragedModel(norm, multi_avg_fn=average, use_buffers=True)
    found = []
    for _ in range(11):
        norm(torch.randn(4, 2))
        model.update_parameters(norm)
        found.append(int(model.module.state_dict()["num_batches_tracked"]))
    return [found[0], found[9], found[10]]


@shows(
    "AveragedModel(use_buffers=True) with get_swa_multi_avg_fn raises at the second update of a BatchNorm.",
    "RuntimeError",
    "optim.swa_utils.AveragedModel",
)
def swa_of_counts() -> Any:
    norm = torch.nn.BatchNorm1d(2)
    average = torch.optim.swa_utils.get_swa_multi_avg_fn()
    model = torch.optim.swa_utils.AveragedModel(norm, multi_avg_fn=average, use_buffers=True)
    norm(torch.randn(4, 2))
    model.update_parameters(norm)
    return raises(lambda: model.update_parameters(norm))


@shows(
    "float16 Adam with eps 1e-8, which float16 rounds to 0: a gradient of 0 gives NaN in the plain loop.",
    "nan",
    "optim.Adam",
)
def adam_in_float16() -> Any:
    p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float16))
    optimizer = torch.optim.Adam([p], foreach=False)
    p.grad = torch.zeros_like(p)
    optimizer.step()
    return str(p.item())
