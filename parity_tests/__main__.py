"""`python -m parity_tests` is `nn-parity check` and its companions."""

from parity_tests.cli import app
from parity_tests.exits import run

if __name__ == "__main__":
    run(lambda: app(prog_name="python -m parity_tests"))
