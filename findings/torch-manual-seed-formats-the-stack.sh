#!/usr/bin/env bash
# torch 2.13.0 (without a GPU): torch.manual_seed takes longer the deeper the call stack is, and remembers every call.
# For each kind of device that is absent (cuda, xpu, mtia) it formats the whole Python stack as text and appends it to a
# list, for the message of an error that may come later. torch.default_generator.manual_seed seeds the same numbers.
# Guessed before: no frame at any depth. Seen: 321 frames at depth 100, 107 for each of the three kinds; 3 ms a call.
# Here: the table's checks seed thousands of times; they use the generator's own method, a fifth of the time was this.
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$dir/venv/bin/python" - <<'PY'
import traceback

import torch

formatted = []
original = traceback.StackSummary.extract.__func__


def counted(cls, frames, **options):
    summary = original(cls, frames, **options)
    formatted.append(len(summary))
    return summary


traceback.StackSummary.extract = classmethod(counted)


def at_depth(n):
    return at_depth(n - 1) if n else torch.manual_seed(0)


def frames(n):
    formatted.clear()
    at_depth(n)
    return sum(formatted)


same = torch.rand(3, generator=torch.manual_seed(0)).equal(torch.rand(3, generator=torch.default_generator.manual_seed(0)))
shallow, deep, kept = frames(0), frames(100), len(torch.cuda._queued_calls)
formatted.clear()
torch.default_generator.manual_seed(0)
own = sum(formatted)
print(f"torch {torch.__version__}, cuda {torch.cuda.is_available()}: frames formatted by one call {shallow}, at depth 100 {deep}, "
      f"by the generator's own method {own}; calls kept for cuda {kept}; equal numbers {same}")
assert same and own == 0 and deep >= shallow + 100, "this has changed"
PY
