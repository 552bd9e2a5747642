"""A worked example, to be followed with a pencil: 2 inputs, 2 hidden units, 1 output, and one step of descent.

    z = W x + b        a = f(z)        s = V a + c        y = g(s)        L(y, t)

and backwards, each line from the one above it:

    dL/ds = L'(y) g'(s)        dL/dV = dL/ds a        dL/dc = dL/ds
    dL/da = V dL/ds            dL/dz = dL/da f'(z)    dL/dW = dL/dz x        dL/db = dL/dz        dL/dx = W dL/dz

Every number stands under the text's own name for it, once by hand and once from each engine; then every weight moves
by -η times its derivative, and the network is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.articles.article import Figure, GradientCheck, gradient_check, under
from experiments.articles.judge import equal_to
from experiments.articles.twin import Twin, on_both

Function = Callable[[Any], Any]
Arrays = Mapping[str, np.ndarray]
PARAMETERS = ("W", "b", "V", "c")
FORMULAS: dict[str, tuple[Function, Function]] = {  # a layer by name: its function, and the derivative
    "Identity": (lambda z: z, np.ones_like),
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "Sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
}
LOSSES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {  # of y and t: the loss, and its derivative by y
    "MSELoss": (lambda y, t: (y - t) ** 2, lambda y, t: 2 * (y - t)),
    "BCELoss": (lambda y, t: -t * np.log(y) - (1 - t) * np.log(1 - y), lambda y, t: (1 - t) / (1 - y) - t / y),
}


@dataclass(frozen=True)
class Worked:
    """The example. `names` gives the text's name of every element, `formulas` how it comes about, by array."""

    x: np.ndarray
    t: float
    start: Arrays  # W (2, 2), b (2,), V (1, 2), c (1,)
    hidden: str
    output: str
    criterion: str
    lr: float
    names: Mapping[str, tuple[str, ...]]
    forward: Mapping[str, tuple[str, ...]]  # which arrays are shown on the way, and the formula of each element
    backward: Mapping[str, tuple[str, ...]]
    quoted: Mapping[str, tuple[str, str]]  # by the name of a row: what the text prints, and where

    # --- by hand ------------------------------------------------------------------------------------------------------

    def values(self, **given: np.ndarray) -> dict[str, np.ndarray]:
        """Every array on the way to the loss; those that are given are taken instead of computed."""
        at: dict[str, np.ndarray] = {"x": self.x, **self.start, **given}
        (f, _), (g, _), (loss, _) = FORMULAS[self.hidden], FORMULAS[self.output], LOSSES[self.criterion]
        at.setdefault("z", at["x"] @ at["W"].T + at["b"])
        at.setdefault("a", f(at["z"]))
        at.setdefault("s", at["a"] @ at["V"].T + at["c"])
        at.setdefault("y", g(at["s"]))
        return at | {"L": loss(at["y"], self.t)}

    def derivatives(self) -> dict[str, np.ndarray]:
        """DL by every array."""
        at = self.values()
        d = {"y": LOSSES[self.criterion][1](at["y"], self.t)}
        d["s"] = d["y"] * FORMULAS[self.output][1](at["s"])
        d["V"], d["c"] = d["s"].T @ at["a"], d["s"][0]
        d["a"] = d["s"] @ at["V"]
        d["z"] = d["a"] * FORMULAS[self.hidden][1](at["z"])
        d["W"], d["b"] = d["z"].T @ at["x"], d["z"][0]
        return d | {"x": d["z"] @ at["W"]}

    def moved(self) -> dict[str, np.ndarray]:
        """The weights after one step."""
        by = self.derivatives()
        return {name: self.start[name] - self.lr * by[name] for name in PARAMETERS}

    # --- by an engine -------------------------------------------------------------------------------------------------

    def network(self, twin: Twin) -> Any:
        """The network of the engine, in float64, at the starting weights."""
        nn, double = twin.lib.nn, twin.factory("float64")
        first, second = nn.Linear(2, 2, **double), nn.Linear(2, 1, **double)
        net = nn.Sequential(first, getattr(nn, self.hidden)(), second, getattr(nn, self.output)())
        for parameter, name in zip(net.parameters(), PARAMETERS, strict=True):
            twin.array(parameter)[...] = self.start[name]
        return net

    def engine(self, twin: Twin) -> dict[str, dict[str, np.ndarray]]:
        """The same arrays by the engine's own layers: values, derivatives, moved weights, and values after them."""
        net, criterion = self.network(twin), getattr(twin.lib.nn, self.criterion)()
        x, t = twin.tensor(self.x), twin.tensor(np.array([[self.t]]))
        values, gradients, loss = twin.trace(net, criterion, x, t)
        start = {name: twin.array(p).copy() for name, p in zip(PARAMETERS, net.parameters(), strict=True)}
        by = {name: twin.array(p.grad).copy() for name, p in zip(PARAMETERS, net.parameters(), strict=True)}
        twin.lib.optim.SGD(net.parameters(), lr=self.lr).step()
        moved = {name: twin.array(p).copy() for name, p in zip(PARAMETERS, net.parameters(), strict=True)}
        after = {"y": twin.predict(net, x), "L": np.array([[twin.loss(net, criterion, x, t)]])}
        path = dict(zip("xzasy", values, strict=True)) | start | {"L": np.array([[loss]])}
        return {"values": path, "derivatives": dict(zip("xzasy", gradients, strict=True)) | by} | {
            "moved": moved,
            "after": after,
        }

    # --- the rows -----------------------------------------------------------------------------------------------------

    def findings(self, title: str) -> tuple[list[Figure], list[GradientCheck]]:
        """Rows in the order of the calculation, and each derivative against differences."""
        found = on_both(self.engine)
        after = self.values(**self.moved())
        parts: list[tuple[str, str, Arrays, Iterator[tuple[str, str, int]]]] = [
            ("inputs and weights", "values", self.values(), self._given()),
            ("forward", "values", self.values(), self._shown(self.forward)),
            ("backward", "derivatives", self.derivatives(), self._shown(self.backward)),
            (f"new weights at η = {self.lr:g}", "moved", self.moved(), self._updates()),
            ("forward again", "after", after, self._again()),
        ]
        figures: list[Figure] = []
        for part, key, by_hand, rows in parts:
            few = []
            for what, name, place in rows:
                numbers = {engine: float(one[key][name].flat[place]) for engine, one in found.items()}
                text, where = self.quoted.get(what, ("", ""))
                few.append(equal_to(what, float(by_hand[name].flat[place]), numbers, ".6g", text, where))
            figures += under(f"{title}: {part}", few)
        return figures, under(title, [*self._checks()])

    def _given(self) -> Iterator[tuple[str, str, int]]:
        for name in ("x", *PARAMETERS):
            yield from ((one, name, place) for place, one in enumerate(self.names[name]))

    def _shown(self, shown: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str, int]]:
        for name, formulas in shown.items():
            yield from ((one, name, place) for place, one in enumerate(formulas))

    def _updates(self) -> Iterator[tuple[str, str, int]]:
        for name in PARAMETERS:
            for place, one in enumerate(self.names[name]):
                yield f"new {one} = {one} - η dL/d{one}", name, place

    def _again(self) -> Iterator[tuple[str, str, int]]:
        yield f"{self.names['y'][0]} with the new weights", "y", 0
        yield "L with the new weights", "L", 0

    def _checks(self) -> Iterator[GradientCheck]:
        values = self.values()
        for name, derivative in self.derivatives().items():

            def loss(value: np.ndarray, name: str = name) -> float:
                return float(self.values(**{name: value})["L"].sum())

            names = ", ".join(self.names[name])
            yield GradientCheck(f"dL by {names}, by the chain rule", gradient_check(loss, values[name], derivative))
