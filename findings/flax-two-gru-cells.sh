#!/usr/bin/env bash
# Flax 0.12.8: the GRU cells of its two APIs are two functions. linen.GRUCell has a recurrent bias for n, inside the
# reset gate, as torch; nnx.GRUCell has none. Weights of a linen model, or of torch, do not fit the nnx cell.
# Guessed before: the same parameters under other names. Seen: hn has kernel and bias in linen, a kernel alone in nnx.
# Here: the ports of GRU cells to Flax; a port to nnx equals torch only where bias_hh of n is 0.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check flax==0.12.8 jax==0.10.2 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
from importlib.metadata import version

import jax
import jax.numpy as jnp
from flax import linen, nnx

x, h = jnp.ones((1, 3)), jnp.ones((1, 4))
of_linen = sum(leaf.size for leaf in jax.tree.leaves(linen.GRUCell(4).init(jax.random.key(0), h, x)))
of_nnx = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(nnx.GRUCell(3, 4, rngs=nnx.Rngs(0)), nnx.Param)))
weights = 3 * 4 * (3 + 4)
print(f"Flax {version('flax')}: biases of a GRU cell with 4 features: linen {of_linen - weights}, nnx {of_nnx - weights}")
assert (of_linen - weights, of_nnx - weights) == (16, 12), "this has changed"
PY
