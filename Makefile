# make demo · test · check C=nn.Linear · test-deep · lint · bench · versions: each sets up .venv by itself, from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
# One thread per process: the table and the tests run in as many processes as there are cores.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test check test-deep lint bench versions faults mutants exhaustive clean

demo: .venv/ready
	$(BIN)/nn-parity demo

test: .venv/ready
	$(BIN)/python -m pytest -n 2

# One component: its rows, then the other tests that name it.
check: .venv/ready
	@test -n '$(C)' || { echo 'make check C=nn.Linear: C names the component'; exit 2; }
	$(BIN)/nn-parity check '$(C)'
	$(BIN)/python -m pytest parity_tests/tests -p no:randomly -k '$(C) and not test_row'

test-deep: .venv/ready
	$(BIN)/python -m pytest -m "deep or not deep"

# Every elementwise function at all 2^32 float32 numbers: some ten minutes a function; stop it, start it again.
exhaustive: .venv/ready
	$(BIN)/python -m experiments.exhaustive

mutants: .venv/ready
	$(BIN)/python -m parity_tests.tests.mutants --json parity_tests/tests/mutants/results.json

bench: .venv/ready
	$(BIN)/nn-parity bench --json experiments/results --write experiments/results/SPEED.md --write README.md

faults: .venv/ready
	$(BIN)/python -m experiments.tests.faults --json experiments/results/faults.json

versions: .venv/ready
	$(BIN)/python -m experiments.versions

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache
