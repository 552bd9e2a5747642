"""Rows: padding."""

from parity_tests.table.recipe import normal
from parity_tests.table.row import Layer, Refusal, Row

WIDTHS = {1: (2, 1), 2: (2, 1, 3, 0), 3: (2, 1, 0, 2, 1, 1)}
CUTTING = {1: (2, -1), 2: (-1, 2, 3, -2), 3: (-1, 2, 0, -2, 1, -1)}
INPUTS = {1: normal(3, 2, 5), 2: normal(3, 2, 5, 7), 3: normal(2, 3, 5, 7, 4)}


def rows(name: str, *value: float) -> list[Row]:
    """The rows that all modes share."""
    return [
        row
        for axes, x in INPUTS.items()
        for row in (
            Layer(f"nn.{name}{axes}d", (2, *value), (x,)),
            Layer(f"nn.{name}{axes}d", (WIDTHS[axes], *value), (x,), "unequal sides"),
            Layer(f"nn.{name}{axes}d", (CUTTING[axes], *value), (x,), "negative"),
            Layer(f"nn.{name}{axes}d", (0, *value), (x,), "none"),
            Refusal(f"nn.{name}{axes}d", (-5, *value), (x,), "cutting too much"),
            Refusal(f"nn.{name}{axes}d", (1.5, *value), (x,), "a fraction"),
            Refusal(f"nn.{name}{axes}d", ((1, 1, 1), *value), (x,), "an odd number of widths"),
        )
    ]


def of_elements(name: str) -> list[Row]:
    """The rows that the modes share that pad with elements of the input."""
    return [
        Layer(f"nn.{name}1d", ((1, 2, 1, 0),), (normal(3, 2, 5),), "two axes"),
        Refusal(f"nn.{name}1d", (1,), (normal(5),), "one dimension"),
        Refusal(f"nn.{name}1d", (1,), (normal(5, 2, 3, 2),), "four dimensions"),
        Refusal(f"nn.{name}2d", (1,), (normal(5, 2),), "two dimensions"),
        Refusal(f"nn.{name}2d", (1,), (normal(1, 5, 2, 3, 2),), "five dimensions"),
        Refusal(f"nn.{name}2d", ((1, 1),), (normal(3, 2, 5, 7),), "two widths"),
        Refusal(f"nn.{name}3d", (1,), (normal(5, 2, 3),), "three dimensions"),
        Refusal(f"nn.{name}1d", (1,), (normal(3, 2, 0),), "an empty axis"),
    ]


def left_empty(name: str) -> list[Row]:
    return [
        Refusal(f"nn.{name}2d", ((-3, -4, 1, 1),), (normal(3, 2, 5, 7),), "one axis left empty"),
        Refusal(f"nn.{name}3d", ((-3, -1, 1, 1, 0, 0),), (normal(2, 3, 5, 7, 4),), "one axis left empty"),
    ]


ROWS: list[Row] = [
    *rows("CircularPad"),
    *of_elements("CircularPad"),
    Layer("nn.CircularPad1d", (5,), (normal(3, 2, 5),), "once around"),
    Layer("nn.CircularPad1d", (1,), (normal(3, 0, 5),), "no channels"),
    Layer("nn.CircularPad1d", ((-3, -2),), (normal(3, 2, 5),), "nothing left"),
    Layer("nn.CircularPad2d", ((-3, -4, 1, 1),), (normal(3, 2, 5, 7),), "one axis left empty"),
    Refusal("nn.CircularPad1d", (6,), (normal(3, 2, 5),), "more than once around"),
    *rows("ConstantPad", 3.5),
    Layer("nn.ConstantPad1d", (2, float("nan")), (normal(3, 2, 5),), "NaN", smooth=False),
    Layer("nn.ConstantPad1d", (2, 3.5), (normal(5),), "one dimension"),
    Layer("nn.ConstantPad1d", ((-2, -3), 3.5), (normal(3, 2, 5),), "nothing left"),
    Layer("nn.ConstantPad2d", (2, -1.0), (normal(2, 3, 2, 5, 7),), "five dimensions"),
    Layer("nn.ConstantPad2d", ((2, 1), 3.5), (normal(3, 2, 5, 7),), "one axis"),
    Refusal("nn.ConstantPad1d", (1, 3.5), (normal(),), "a scalar"),
    Refusal("nn.ConstantPad1d", ((-6, 8), 3.5), (normal(3, 2, 5),), "cutting more than there is"),
    *rows("ReflectionPad"),
    *of_elements("ReflectionPad"),
    Layer("nn.ReflectionPad1d", (4,), (normal(3, 2, 5),), "as far as it goes"),
    Layer("nn.ReflectionPad1d", ((4, -6),), (normal(3, 2, 5),), "reflecting what is cut"),
    *left_empty("ReflectionPad"),
    Refusal("nn.ReflectionPad1d", (5,), (normal(3, 2, 5),), "too far"),
    Refusal("nn.ReflectionPad1d", (1,), (normal(3, 0, 5),), "no channels"),
    Refusal("nn.ReflectionPad1d", ((-3, -2),), (normal(3, 2, 5),), "nothing left"),
    Refusal("nn.ReflectionPad2d", (1,), (normal(3, 2, 1, 7),), "nothing to reflect"),
    *rows("ReplicationPad"),
    *of_elements("ReplicationPad"),
    Layer("nn.ReplicationPad1d", (11,), (normal(3, 2, 5),), "wide"),
    Layer("nn.ReplicationPad1d", ((8, -6),), (normal(3, 2, 5),), "replicating what is cut"),
    Layer("nn.ReplicationPad1d", ((-7, 4),), (normal(3, 2, 5),), "cutting more than there is"),
    Refusal("nn.ReplicationPad1d", (1,), (normal(3, 0, 5),), "no channels"),
    Refusal("nn.ReplicationPad1d", ((-3, -2),), (normal(3, 2, 5),), "nothing left"),
    *left_empty("ReplicationPad"),
    *rows("ZeroPad"),
    Layer("nn.ZeroPad2d", (1,), (normal(5, 7),), "two dimensions"),
]
