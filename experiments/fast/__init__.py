"""MNIST as fast as it goes: see run.py for how, recipe.py for what, and `python -m experiments.fast --help`."""
