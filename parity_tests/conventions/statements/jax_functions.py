"""JAX, Flax and optax: gradients at kinks, defaults, epsilons, and sums that cancel."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from parity_tests.conventions.statement import Late, Table, plain, which

JAX, FLAX, OPTAX = Table("JAX"), Table("Flax"), Table("optax")
jax, jnp, nn = Late("jax"), Late("jax.numpy"), Late("jax.nn")
nnx, linen = Late("flax.nnx"), Late("flax.linen")
optax = Late("optax")
BATCH_NORMS = "nn.BatchNorm?d"


def slope(function: Callable[[Any], Any], at: float) -> float:
    return float(jax.grad(function)(at))


# --- JAX --------------------------------------------------------------------------------------------------------------


@JAX.shows("The gradient of |x| at 0 is 1.", 1.0, "nn.L1Loss", causes=("kink: gradient 1 of |x|",))
def abs_at_0() -> Any:
    return slope(jnp.abs, 0.0)


@JAX.shows(
    "The gradient of relu at 0 is 0, of relu6 at 6 it is 0, of hard_tanh at 1 it is 1.",
    [0.0, 0.0, 1.0],
    "nn.ReLU nn.ReLU6 nn.Hardtanh",
)
def kinks_of_activations() -> Any:
    return [slope(nn.relu, 0.0), slope(nn.relu6, 6.0), slope(nn.hard_tanh, 1.0)]


@JAX.shows("The gradient of clip at its bounds is 1/2.", [0.5, 0.5], "nn.Hardtanh", causes=("kink: 1/2 at the bounds",))
def clip_at_its_bounds() -> Any:
    return [slope(lambda x: jnp.clip(x, -1.0, 1.0), end) for end in (-1.0, 1.0)]


@JAX.shows("maximum halves the gradient at a tie; max shares it.", [0.5, [0.5, 0.5]], "nn.MaxPool?d")
def ties() -> Any:
    return [slope(lambda x: jnp.maximum(x, 1.0), 1.0), plain(jax.grad(lambda x: x.max())(jnp.ones(2)))]


@JAX.shows(
    "The gradient of the norm at 0 is NaN, and that of the standard deviation of a constant.",
    [math.nan, math.nan],
    "nn.LayerNorm",
)
def norm_at_0() -> Any:
    return [float(jax.grad(lambda x: jnp.linalg.norm(x))(jnp.zeros(2))[0]), float(jax.grad(jnp.std)(jnp.ones(2))[0])]


@JAX.shows("The gradient of hypot at (0, 0) is 1/2, that of atan2 NaN.", [0.5, math.nan])
def hypot_at_0() -> Any:
    return [slope(lambda x: jnp.hypot(x, 0.0), 0.0), slope(lambda x: jnp.arctan2(x, 0.0), 0.0)]


@JAX.shows("gelu has the tanh form by default.", "tanh", "nn.GELU", causes=("gelu-tanh",))
def gelu_default() -> Any:
    return which(nn.gelu(1.0), erf=nn.gelu(1.0, approximate=False), tanh=nn.gelu(1.0, approximate=True))


@JAX.shows("leaky_relu's slope is 0.01.", -0.01, "nn.LeakyReLU")
def leaky_slope() -> Any:
    return float(nn.leaky_relu(-1.0))


@JAX.shows("hard_sigmoid is relu6(x + 3) / 6.", 2 / 3, "nn.Hardsigmoid")
def hard_sigmoid() -> Any:
    return float(nn.hard_sigmoid(1.0))


@JAX.shows("exp of a subnormal result is 0 on the CPU, where torch and NumPy keep it.", 0.0, "nn.Softmax nn.Sigmoid")
def subnormal_exp() -> Any:
    return float(jnp.exp(jnp.float32(-90.0)))


@JAX.shows("float32 is the default, for Python's floats and for float64 arrays.", ["float32", "float32"])
def default_dtype() -> Any:
    return [str(jnp.asarray(1.0).dtype), str(jnp.asarray(np.ones(1)).dtype)]


@JAX.shows("var is biased by default.", 2 / 3, f"nn.LayerNorm {BATCH_NORMS}")
def biased_variance() -> Any:
    return float(jnp.var(jnp.array([0.0, 1.0, 2.0])))


@JAX.shows("A cast of 1e6 to float8_e4m3fn is NaN.", True)
def float8_beyond_its_range() -> Any:
    return bool(jnp.isnan(jnp.float32(1e6).astype(jnp.float8_e4m3fn).astype(jnp.float32)))


@JAX.shows(
    "dot_product_attention of a row that may attend to nothing: the mean of the values.",
    0.5,
    "nn.ScaledDotProductAttention nn.MultiheadAttention",
)
def forbidden_row() -> Any:
    q, v = jnp.zeros((1, 1, 1, 1)), jnp.array([0.0, 1.0]).reshape(1, 2, 1, 1)
    return float(nn.dot_product_attention(q, jnp.zeros_like(v), v, mask=jnp.zeros((1, 1, 1, 2), bool)).squeeze())


@JAX.shows(
    "The weights of a Boolean mask: True attends.", 1.0, "nn.ScaledDotProductAttention", causes=("mask-polarity",)
)
def meaning_of_a_mask() -> Any:
    q, v = jnp.zeros((1, 1, 1, 1)), jnp.array([0.0, 1.0]).reshape(1, 2, 1, 1)
    mask = jnp.array([False, True]).reshape(1, 1, 1, 2)
    return float(nn.dot_product_attention(q, jnp.zeros_like(v), v, mask=mask).squeeze())


@JAX.shows("An index out of range reads the last element, and no error is raised.", 2.0, "nn.Embedding")
def index_out_of_range() -> Any:
    return float(jnp.arange(3.0)[jnp.array(7)])


@JAX.shows("softplus has no threshold: softplus(25) - 25 is kept in float64.", True, "nn.Softplus")
def softplus_without_threshold() -> Any:
    with jax.enable_x64(True):
        return bool(nn.softplus(jnp.float64(25.0)) > 25.0)


@JAX.shows(
    "jax.image's CUBIC_PYTORCH smooths when it shrinks, and then is not F.interpolate(mode='bicubic'), which smooths "
    "only with antialias=True. Whether it is torch's with antialias False and True.",
    [False, True],
    "nn.Upsample",
    causes=("antialias: CUBIC_PYTORCH",),
)
def cubic_of_pytorch() -> Any:
    import torch
    import torch.nn.functional as F

    x = np.arange(64, dtype=np.float32).reshape(8, 8) ** 2 % 7
    ours = np.asarray(jax.image.scale_and_translate(
        jnp.asarray(x), (4, 4), (0, 1), jnp.full(2, 0.5), jnp.zeros(2), jax.image.ResizeMethod.CUBIC_PYTORCH
    ))  # fmt: skip
    theirs = (
        F.interpolate(torch.tensor(x)[None, None], (4, 4), mode="bicubic", antialias=smooth)[0, 0].numpy()
        for smooth in (False, True)
    )
    return [bool(np.allclose(ours, one, atol=1e-4)) for one in theirs]


# --- Flax -------------------------------------------------------------------------------------------------------------


@FLAX.shows(
    "A Dense kernel is (in, out); it starts LeCun normal, truncated, with zero bias.",
    [[100, 50], 0.1, 0.0],
    "nn.Linear nn.init.trunc_normal_",
)
def initial_dense() -> Any:
    dense = nnx.Linear(100, 50, rngs=nnx.Rngs(0))
    kernel = np.asarray(dense.kernel[...])
    return [list(kernel.shape), round(float(kernel.std()), 2), float(np.abs(np.asarray(dense.bias[...])).max())]


@FLAX.shows("A Conv kernel is (height, width, in, out).", [3, 3, 4, 5], "nn.Conv?d")
def conv_kernel() -> Any:
    return list(nnx.Conv(4, 5, (3, 3), rngs=nnx.Rngs(0)).kernel[...].shape)


@FLAX.shows(
    "LayerNorm's and RMSNorm's epsilon is 1e-6, BatchNorm's 1e-5 with momentum 0.99 on the old value.",
    [1e-6, 1e-6, 1e-5, 0.99],
    f"nn.LayerNorm nn.RMSNorm {BATCH_NORMS}",
    causes=("eps-value: eps=1e-06",),
)
def epsilons() -> Any:
    rngs = nnx.Rngs(0)
    batch = nnx.BatchNorm(2, rngs=rngs)
    return [nnx.LayerNorm(2, rngs=rngs).epsilon, nnx.RMSNorm(2, rngs=rngs).epsilon, batch.epsilon, batch.momentum]


@FLAX.shows("BatchNorm's running variance is the biased one.", "biased", BATCH_NORMS, causes=("running-var-biased",))
def running_variance() -> Any:
    norm, x = nnx.BatchNorm(1, momentum=0.0, rngs=nnx.Rngs(0)), np.array([[0.0], [1.0], [5.0]], np.float32)
    norm(jnp.asarray(x), use_running_average=False)
    return which(norm.var[...], biased=[x.var()], unbiased=[x.var(ddof=1)])


@FLAX.shows(
    "LayerNorm computes the variance as E[x²] - E[x]² in float32: at mean 10^4 an output is wrong by a factor.",
    True,
    "nn.LayerNorm",
    causes=("variance-cancelled",),
)
def cancelled_variance() -> Any:
    x = (np.random.RandomState(0).standard_normal((16, 8)) + 1e4).astype(np.float32)
    y = np.asarray(nnx.LayerNorm(8, rngs=nnx.Rngs(0))(jnp.asarray(x)), np.float64)
    wide = x.astype(np.float64)
    true = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-6)
    return bool(np.abs(y - true).max() > 0.5)


@FLAX.shows("LayerNorm(use_fast_variance=False) takes two passes, and keeps its digits.", True, "nn.LayerNorm")
def two_passes() -> Any:
    x = (np.random.RandomState(0).standard_normal((16, 8)) + 1e4).astype(np.float32)
    y = np.asarray(nnx.LayerNorm(8, use_fast_variance=False, rngs=nnx.Rngs(0))(jnp.asarray(x)), np.float64)
    wide = x.astype(np.float64)
    true = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-6)
    return bool(np.abs(y - true).max() < 0.01)


# --- optax ------------------------------------------------------------------------------------------------------------


def steps(transformation: Any, gradients: list[float], start: float = 0.0) -> list[float]:
    p = jnp.asarray(start)
    state, found = transformation.init(p), []
    for g in gradients:
        update, state = transformation.update(jnp.asarray(g), state, p)
        p = optax.apply_updates(p, update)
        found.append(float(p))
    return found


@OPTAX.shows(
    "Adam's eps is outside the corrected root, as in torch; eps_root is inside.", ["outside", 1e-8], "optim.Adam"
)
def adam_epsilon() -> Any:
    (p,) = steps(optax.adam(1.0, eps=1e-4), [1e-4])
    g, root = 1e-4, math.sqrt(1 - 0.999)
    default = inspect.signature(optax.adam).parameters["eps"].default
    return [which(p, 1e-4, outside=-g / (g + 1e-4), hat=-g / (g + 1e-4 / root)), default]


@OPTAX.shows(
    "Adam computes 1 - β2^t in float32: 6.7e-6 from the exact step at step 1.",
    6.7e-6,
    "optim.Adam",
    causes=("float32-correction",),
)
def float32_correction() -> Any:
    (p,) = steps(optax.adam(1.0, eps=0.0), [1.0])
    return float(f"{abs(abs(p) - 1):.1e}")


@OPTAX.shows(
    "AdamW's weight_decay is 1e-4, multiplied by the rate.",
    [1e-4, "times lr"],
    "optim.AdamW",
    causes=("decay-extra: weight_decay=0.0001",),
)
def adamw_decay() -> Any:
    (p,) = steps(optax.adamw(0.1, weight_decay=0.5), [0.0], start=1.0)
    return [
        inspect.signature(optax.adamw).parameters["weight_decay"].default,
        which(p, **{"times lr": 0.95, "plain": 0.5}),
    ]


@OPTAX.shows("sgd with momentum keeps lr outside the trace.", "outside", "optim.SGD")
def lr_outside_the_trace() -> Any:
    rates = iter([1.0, 0.1])
    trace = optax.trace(0.9)
    p, state = 0.0, trace.init(jnp.zeros(()))
    for rate in rates:
        update, state = trace.update(jnp.ones(()), state)
        p -= rate * float(update)
    _, second = steps(optax.sgd(optax.piecewise_constant_schedule(1.0, {1: 0.1}), momentum=0.9), [1.0, 1.0])
    return which(second, 1e-4, outside=p, inside=-2.0)


@OPTAX.shows(
    "rmsprop: decay 0.9, eps inside the root, and the mean starts at 0.",
    [0.9, "inside"],
    "optim.RMSprop",
    causes=("eps-inside", "alpha: alpha=0.9"),
)
def rmsprop_epsilon() -> Any:
    (p,) = steps(optax.rmsprop(1.0, eps=0.1), [1.0])
    default = inspect.signature(optax.rmsprop).parameters["decay"].default
    return [default, which(p, 1e-4, outside=-1 / (math.sqrt(0.1) + 0.1), inside=-1 / math.sqrt(0.1 + 0.1))]


@OPTAX.shows(
    "adagrad: the accumulator starts at 0.1 and eps is inside the root.",
    ["inside", 0.1],
    "optim.Adagrad",
    causes=("accumulator-start: 0.1",),
)
def adagrad_start() -> Any:
    (p,) = steps(optax.adagrad(1.0, eps=0.5), [1.0])
    given = inspect.signature(optax.adagrad).parameters["initial_accumulator_value"].default
    return [which(p, 1e-4, outside=-1 / (math.sqrt(1.1) + 0.5), inside=-1 / math.sqrt(1.6)), given]


@OPTAX.shows(
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


@OPTAX.shows(
    "rprop hands out the step of the call before: the first is 0.", [0.0, True], "optim.Rprop", causes=("late-step",)
)
def rprop_is_late() -> Any:
    first, second = steps(optax.rprop(0.1), [1.0, 1.0])
    return [first, second < 0]


@OPTAX.shows(
    "A label of -1 takes the last class in softmax_cross_entropy_with_integer_labels.", True, "nn.CrossEntropyLoss"
)
def negative_label() -> Any:
    x = jnp.array([[1.0, 2.0, 0.5]])
    return bool(
        optax.softmax_cross_entropy_with_integer_labels(x, jnp.array([-1]))[0]
        == optax.softmax_cross_entropy_with_integer_labels(x, jnp.array([2]))[0]
    )


@OPTAX.shows(
    "ctc_loss of an impossible alignment is finite, about 1e5, where torch's is infinite.",
    True,
    "nn.CTCLoss",
    causes=("ctc-impossible: optax",),
)
def impossible_alignment() -> Any:
    loss = optax.ctc_loss(jnp.zeros((1, 1, 3)), jnp.zeros((1, 1)), jnp.array([[1, 2]]), jnp.zeros((1, 2)))
    return bool(1e4 < float(loss[0]) < 1e6)


@OPTAX.shows("clip_by_global_norm divides by the norm, without 1e-6.", 1.0, "nn.utils.clip_grad_norm_")
def clip_adds_nothing() -> Any:
    clip = optax.clip_by_global_norm(1.0)
    update, _ = clip.update({"a": jnp.array(3.0), "b": jnp.array(4.0)}, clip.init(None))
    return float(jnp.hypot(update["a"], update["b"]))


@OPTAX.shows("l2_loss has a factor 1/2.", 2.0, "nn.MSELoss")
def half_the_squares() -> Any:
    return float(optax.l2_loss(jnp.array(2.0), jnp.array(0.0)))
