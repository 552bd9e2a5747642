"""The table holds, row by row; and nothing is missing from it."""

import dataclasses
import importlib
import inspect
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
import torch

import parity_tests.table
import scratch
import torch_impl
from parity_tests.checks import check
from parity_tests.engine import find
from parity_tests.table import FAMILIES, TABLE, select
from parity_tests.table.left_out import LEFT_OUT
from parity_tests.table.row import Pair
from parity_tests.table.signatures import NO_FORWARD, difference, forward_difference
from parity_tests.table.versions import in_force

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.label)
def test_row(row, device):
    failures = [result for result in check(row, device=device) if not result.ok]
    assert not failures, "\n".join(
        f"{r.what} {r.dtype}: {r.error:.3g} ulp, limit {r.limit:.3g}. {r.note}" for r in failures
    )


def components(package, prefix):
    """Public classes and functions of a package of scratch, with their dotted names."""
    return [
        f"{prefix}.{name}"
        for name in package.__all__
        if inspect.isclass(getattr(package, name)) or inspect.isfunction(getattr(package, name))
    ]


def own_of(module, value):
    """Whether a public function or class is defined in this file."""
    return getattr(value, "__module__", "") == module.__name__ and not value.__name__.startswith("_")


INFRASTRUCTURE = {
    "nn.Module",
    "nn.Parameter",
    "nn.RNNBase",
    "nn.RNNCellBase",
    "optim.Optimizer",
    "optim.lr_scheduler.LRScheduler",
}
COMPONENTS = [
    name
    for package, prefix in (
        (scratch.nn, "nn"),
        (scratch.nn.init, "nn.init"),
        (scratch.optim, "optim"),
        (scratch.optim.lr_scheduler, "optim.lr_scheduler"),
    )
    for name in components(package, prefix)
    if name not in INFRASTRUCTURE
]
FUNCTIONS = [
    *components(scratch.nn.utils, "nn.utils"),
    *(
        f"nn.utils.rnn.{name}"
        for name, value in vars(scratch.nn.utils.rnn).items()
        if own_of(scratch.nn.utils.rnn, value)
    ),
    *(name for name in components(scratch.data, "data") if name not in ("data.Dataset", "data.Sampler")),
]


@pytest.mark.parametrize("name", COMPONENTS + FUNCTIONS)
def test_every_component_has_a_row(name):
    assert any(isinstance(row, Pair) and row.name == name for row in TABLE) or name in NO_ROW, (
        f"{name} has no row: add one to the file of its family in parity_tests/table, "
        f"such as Layer({name!r}, (5, 3), (normal(7, 5),)) for a layer"
    )


def room(name):
    """The room of scratch that a component is defined in: a folder or a file of scratch/nn, or of scratch/optim.

    Update rules have a file each; their room is "optim".
    """
    floor, *rooms = find(scratch, name).__module__.split(".")[1:]
    return rooms[0] if floor == "nn" or rooms[0] in FAMILIES else floor


