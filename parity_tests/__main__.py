"""`python -m parity_tests` is `nn-parity check` and its companions."""

from parity_tests.exits import run
from parity_tests.installed import refuse_hidden


def command() -> None:
    refuse_hidden()
    from parity_tests.cli import app

    app(prog_name="python -m parity_tests")


if __name__ == "__main__":
    run(command)
