"""help() answers: every argument is named, nothing refers to private names, examples give what they print."""

import doctest
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import scratch
from scratch import data, nn, optim
from scratch.optim import lr_scheduler, swa_utils

ROOMS = {"nn": nn, "optim": optim, "optim.lr_scheduler": lr_scheduler, "optim.swa_utils": swa_utils, "data": data}
WITH_EXAMPLES = [
    "Linear",
    "Conv2d",
    "ReLU",
    "Softmax",
    "Dropout",
    "LayerNorm",
    "BatchNorm1d",
    "Embedding",
    "MSELoss",
    "CrossEntropyLoss",
    "MaxPool2d",
]
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def public(names_of: Any) -> Iterator[str]:
    """Names of a package that are its own, not another package's, and not modules."""
    for name, thing in vars(names_of).items():
        if not name.startswith("_") and getattr(thing, "__module__", "").startswith("scratch"):
            yield name


CLASSES = {
    f"{room}.{name}": getattr(package, name)
    for room, package in ROOMS.items()
    for name in public(package)
    if inspect.isclass(getattr(package, name))
}
FUNCTIONS = {
    f"{room}.{name}": getattr(package, name)
    for room, package in {**ROOMS, "nn.init": nn.init, "nn.utils": nn.utils, "random": scratch.random}.items()
    for name in public(package)
    if inspect.isfunction(getattr(package, name))
}


def arguments(kind: type) -> list[str]:
    if kind.__init__ is object.__init__:  # type: ignore[misc]
        return []
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]  # type: ignore[misc]
    return [p.name for p in parameters if p.kind not in VARIADIC]


@pytest.mark.parametrize("name", CLASSES)
def test_every_argument_of_a_constructor_is_named(name: str) -> None:
    text = CLASSES[name].__dict__.get("__doc__") or ""
    missing = [a for a in arguments(CLASSES[name]) if not re.search(rf"(?<!\w){re.escape(a)}(?!\w)", text)]
    assert not missing, f"{name}: the docstring's Options do not name {', '.join(missing)}"


def private_names() -> set[str]:
    """What scratch's modules and classes keep to themselves."""
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "scratch"]
    classes = [thing for module in modules for thing in vars(module).values() if inspect.isclass(thing)]
    names = {name for thing in [*modules, *classes] for name in vars(thing)}
    return {name for name in names if re.fullmatch(r"_[A-Za-z]\w*", name)}


@pytest.mark.parametrize("name", {**CLASSES, **FUNCTIONS})
def test_no_docstring_refers_to_something_private(name: str) -> None:
    thing = {**CLASSES, **FUNCTIONS}[name]
    text = thing.__doc__ or ""
    assert text, f"{name} has no docstring"
    own = set(arguments(thing)) if inspect.isclass(thing) else set()
    found = set(re.findall(r"(?<![\w>])_[A-Za-z]\w*", text)) & private_names() - own
    assert not found, f"{name} refers to {', '.join(sorted(found))}, which nobody can look up"


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_the_commonest_components_give_what_they_print(name: str) -> None:
    kind = getattr(nn, name)
    examples = doctest.DocTestFinder(recurse=False).find(kind, name, globs={"np": np, **vars(nn)})
    assert [test for test in examples if test.examples], f"nn.{name} has no example"
    for test in examples:
        said: list[str] = []
        assert not doctest.DocTestRunner(verbose=False).run(test, out=said.append).failed, "".join(said)
