"""One question that files can hold: a call of a layer, or the whole model, in one mode; and the names of its numbers.

Files number the gradients of inputs as the flattened inputs are, integers and None among them; a comparison numbers the
floating ones alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parity_tests.comparer.nests import leaves
from parity_tests.comparer.values import is_float
from parity_tests.nests import numbered

KINKS = " at kinks and ties"


@dataclass
class Stand:
    """A call that is replaced by what it gave, and the gradients that it gave back."""

    layer: str
    number: int
    output: Any
    gradients: list[Any]
    inside: list[str]  # the layers that called it, outermost first


@dataclass
class Query:
    """A call: `layer` is its dotted name, "" the whole and "loss" the loss; `dys` are the gradients of its outputs.

    `about` is more that a reader is told: what the call is inside of, the order, the loss.
    """

    name: str  # of its files
    layer: str
    number: int  # which call of this layer
    mode: str  # train or eval
    kind: str  # class of the layer
    args: Any
    kwargs: Any
    dys: list[Any] | None
    target: Any = None
    kinks: bool = False
    about: dict[str, Any] = field(default_factory=dict)
    stands: list[Stand] = field(default_factory=list)  # of a question about the code between layers

    @property
    def training(self) -> bool:
        return self.mode == "train"

    @property
    def label(self) -> str:
        """Such as `layers.0.fc1 (Linear), call 2, eval mode`."""
        text = f"{self.layer} ({self.kind})" if self.layer else f"the whole ({self.kind})"
        text = f"code between the layers of {self.kind}" if self.stands else text
        text += f", call {self.number + 1}" if self.number else ""
        return f"{text}, {self.mode} mode" + KINKS * self.kinks

    def file_names(self) -> dict[str, str]:
        """From a comparison's names of gradients of inputs to those of the files."""
        places = [i for i, x in enumerate(leaves((self.args, self.kwargs))) if is_float(x)]
        return {numbered("grad input", i): numbered("grad input", place) for i, place in enumerate(places)}

    def to_file(self, numbers: Mapping[str, Any]) -> dict[str, Any]:
        names = self.file_names()
        return {names.get(what, what): value for what, value in numbers.items()}

    def from_file(self, numbers: Mapping[str, Any]) -> dict[str, Any]:
        names = {theirs: ours for ours, theirs in self.file_names().items()}
        return {names.get(what, what): value for what, value in numbers.items()}


def completed(queries: list[Query]) -> list[Query]:
    """In the order in which calls end: what happens inside a call comes before it."""
    order: list[Query] = []
    open_: list[Query] = []
    for query in queries:
        while open_ and len(open_[-1].about["inside"]) >= len(query.about["inside"]):
            order.append(open_.pop())
        open_.append(query)
    return order + open_[::-1]
