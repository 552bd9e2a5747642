"""`nn-parity`, and `python -m experiments`, which is the same."""

from parity_tests.exits import one_line
from parity_tests.installed import refuse_hidden


def main() -> None:
    """The command line, or one line on what it lacks to begin."""
    with one_line():
        refuse_hidden()
        from experiments import cli

        cli.main()


if __name__ == "__main__":
    main()
