"""Worked examples: both engines agree on every number, the programs beside them run and give the same, steps add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scratch
from experiments.lessons.example import Example, example, run
from experiments.lessons.small import names, small
from experiments.lessons.snippet import _variable, scratch_program, torch_program
from experiments.lessons.trace import NOTHING, decimal, spelled_sum
from experiments.lessons.update import SLOPES, START, update
from experiments.site.figures.first_row import quietly
from experiments.site.lesson import numbers
from parity_tests.table import TABLE
from parity_tests.table.row import Clipping, Initialiser, Optimizer, Scheduler

NAMES = list(names())
SHORT = 64  # numbers of an input or a parameter of an example


def found(name: str) -> Example:
    with quietly():
        one = example(name)
    assert one is not None
    return one


@pytest.mark.parametrize("name", NAMES)
def test_both_engines_agree_and_their_programs_run(name: str) -> None:
    one = found(name)
    assert set(one.scratch) == set(one.torch)
    assert one.forward
    assert all(array.size <= SHORT for array in [*one.inputs.values(), *one.parameters.values()])
    for program, numbers_of in ((scratch_program(one), one.scratch), (torch_program(one), one.torch)):
        space: dict[str, Any] = {}
        with quietly():
            exec(program, space)
        for what, expected in numbers_of.items():
            got = space[what] if what in space else space.get(_variable(what[1:]))
            if got is None:  # torch gives no gradient where the output has none
                assert not np.any(expected), what
                continue
            got = np.asarray(got.detach() if hasattr(got, "detach") else got)
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14, err_msg=what)
    for what, ours in one.scratch.items():
        np.testing.assert_allclose(ours, one.torch[what], rtol=1e-9, atol=1e-12, err_msg=what)


def test_nearly_every_layer_shows_the_steps_of_its_backward() -> None:
    without = [name for name in NAMES if not found(name).backward]
    assert without == []


def test_a_wrong_backward_is_seen() -> None:
    class Wrong(scratch.nn.LayerNorm):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            return super().backward(dy) * 1.01

    row = small("nn.LayerNorm")
    assert row is not None
    one = run(row, Wrong)
    assert one.largest > 1e-3
    assert found("nn.LayerNorm").largest < 1e-12


def test_the_steps_of_linear_are_the_code_with_its_numbers() -> None:
    one = found("nn.Linear")
    first = one.forward[0]
    x, weight = one.inputs["x"], one.parameters["weight"]
    assert first.code == "y = matmul(x, self.weight.data.T)"
    np.testing.assert_array_equal(first.values[0][1], x @ weight.T)
    assert first.cell == spelled_sum(x[0], weight[0])
    assert first.cell.endswith(f"= {decimal(x[0] @ weight[0])}")
    (of_weight,) = (step for step in one.backward if "accumulate_product" in step.code)
    np.testing.assert_allclose(of_weight.values[0][1], one.cotangents["dy"].T @ x)
    assert one.backward[-1].values[0][0] == "returned"


def test_every_statement_that_writes_numbers_is_shown_and_none_that_reserves_memory() -> None:
    gelu = found("nn.GELU")
    steps = {step.code: [name for name, _ in step.values] for step in gelu.forward + gelu.backward}
    assert steps["u, e = np.abs(x), np.empty_like(x) if slope is None else slope"] == ["u"]
    assert steps["tail(u, y, e)"] == ["y", "e"]
    assert next(iter(found("nn.Sigmoid").forward)).code == "y = np.negative(x, out=np.empty_like(x))"
    assert any(step.code.startswith("np.put(dx") for step in found("nn.CrossEntropyLoss").backward)
    for name in ("nn.GELU", "nn.LSTM", "nn.GRU", "nn.MultiheadAttention", "nn.MaxPool1d"):
        for step in found(name).forward + found(name).backward:
            assert "in_blocks" not in step.function
            for _, array in step.values:
                assert array.size
                assert not np.isin(array, list(NOTHING.values())).any(), (name, step.code)


def test_a_stack_of_products_spells_out_its_first_element() -> None:
    conv = found("nn.Conv2d")
    (product,) = (step for step in conv.forward if step.code.startswith("matmul(matrix, columns"))
    assert product.cell.endswith(f"= {decimal(product.values[0][1].flat[0])}")


def test_numbers_are_laid_out_in_rows_and_blocks() -> None:
    assert numbers(np.array([[1.0, -0.25], [10.0, 2.0]])) == " 1  −0.25\n10      2"
    assert numbers(np.zeros((2, 1, 2))) == "0  0\n\n0  0"
    assert numbers(np.float64(0.1)) == "0.1"
    assert numbers(np.ones(100)).endswith("…")
    assert spelled_sum(np.array([1.0, -2.0]), np.array([0.5, 3.0])) == "1 · 0.5 + (−2) · 3 = −5.5"


# --- optimizers, schedules, initialisers, clipping --------------------------------------------------------------------

UPDATES = {row.name: row for row in reversed(TABLE) if isinstance(row, Optimizer | Scheduler | Initialiser | Clipping)}


@pytest.mark.parametrize("name", UPDATES)
def test_both_engines_agree_on_every_update(name: str) -> None:
    with quietly():
        one = update(UPDATES[name])
    assert one is not None
    assert set(one.scratch) == set(one.torch)
    for what, ours in one.scratch.items():
        np.testing.assert_allclose(ours, one.torch[what], rtol=1e-9, atol=1e-12, err_msg=what)
    assert bool(one.steps) == isinstance(UPDATES[name], Optimizer)


def test_two_steps_of_sgd_can_be_done_by_hand() -> None:
    one = update(UPDATES["optim.SGD"])
    assert one is not None
    lr = UPDATES["optim.SGD"].kwargs.get("lr", 1e-3)
    first = START - lr * SLOPES * START
    np.testing.assert_allclose(one.scratch["θ after step 1"], first)
    clipped = update(UPDATES["nn.utils.clip_grad_norm_"])
    assert clipped is not None
    np.testing.assert_allclose(clipped.scratch["norm"], 13.0)
