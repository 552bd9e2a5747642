"""`python -m experiments` is `nn-parity`."""

from experiments.cli import main

if __name__ == "__main__":
    main()
