"""Of torch.nn.utils, torch.utils.data and torch's random functions nothing is missing by accident."""

import inspect
import re

import pytest
import torch
import torch.nn.utils.prune
import torch.utils.data
from torch.nn import utils

import scratch
from parity_tests.table.left_out import LEFT_OUT
from parity_tests.table.signatures import difference

RANDOM = re.compile("rand|(?<!de)normal$|poisson|binom|bernoulli|multinomial|seed|rng")


def written(module):
    """The public functions and classes that a module of torch defines or gathers."""
    names = getattr(module, "__all__", None) or vars(module)
    return {
        name
        for name in names
        if not name.startswith("_") and (inspect.isfunction(vars(module)[name]) or inspect.isclass(vars(module)[name]))
    }


def drawing():
    """What torch's own lists call random sampling, and whatever else takes a generator; methods end in _."""
    functions = {
        name
        for name in dir(torch)
        if not name.startswith("_")
        and callable(getattr(torch, name))
        and (RANDOM.search(name) or "generator" in str(getattr(torch, name).__doc__ or ""))
    }
    methods = {
        name
        for name in dir(torch.Tensor)
        if name.endswith("_") and not name.startswith("_") and "generator" in str(getattr(torch.Tensor, name).__doc__)
    }
    return functions | methods | written(torch.random) | {"Generator"}


def own(module):
    """What a module of its own name gives, without what it imports for itself."""
    return {name for name in written(module) if getattr(module, name).__module__ == module.__name__}


PACKAGES = {
    "nn.utils": (written(utils), scratch.nn.utils),
    "nn.utils.rnn": (own(utils.rnn), scratch.nn.utils.rnn),
    "nn.utils.parametrizations": (written(utils.parametrizations), None),
    "nn.utils.parametrize": (own(utils.parametrize), None),
    "nn.utils.prune": (own(utils.prune), None),
    "nn.utils.stateless": (written(utils.stateless), None),
    "data": (written(torch.utils.data), scratch.data),
    "random": (drawing(), scratch.random),
}


@pytest.mark.parametrize("prefix", PACKAGES)
def test_what_torch_has_is_here_or_left_out_with_a_reason(prefix):
    theirs, ours = PACKAGES[prefix]
    assert theirs
    missing = {f"{prefix}.{name}" for name in theirs if not hasattr(ours, name)}
    listed = {name for name in LEFT_OUT if name.rpartition(".")[0] == prefix}
    assert missing == {name for name in listed if name.rpartition(".")[2] in theirs}
    assert not [name for name in listed if ours is not None and hasattr(ours, name.rpartition(".")[2])]
    assert not missing or all(len(LEFT_OUT[name]) > 10 for name in missing)


@pytest.mark.parametrize("name", sorted(set(scratch.nn.utils.__all__) - {"rnn"}))
def test_signatures_are_torchs(name):
    assert difference(f"nn.utils.{name}", getattr(scratch.nn.utils, name), getattr(utils, name)) == ""
