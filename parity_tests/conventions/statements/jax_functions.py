"""JAX: gradients at kinks, defaults, casts and edges."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from parity_tests.conventions.statement import Late, Table, plain, which

TABLE = Table("JAX")
shows = TABLE.shows
jax, jnp, nn = Late("jax"), Late("jax.numpy"), Late("jax.nn")
BATCH_NORMS = "nn.BatchNorm?d"


def slope(function: Callable[[Any], Any], at: float) -> float:
    return float(jax.grad(function)(at))


@shows("The gradient of |x| at 0 is 1.", 1.0, "nn.L1Loss", causes=("kink: gradient 1 of |x|",))
def abs_at_0() -> Any:
    return slope(jnp.abs, 0.0)


@shows(
    "The gradient of relu at 0 is 0, of relu6 at 6 it is 0, of hard_tanh at 1 it is 1.",
    [0.0, 0.0, 1.0],
    "nn.ReLU nn.ReLU6 nn.Hardtanh",
)
def kinks_of_activations() -> Any:
    return [slope(nn.relu, 0.0), slope(nn.relu6, 6.0), slope(nn.hard_tanh, 1.0)]


@shows("The gradient of clip at its bounds is 1/2.", [0.5, 0.5], "nn.Hardtanh", causes=("kink: 1/2 at the bounds",))
def clip_at_its_bounds() -> Any:
    return [slope(lambda x: jnp.clip(x, -1.0, 1.0), end) for end in (-1.0, 1.0)]


@shows("maximum halves the gradient at a tie; max shares it.", [0.5, [0.5, 0.5]], "nn.MaxPool?d")
def ties() -> Any:
    return [slope(lambda x: jnp.maximum(x, 1.0), 1.0), plain(jax.grad(lambda x: x.max())(jnp.ones(2)))]


@shows(
    "The gradient of the norm at 0 is NaN, and that of the standard deviation of a constant.",
    [math.nan, math.nan],
    "nn.LayerNorm",
    causes=("kink: NaN of a norm at 0", "kink: NaN where all values are equal"),
)
def norm_at_0() -> Any:
    return [float(jax.grad(lambda x: jnp.linalg.norm(x))(jnp.zeros(2))[0]), float(jax.grad(jnp.std)(jnp.ones(2))[0])]


@shows("The gradient of hypot at (0, 0) is 1/2, that of atan2 NaN.", [0.5, math.nan],
           causes=("kink: gradient 1/2 of hypot", "kink: NaN of atan2"))  # fmt: skip
def hypot_at_0() -> Any:
    return [slope(lambda x: jnp.hypot(x, 0.0), 0.0), slope(lambda x: jnp.arctan2(x, 0.0), 0.0)]


@shows("gelu has the tanh form by default.", "tanh", "nn.GELU", causes=("gelu-tanh",))
def gelu_default() -> Any:
    return which(nn.gelu(1.0), erf=nn.gelu(1.0, approximate=False), tanh=nn.gelu(1.0, approximate=True))


@shows("leaky_relu's slope is 0.01.", -0.01, "nn.LeakyReLU")
def leaky_slope() -> Any:
    return float(nn.leaky_relu(-1.0))


@shows("hard_sigmoid is relu6(x + 3) / 6.", 2 / 3, "nn.Hardsigmoid")
def hard_sigmoid() -> Any:
    return float(nn.hard_sigmoid(1.0))


@shows(
    "exp and softmax give 0 on the CPU for a subnormal result, where torch and NumPy keep it.",
    [0.0, 0.0],
    "nn.Softmax nn.Sigmoid",
)
def subnormal_exp() -> Any:
    return [float(jnp.exp(jnp.float32(-90.0))), float(nn.softmax(jnp.array([0.0, -90.0]))[1])]


@shows("float32 is the default, for Python's floats and for float64 arrays.", ["float32", "float32"])
def default_dtype() -> Any:
    return [str(jnp.asarray(1.0).dtype), str(jnp.asarray(np.ones(1)).dtype)]


@shows("var is biased by default.", 2 / 3, f"nn.LayerNorm {BATCH_NORMS}")
def biased_variance() -> Any:
    return float(jnp.var(jnp.array([0.0, 1.0, 2.0])))


@shows("A cast to float8_e4m3fn, as ml_dtypes: 464 is 448, and from 465 on it is NaN.", [448.0, math.nan, math.nan])
def float8_beyond_its_range() -> Any:
    return [float(jnp.float32(x).astype(jnp.float8_e4m3fn).astype(jnp.float32)) for x in (464.0, 465.0, 1e6)]


@shows("A cast from float64 to float16 rounds twice, through float32: 1 + 2^-11 + 2^-25 becomes 1, as in torch.", 1.0)
def double_rounding() -> Any:
    with jax.enable_x64(True):
        return float(jnp.float64(1 + 2.0**-11 + 2.0**-25).astype(jnp.float16))


@shows(
    "dot_product_attention of a row that may attend to nothing: the mean of the values.",
    0.5,
    "nn.ScaledDotProductAttention nn.MultiheadAttention",
    causes=("masked-rows: the mean",),
)
def forbidden_row() -> Any:
    q, v = jnp.zeros((1, 1, 1, 1)), jnp.array([0.0, 1.0]).reshape(1, 2, 1, 1)
    return float(nn.dot_product_attention(q, jnp.zeros_like(v), v, mask=jnp.zeros((1, 1, 1, 2), bool)).squeeze())


@shows(
    "The weights of a Boolean mask: True attends.",
    1.0,
    "nn.ScaledDotProductAttention",
    causes=("mask-polarity: read as 'attend'",),
)
def meaning_of_a_mask() -> Any:
    q, v = jnp.zeros((1, 1, 1, 1)), jnp.array([0.0, 1.0]).reshape(1, 2, 1, 1)
    mask = jnp.array([False, True]).reshape(1, 1, 1, 2)
    return float(nn.dot_product_attention(q, jnp.zeros_like(v), v, mask=mask).squeeze())


@shows("An index out of range reads the last element, and no error is raised.", 2.0, "nn.Embedding")
def index_out_of_range() -> Any:
    return float(jnp.arange(3.0)[jnp.array(7)])


@shows("softplus has no threshold: softplus(25) - 25 is kept in float64.", True, "nn.Softplus")
def softplus_without_threshold() -> Any:
    with jax.enable_x64(True):
        return bool(nn.softplus(jnp.float64(25.0)) > 25.0)


@shows(
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
