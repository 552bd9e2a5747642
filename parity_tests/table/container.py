"""Rows: containers. test_container.py compares the behavior of those without a forward."""

from collections import OrderedDict

from parity_tests.built import Built
from parity_tests.table.recipe import integers, normal
from parity_tests.table.row import Layer, Refusal, Row

relu = Built("nn.ReLU")

ROWS: list[Row] = [
    Layer(
        "nn.Sequential",
        (
            Built("nn.Linear", 5, 7),
            Built("nn.Tanh"),
            Built("nn.Linear", 7, 3),
        ),
        (normal(11, 5),),
    ),
    Refusal("nn.Sequential", (3,), (), "a layer that is no module"),
    Refusal("nn.ModuleList", ([3],), (), "an element that is no module"),
    Refusal("nn.ModuleDict", (3,), (), "what is no mapping"),
    Refusal("nn.ModuleDict", ({"a": 3},), (), "a value that is no module"),
    Refusal("nn.ModuleDict", ([1],), (), "an element that is no pair"),
    Refusal("nn.ModuleDict", ([("a", 1, 2)],), (), "three entries for a pair"),
    Refusal("nn.ModuleDict", ({"keys": relu},), (), "the name of a method"),
    Refusal("nn.ModuleDict", ({"a.b": relu},), (), "a dot"),
    Refusal("nn.ModuleDict", ({"": relu},), (), "an empty key"),
    Refusal("nn.ModuleDict", ({1: relu},), (), "a key that is a number"),
    Refusal("nn.ModuleDict", (), (normal(2),), "being called"),
    Refusal("nn.ParameterDict", (3,), (), "what is no mapping"),
    Refusal("nn.ParameterDict", ([1],), (), "an element that is no pair"),
    Refusal("nn.ParameterDict", ([("a", 1, 2)],), (), "three entries for a pair"),
    Refusal("nn.ParameterDict", ({"keys": normal(2)},), (), "the name of a method"),
    Refusal("nn.ParameterDict", ({"a.b": normal(2)},), (), "a dot"),
    Refusal("nn.ParameterDict", (OrderedDict([("", normal(2))]),), (), "an empty key"),
    Refusal("nn.ParameterDict", ({1: normal(2)},), (), "a key that is a number"),
    Refusal("nn.ParameterDict", ({"a": integers(2, high=9)},), (), "integers"),
    Refusal("nn.ParameterDict", (), (normal(2),), "being called"),
    Refusal("nn.ParameterList", (3,), (), "what is no iterable"),
    Refusal("nn.ParameterList", (normal(2),), (), "one array for many"),
    Refusal("nn.ParameterList", ([integers(2, high=9)],), (), "integers"),
    Refusal("nn.ParameterList", (), (normal(2),), "being called"),
]
