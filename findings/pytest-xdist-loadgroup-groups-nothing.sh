#!/usr/bin/env bash
# pytest-xdist 3.8.0 under pytest 9.2.0: --dist loadgroup groups nothing and says nothing.
# xdist appends the group to item._nodeid, and pytest 9.2 no longer reads that: the scheduler sees no group, and tests
# that must share a process (a server, a file, a module's fixture) are spread over all workers.
# Guessed before: twelve tests of one xdist_group run in one worker, as documented. Seen: two workers.
# Here: the suite sends tests that share something to one worker by a scheduler of its own (experiments/tests/conftest.py).
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pytest==9.2.0 pytest-xdist==3.8.0
cd "$dir"
cat > test_group.py <<'PY'
import os
import time

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(12))
def test_of_one_group(number):
    with open("workers.txt", "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\n")
    time.sleep(0.05)
PY
venv/bin/python -m pytest -q -n 2 --dist loadgroup test_group.py > log.txt
workers=$(sort -u workers.txt | wc -l)
echo "$(venv/bin/pip list --disable-pip-version-check 2>/dev/null | grep -i pytest | tr -s ' ' | tr '\n' ';') workers that ran tests of the one group: $workers"
[ "$workers" -eq 2 ] || { echo "this has changed"; exit 1; }
