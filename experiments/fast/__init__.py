"""MNIST as fast as possible: see torch_run.py, recipe.py and `python -m experiments.fast --help`."""
