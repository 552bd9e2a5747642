"""`python -m parity_tests` is `nn-parity check` and its companions."""

from parity_tests.cli import app

if __name__ == "__main__":
    app(prog_name="python -m parity_tests")
