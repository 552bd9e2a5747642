"""Planted bugs in eval mode without gradients, averaged weights, nn.utils and data sets: their rows must catch them."""

import numpy as np
import pytest

import scratch
from parity_tests.checks import check
from parity_tests.rule import Ledger
from parity_tests.table import TABLE, select
from parity_tests.table.row import Averaging, Inference, Program

PATH = [row for row in TABLE if isinstance(row, Inference)]


def failing(rows):
    return [row for row in rows if not all(result.ok for result in check(row))]


def labels(rows):
    return {row.label for row in rows}


@pytest.mark.parametrize("enabled", [True, False])
def test_rows_of_both_paths_catch_the_other_path(monkeypatch, enabled):
    """Scratch takes one path whatever the option says: what does not show which path was taken passes still."""
    monkeypatch.setattr(scratch.nn.attention, "set_fastpath_enabled", lambda _: None)
    monkeypatch.setattr(scratch.nn.attention.fast_path, "_enabled", enabled)
    shown = labels(failing(row for row in PATH if row.name != "nn.Transformer"))
    assert all(label.endswith(", path off]") == enabled for label in shown)
    ending = ", path off]" if enabled else "]"
    assert {
        f"nn.MultiheadAttention[no gradients, padding, no weights{ending}",
        f"nn.MultiheadAttention[no gradients, a row fully masked, no weights{ending}",
        f"nn.TransformerEncoderLayer[no gradients, padding{ending}",
        f"nn.TransformerEncoderLayer[no gradients, a mask of floats{ending}",
        f"nn.TransformerEncoder[no gradients, padding{ending}",
    } <= shown


class KeepsPadded(scratch.nn.TransformerEncoder):
    """Padded positions are not 0."""

    def _kept(self, src, mask, padding):
        return None


class NormOfAnotherStack(scratch.nn.TransformerEncoderLayer):
    """Norm first where it was asked to be last, without gradients alone."""

    def forward(self, src, *masks, **options):
        self.norm_first ^= not scratch.is_grad_enabled()
        return super().forward(src, *masks, **options)


@pytest.mark.parametrize(("kind", "case"), [(KeepsPadded, "padding"), (NormOfAnotherStack, "no mask")])
def test_a_bug_without_gradients_is_caught(kind, case):
    (row,) = select(f"nn.{kind.__base__.__name__}[no gradients, {case}]")
    assert all(result.ok for result in check(row))
    assert not all(result.ok for result in check(row, component=kind))


def test_a_limit_that_everything_keeps_is_no_limit():
    """Torch's float32 has a NaN where its float64 has none: its error, and with it the limit, is infinite."""
    ledger = Ledger("row", "float32")
    one = np.ones(3, np.float32)
    ledger.record("output", one, np.full(3, np.nan, np.float32), one.astype(np.float64))
    (result,) = ledger.results()
    assert (result.error, result.ok) == (0, False)


# --- averages ---------------------------------------------------------------------------------------------------------


def rounds_integers(decay=0.999):
    return lambda averaged, current, _: (decay * averaged + (1 - decay) * current).round()


def accepts_integers():
    def update(averaged, current, n):
        for a, x in zip(averaged, current, strict=True):
            a[...] = a + (x - a) / (int(n) + 1)

    return update


@pytest.mark.parametrize(
    ("name", "bug", "case"),
    [
        ("get_ema_avg_fn", rounds_integers, "EMA, 40 updates, buffers too"),
        ("get_swa_multi_avg_fn", accepts_integers, "SWA of lists, 40 updates, buffers too"),
    ],
)
def test_an_averaging_bug_is_caught(monkeypatch, name, bug, case):
    (row,) = select(f"optim.swa_utils.AveragedModel[{case}]")
    monkeypatch.setattr(scratch.optim.swa_utils, name, bug)
    assert failing([row])


def test_every_averaging_function_has_rows_of_many_updates():
    functions = {name for name in vars(scratch.optim.swa_utils) if name.startswith("get_") and name.endswith("avg_fn")}
    for buffers in (True, False):
        rows = [row for row in TABLE if isinstance(row, Averaging) and row.updates > 30]
        tried = [row.kwargs for row in rows if row.kwargs["use_buffers"] == buffers]
        named = {value[0] for kwargs in tried for value in kwargs.values() if isinstance(value, tuple)}
        assert named == functions
        assert any(set(kwargs) == {"use_buffers"} for kwargs in tried), "the default"


# --- programs ---------------------------------------------------------------------------------------------------------


class Backwards(scratch.data.ConcatDataset):
    """The data sets in the wrong order."""

    def __init__(self, datasets):
        super().__init__(list(datasets)[::-1])


class ReadsAhead(scratch.data.SequentialSampler):
    """The right numbers, and one random number too many."""

    def __iter__(self):
        scratch.rand(1)
        return super().__iter__()


class Lists(scratch.data.StackDataset):
    """A list for a tuple."""

    def __getitem__(self, index):
        return list(super().__getitem__(index))


def forgets_the_last(vec, parameters):
    for parameter in list(parameters)[:-1]:
        parameter.data[...] = vec[: parameter.size].reshape(parameter.shape)
        vec = vec[parameter.size :]


def as_float64(parameters):
    return np.concatenate([parameter.data.ravel() for parameter in parameters], dtype=np.float64)


PROGRAM_BUGS = [
    (scratch.data, "ConcatDataset", Backwards, "data.ConcatDataset"),
    (scratch.data, "SequentialSampler", ReadsAhead, "data.SequentialSampler"),
    (scratch.data, "StackDataset", Lists, "data.StackDataset"),
    (scratch.nn.utils, "vector_to_parameters", forgets_the_last, "nn.utils.vector_to_parameters"),
    (scratch.nn.utils, "parameters_to_vector", as_float64, "nn.utils.parameters_to_vector"),
    (scratch.nn.utils, "skip_init", lambda kind, *a, **k: kind(*a, **k), "nn.utils.skip_init"),
]


@pytest.mark.parametrize(("package", "name", "bug", "label"), PROGRAM_BUGS, ids=[bug[1] for bug in PROGRAM_BUGS])
def test_a_bug_in_a_program_is_caught(monkeypatch, package, name, bug, label):
    (row,) = (row for row in TABLE if row.label == label)
    assert isinstance(row, Program)
    assert not failing([row])
    monkeypatch.setattr(package, name, bug)
    assert failing([row])
