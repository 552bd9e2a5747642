"""The cases of the benchmark, one module per group. Each has `cases(quick)` and `prepare(engine, **setting)`."""

from importlib import import_module

from experiments.bench.case import Case

GROUPS = {
    "mlp": "an epoch of MNIST by an MLP",
    "components": "forward and backward of every component of the parity table",
    "layers": "layers at the sizes of real networks",
    "optimizers": "one step of every rule",
    "cnn": "an epoch of MNIST by a CNN, and what it costs as it grows",
    "scaling": "a step on one thread and on two, and what more cores would give",
    "profile": "the time of a training step by layer",
    "memory": "peak memory of training",
    "streams": "random streams and initial weights",
    "start": "import and start",
    "sklearn": "side by side with scikit-learn",
    "fast": "the fast recipe in each of its loops",
}


def all_cases(quick: bool = False) -> list[Case]:
    return [case for group in GROUPS for case in import_module(f"{__name__}.{group}").cases(quick)]


def select(pattern: str, quick: bool = False) -> list[Case]:
    """The cases whose "group/name" contains the pattern."""
    return [case for case in all_cases(quick) if pattern in case.label]
