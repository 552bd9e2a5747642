"""The vector of a layer, an activation or a loss: draw 0 of its row, with the limits that `nn-parity check` uses."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch

from parity_tests.checks.layer import DTYPES, LayerCheck
from parity_tests.checks.sides import Numbers, TorchSide, cotangent, draw, generator
from parity_tests.nests import map_nest, numbered
from parity_tests.rule import DRAWS, FLOOR, Ledger
from parity_tests.table.row import Layer
from parity_tests.vectors.vector import PRECISIONS, Vector

SEED = 0


def layer_vector(row: Layer) -> Vector:
    vector = Vector(row.label, row.name, "layer")
    check = LayerCheck(row, DTYPES)
    check.share_parameters()
    _give(vector, check)
    first: dict[str, tuple[Numbers, Numbers]] = {}
    ledgers = {case: Ledger(row.label, "float32") for case in ("train", "eval")}
    random: dict[str, bool] = {}
    for number in range(DRAWS):
        for training in check.modes:
            case = "train" if training else "eval"
            rough, truth = (_run(check, dtype, number, training) for dtype in PRECISIONS)
            if number == 0:
                first[case] = rough, truth
                random[case] = _random_numbers_were_drawn()
            for what, value in rough.items():
                ledgers[case].record(what, value, value, value if row.noise_per_dtype else truth[what])
    if "eval" in first and not random["train"] and _same(first["train"][1], first["eval"][1]):
        del first["eval"]
    vector.facts["cases"] = {case: {"random": random[case], "seed": SEED} for case in first}
    for case, (rough, truth) in first.items():
        if case == "train":
            _give_cotangents(vector, row, rough)
        for what, value in rough.items():
            if row.noise_per_dtype:
                vector.expect_within(case, what, "float32", value, FLOOR)
                vector.expect_within(case, what, "float64", truth[what], FLOOR)
            else:
                dtypes = {"float32": value.dtype, "float64": truth[what].dtype}
                vector.expect(case, what, truth[what], ledgers[case].u[what], dtypes)
    return vector


def _give(vector: Vector, check: LayerCheck) -> None:
    """Options, inputs, parameters and buffers, before anything runs."""
    row, side = check.row, check.sides["float32"][1]
    args, kwargs = draw((row.args, row.kwargs), generator(row, 1), np.float32)
    inputs, call = check.sample(0, "float32")
    count = itertools.count()
    vector.facts |= {
        **vector.options(row.name, args, kwargs),
        "call": vector.encode(call, "call"),
        "inputs": _listed(map_nest(lambda x: vector.encode(x, numbered("input", next(count))), inputs)),
        "parameters": {
            name: vector.give(f"parameter {name}", value.detach().numpy())
            for name, value in side.module.named_parameters()
        },
        "buffers": {name: vector.give(f"buffer {name}", value.numpy()) for name, value in side.module.named_buffers()},
    }


def _give_cotangents(vector: Vector, row: Layer, numbers: Numbers) -> None:
    outputs = [value for what, value in numbers.items() if what.startswith("output")]
    vector.facts["cotangents"] = [
        vector.give(numbered("cotangent", i), cotangent(row, i, y.shape, np.float32)) if y.dtype.kind == "f" else None
        for i, y in enumerate(outputs)
    ]


def _run(check: LayerCheck, dtype: str, number: int, training: bool) -> Numbers:
    side: TorchSide = check.sides[dtype][1]
    return side.run(*check.sample(number, dtype), training, seed=number)


def _random_numbers_were_drawn() -> bool:
    """Whether the run that has just ended, from seed 0, moved torch's generator."""
    state = torch.get_rng_state()
    return not torch.equal(state, torch.manual_seed(SEED).get_state())


def _same(a: Numbers, b: Numbers) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == "f") for k in a)


def _listed(nest: Any) -> Any:
    """Tuples as lists, as JSON has them, all the way down."""
    return [_listed(part) for part in nest] if isinstance(nest, tuple | list) else nest
