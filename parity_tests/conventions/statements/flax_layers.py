"""Flax and Equinox: initial values, epsilons, sums that cancel, rows of a mask that allow nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity_tests.conventions.statement import Late, Table, which

FLAX, EQUINOX = Table("Flax"), Table("Equinox")
jax, jnp = Late("jax"), Late("jax.numpy")
nnx, equinox = Late("flax.nnx"), Late("equinox")
BATCH_NORMS = "nn.BatchNorm?d"


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


@FLAX.shows(
    "BatchNorm computes the variance as E[x²] - E[x]² in float32: at mean 10^4 an output is in the hundreds.",
    True,
    BATCH_NORMS,
    causes=("variance-cancelled",),
)
def cancelled_variance_of_a_batch() -> Any:
    x = (np.random.RandomState(0).standard_normal((64, 4)) + 1e4).astype(np.float32)
    y = nnx.BatchNorm(4, rngs=nnx.Rngs(0))(jnp.asarray(x), use_running_average=False)
    return bool(np.abs(np.asarray(y)).max() > 100)


@FLAX.shows(
    "dot_product_attention of a row that may attend to nothing: the mean of the values.",
    0.5,
    "nn.ScaledDotProductAttention nn.MultiheadAttention",
    causes=("masked-rows: the mean",),
)
def flax_forbidden_row() -> Any:
    q, v = jnp.zeros((1, 1, 1, 1)), jnp.array([0.0, 1.0]).reshape(1, 2, 1, 1)
    return float(nnx.dot_product_attention(q, jnp.zeros_like(v), v, mask=jnp.zeros((1, 1, 1, 2), bool)).squeeze())


# --- Equinox ---------------------------------------------------------------------------------------------------------


@EQUINOX.shows(
    "MultiheadAttention of a row that may attend to nothing: the mean of the values.",
    0.5,
    "nn.MultiheadAttention",
    causes=("masked-rows: the mean",),
)
def equinox_forbidden_row() -> Any:
    layer = equinox.nn.MultiheadAttention(1, 1, key=jax.random.key(0))
    ones = jax.tree.map(lambda w: jnp.ones_like(w) if equinox.is_array(w) else w, layer)
    return float(
        ones(jnp.zeros((1, 1)), jnp.zeros((2, 1)), jnp.array([[0.0], [1.0]]), mask=jnp.zeros((1, 2), bool))[0, 0]
    )
