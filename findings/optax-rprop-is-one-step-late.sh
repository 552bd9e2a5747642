#!/usr/bin/env bash
# optax 0.2.8: rprop applies the step size of the call before, so its first update is 0.
# It returns -sign(g) times the step sizes that it was given and stores the new ones; the first stored ones are 0.
# Guessed before: a first step of the learning rate, as in torch and in the paper. Seen: 0, then the rate.
# Here: an entry of `nn-parity conventions`; a port of torch.optim.Rprop to optax differs from the first step on.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 jax==0.10.2 optax==0.2.8
"$dir/venv/bin/python" - <<'PY'
import jax.numpy as jnp
import optax

rule = optax.rprop(0.1)
state, updates = rule.init(jnp.zeros(())), []
for _ in range(4):
    update, state = rule.update(jnp.ones(()), state)
    updates.append(round(float(update), 6))
print(f"optax {optax.__version__}: the first updates for a gradient of 1 at a rate of 0.1: {updates}")
assert updates[0] == 0 and updates[1] != 0, "this has changed"
PY
