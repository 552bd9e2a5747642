# make demo · make test · make test-deep · make lint · make bench · make versions: each sets up .venv by itself, from the versions in constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
# One thread a process: the table and the tests run in as many processes as there are cores.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test test-deep lint bench versions clean

demo: .venv/ready
	$(BIN)/nn-parity demo

test: .venv/ready
	$(BIN)/python -m pytest -n 2

test-deep: .venv/ready
	$(BIN)/python -m pytest -m "deep or not deep"

bench: .venv/ready
	$(BIN)/nn-parity bench --json experiments/results --write README.md

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