def file_of(name):
    return find(scratch, name).__module__.replace(".", "/") + ".py"


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_stand_in_the_family_of_their_source(family):
    astray = {row.name: room(row.name) for row in FAMILIES[family] if room(row.name) != family}
    assert not astray, "\n".join(
        f"{name} is defined in {file_of(name)}, but its rows are in the family {family!r}: "
        f"move them to parity_tests/table/{other}.py"
        + ("" if other in FAMILIES else f', a new file, and add "{other}": {other}.ROWS to FAMILIES in its __init__.py')
        for name, other in astray.items()
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_the_rows_of_its_own_files(family):
    """loss.py, loss_labels.py and loss_margin.py are the family "loss"; no row is left out of FAMILIES or elsewhere."""
    files = [
        importlib.import_module(f"{parity_tests.table.__name__}.{module.name}")
        for module in pkgutil.iter_modules(parity_tests.table.__path__)
        if module.name == family or (module.name.startswith(f"{family}_") and module.name not in FAMILIES)
    ]
    assert files, f"the family {family!r} has no file parity_tests/table/{family}.py"
    rows = [row for file in files for row in getattr(file, "ROWS", [])]
    assert [row.label for row in FAMILIES[family]] == [row.label for row in rows], (
        f"FAMILIES[{family!r}] must hold the ROWS of {', '.join(file.__name__ for file in files)}"
    )


def has_twin(name):
    package, _, own = name.rpartition(".")
    return hasattr(find(torch_impl, package), own)


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_has_a_twin(name):
    package, _, own = name.rpartition(".")
    assert has_twin(name), (
        f"torch_impl has no {name}: import {own} from torch.{package} in torch_impl/{package.split('.')[0]}.py "
        "and list it where scratch lists its own"
    )


def defined():
    """Every public class of a component that a file of scratch defines, with that file."""
    bases = (scratch.nn.Module, scratch.optim.Optimizer, scratch.optim.lr_scheduler.LRScheduler)
    for package in (scratch.nn, scratch.optim):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            found = importlib.import_module(module.name)
            for name, value in vars(found).items():
                own = inspect.isclass(value) and value.__module__ == module.name and not name.startswith("_")
                if own and issubclass(value, bases):
                    yield value


ABSTRACT = {
    "Activation",
    "Elementwise",
    "LRScheduler",
    "LabelLoss",
    "Loss",
    "Module",
    "NormBase",
    "Optimizer",
}  # the common parts of families


@pytest.mark.parametrize("kind", list(defined()), ids=lambda kind: kind.__name__)
def test_every_component_is_exported(kind):
    name = kind.__name__
    public = {find(scratch, component) for component in (*COMPONENTS, *INFRASTRUCTURE, *AVERAGES)}
    package = ".".join(kind.__module__.split(".")[:2])
    assert kind in public or name in ABSTRACT, (
        f"{kind.__module__.replace('.', '/')}.py defines {name}, which {package} does not export: import it in "
        f"{package.replace('.', '/')}/__init__.py and in its family's, and list it in __all__; or begin its name with _"
    )


AVERAGES = ("optim.swa_utils.AveragedModel", "optim.swa_utils.SWALR")


NO_ROW = {
    "nn.ModuleDict": "has no forward; test_container.py compares it with torch's",
    "nn.ModuleList": "has no forward; test_module.py compares it with torch's",
    "nn.ParameterDict": "has no forward; test_container.py compares it with torch's",
    "nn.ParameterList": "has no forward; test_container.py compares it with torch's",
    "nn.init.calculate_gain": "a function of a name to a number; test_init.py compares all values",
}


@pytest.mark.parametrize("name", list(filter(has_twin, COMPONENTS)))
def test_signature_is_torchs(name):
    told = [change.what.removeprefix("argument ") for change in in_force() if change.component == name]
    assert difference(name, find(scratch, name), find(torch_impl, name), absent=told) == ""


HAVE_FORWARD = [
    name
    for name in COMPONENTS
    if has_twin(name) and inspect.isclass(find(scratch, name)) and hasattr(find(torch_impl, name), "forward")
]


@pytest.mark.parametrize("name", [name for name in HAVE_FORWARD if name.rpartition(".")[2] not in NO_FORWARD])
def test_forward_takes_torchs_names(name):
    assert forward_difference(find(scratch, name), find(torch_impl, name)) == ""


def test_inputs_go_by_torchs_names():
    x = np.ones((2, 3), np.float32)
    assert scratch.nn.Linear(3, 4)(input=x).shape == (2, 4)
    assert scratch.nn.Bilinear(3, 3, 4)(input1=x, input2=x).shape == (2, 4)
    assert scratch.nn.PoissonNLLLoss()(log_input=x, target=x) == scratch.nn.PoissonNLLLoss()(x, x)
    assert scratch.nn.LSTM(3, 4)(input=x)[0].shape == (2, 4)
    with pytest.raises(TypeError, match="inptu"):
        scratch.nn.Linear(3, 4)(inptu=x)


def test_both_tables_of_contents_list_the_same_names_in_the_same_order():
    assert scratch.nn.__all__ == torch_impl.nn.__all__
    assert scratch.optim.__all__ == torch_impl.optim.__all__
    assert scratch.data.__all__ == torch_impl.data.__all__


@pytest.mark.parametrize(
    ("package", "ours", "prefix"),
    [
        (torch.nn, scratch.nn, "nn"),
        (torch.optim, scratch.optim, "optim"),
        (torch.optim.lr_scheduler, scratch.optim.lr_scheduler, "optim.lr_scheduler"),
    ],
    ids=["nn", "optim", "lr_scheduler"],
)
def test_every_public_class_of_torch_is_here_or_left_out_with_a_reason(package, ours, prefix):
    public = {
        f"{prefix}.{name}"
        for name, value in vars(package).items()
        if inspect.isclass(value) and not name.startswith("_") and value.__module__.startswith(package.__name__)
    }
    here = {f"{prefix}.{name}" for name in ours.__all__}
    assert public - here == {name for name in LEFT_OUT if name.rpartition(".")[0] == prefix and name in public}
    assert not here & LEFT_OUT.keys()


def test_the_table_holds_for_a_torch_without_linear_cross_entropy():
    """Releases before 2.13 lack the class; the composition that stands in for it is judged by the same rows."""
    program = """
import torch
vars(torch.nn).pop("LinearCrossEntropyLoss", None)
import torch_impl
assert torch_impl.nn.LinearCrossEntropyLoss is torch_impl.nn.ComposedLinearCrossEntropyLoss
from parity_tests.checks import check
from parity_tests.table import select
rows = select("nn.LinearCrossEntropyLoss")
assert rows
failures = [result for row in rows for result in check(row) if not result.ok]
assert not failures, failures
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_full_name_selects_the_component_alone():
    assert {row.name for row in select("nn.Linear")} == {"nn.Linear"}
    assert {row.name for row in select("nn.Linear*")} == {"nn.Linear", "nn.LinearCrossEntropyLoss"}
    assert {"nn.Linear", "nn.LinearCrossEntropyLoss"} < {row.name for row in select("Linear")}
    assert select("nn.Linear[no bias]") == [row for row in TABLE if row.label == "nn.Linear[no bias]"]


def test_linear_cross_entropy_takes_and_ignores_options():
    assert scratch.nn.LinearCrossEntropyLoss(5, 3, options=object()).linear.weight.shape == (3, 5)


def test_labels_are_unique():
    labels = [row.label for row in TABLE]
    assert sorted(labels) == sorted(set(labels))


# Exceptions not needed on every machine or in every run: which fused kernel torch takes, and what it loses, depends on
# the vector instructions at hand; and uninitialized memory may by chance hold the right number.
SOMETIMES = ("fused kernel", "uninitialized")
NOTED = [
    (row, what)
    for row in TABLE
    if isinstance(row, Pair)
    for what, reason in row.notes.items()
    if not any(words in reason for words in SOMETIMES)
]


@pytest.mark.parametrize(("row", "what"), NOTED, ids=[f"{row.label}: {what}" for row, what in NOTED])
def test_every_exception_is_needed(row, what):
    """A check that a row leaves out must fail there: what agrees with torch may not hide behind a note."""
    notes = {key: reason for key, reason in row.notes.items() if key != what}
    assert not all(result.ok for result in check(dataclasses.replace(row, notes=notes)))
