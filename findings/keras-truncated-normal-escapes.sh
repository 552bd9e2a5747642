#!/usr/bin/env bash
# keras 3.15.1 on torch: TruncatedNormal gives numbers beyond two deviations, one in some 230,000.
# It draws four normal numbers for each that is wanted and takes the first within two deviations; if none of the four is,
# with probability 0.0455^4, it takes the first of them as it is. HeNormal and GlorotNormal draw by it too.
# Guessed before: every number lies within two deviations, as documented.
# Seen: 2.68 among 160,000 numbers.
# Here: an entry of `nn-parity conventions`; a bound of 2 must not be asserted of Keras.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 keras==3.15.1
KERAS_BACKEND=torch "$dir/venv/bin/python" - <<'PY'
import keras
import numpy as np

x = keras.initializers.TruncatedNormal(stddev=1.0, seed=0)((400, 400)).detach().cpu().numpy()
largest, beyond = float(np.abs(x).max()), int((np.abs(x) > 2).sum())
print(f"keras {keras.__version__} on {keras.backend.backend()}: largest of {x.size} numbers {largest:.4f}, {beyond} beyond 2")
assert largest > 2, "this has changed"
PY
