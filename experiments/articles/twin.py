"""The two engines for loops outside Lightning: a net is written once, and each engine trains its own from one seed.

for twin in TWINS:
    twin.manual_seed(0)
    net = twin.lib.nn.Linear(4, 2)                              # the same bits on both
    optimizer = twin.lib.optim.SGD(net.parameters(), lr=0.1)
    x, labels = twin.tensor(points), twin.tensor(classes)
    loss = twin.step(net, twin.lib.nn.CrossEntropyLoss(), optimizer, x, labels)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.articles.article import GradientCheck, gradient_check
from parity_tests import engine as engines
from parity_tests.engine import Engine

DIRECTIONS = 3  # along which each parameter is moved


class Twin:
    """One engine, and how it trains. `lib` is its package; `random` has randn, rand, randperm, ..."""

    def __init__(self, engine: Engine) -> None:
        self.name, self.lib, self.random = engine.name, engine.lib, engine.random
        self.manual_seed, self.factory, self.array = engine.seed, engine.factory, engine.array_view
        self.engine = engine

    def tensor(self, array: Any) -> Any:
        """The engine's array type; it shares memory with a NumPy array."""
        return array if self.engine.holds(array) else self.engine.native_view(np.asarray(array))

    def batches(self, n: int, batch_size: int) -> Iterator[Any]:
        """One epoch: the numbers 0 to n - 1 in a random order of the engine, in parts. x[rows] is a batch."""
        order = self.random.randperm(n)
        for start in range(0, n, batch_size):
            yield order[start : start + batch_size]

    def step(self, net: Any, criterion: Any, optimizer: Any, x: Any, y: Any) -> float:
        """One update; the loss before it."""
        optimizer.zero_grad()
        loss = self.backward(net, criterion, x, y)
        optimizer.step()
        return loss

    def backward(self, net: Any, criterion: Any, x: Any, y: Any) -> float:
        """Add the gradients of the loss into those of the parameters; the loss."""
        raise NotImplementedError

    def push(self, net: Any, x: Any, cotangent: Callable[[Any], Any]) -> Any:
        """Add the gradients that follow from `cotangent(net(x))`, be it a derivative of something or not; net(x)."""
        raise NotImplementedError

    def gradients(self, net: Any, criterion: Any, x: Any, y: Any) -> dict[str, np.ndarray]:
        """dLoss/dparameter by name."""
        net.zero_grad()
        self.backward(net, criterion, x, y)
        return {name: self.array(parameter.grad) for name, parameter in net.named_parameters()}

    def trace(self, net: Any, criterion: Any, x: Any, y: Any) -> tuple[list[np.ndarray], list[np.ndarray], float]:
        """The values between the layers of a Sequential, x first, the loss's derivative by each, and the loss.

        The gradients of the parameters are left in their `grad`.
        """
        raise NotImplementedError

    def predict(self, net: Any, x: Any) -> np.ndarray:
        """The output in evaluation mode; afterwards the net's earlier mode is restored."""
        mode = net.training
        net.eval()
        with self.lib.no_grad():
            output = self.array(net(x))
        net.train(mode)
        return output

    def loss(self, net: Any, criterion: Any, x: Any, y: Any) -> float:
        """The loss in evaluation mode."""
        output = self.tensor(self.predict(net, x))
        with self.lib.no_grad():
            return float(criterion(output, y))


class ScratchTwin(Twin):
    """NumPy, its own backward."""

    def backward(self, net: Any, criterion: Any, x: Any, y: Any) -> float:
        loss = float(criterion(net(x), y))
        net.backward(criterion.backward())
        return loss

    def push(self, net: Any, x: Any, cotangent: Callable[[Any], Any]) -> Any:
        output = net(x)
        net.backward(cotangent(output))
        return output

    def trace(self, net: Any, criterion: Any, x: Any, y: Any) -> tuple[list[np.ndarray], list[np.ndarray], float]:
        net.zero_grad()
        values = [x]
        for layer in net:
            values.append(layer(values[-1]))
        loss = float(criterion(values[-1], y))
        gradients = [criterion.backward()]
        for layer in reversed(list(net)):
            gradients.insert(0, layer.backward(gradients[0]))
        return values, gradients, loss


class TorchTwin(Twin):
    """PyTorch, autograd's backward."""

    def backward(self, net: Any, criterion: Any, x: Any, y: Any) -> float:
        loss = criterion(net(x), y)
        loss.backward()
        return float(loss.detach())

    def push(self, net: Any, x: Any, cotangent: Callable[[Any], Any]) -> Any:
        output = net(x)
        given = output.detach()
        output.backward(cotangent(given))
        return given

    def trace(self, net: Any, criterion: Any, x: Any, y: Any) -> tuple[list[np.ndarray], list[np.ndarray], float]:
        net.zero_grad()
        values = [x.clone().requires_grad_()]
        for layer in net:
            values.append(layer(values[-1]))
            values[-1].retain_grad()
        loss = criterion(values[-1], y)
        loss.backward()
        return [*map(self.array, values)], [self.array(value.grad) for value in values], float(loss.detach())


SCRATCH, TORCH = ScratchTwin(engines.SCRATCH), TorchTwin(engines.TORCH)
TWINS: tuple[Twin, ...] = (SCRATCH, TORCH)


def on_both(find: Callable[[Twin], Any]) -> dict[str, Any]:
    """The results of a function of the engine on both engines, by the engine's name."""
    return {twin.name: find(twin) for twin in TWINS}


def network_check(twin: Twin, net: Any, criterion: Any, x: Any, y: Any, what: str) -> GradientCheck:
    """The backward of a whole float64 network against differences of its loss, every parameter along a few directions.

    The loss of θ + V t, with one column of V a direction, has the gradient Vᵀ dL/dθ at t = 0.
    A net with dropout must be in evaluation mode: the differences are taken there.
    """
    gradients = twin.gradients(net, criterion, x, y)
    rng = np.random.default_rng(0)
    moves, expected = [], []
    for name, parameter in net.named_parameters():
        for _ in range(DIRECTIONS):
            v = rng.normal(size=tuple(parameter.shape))
            v /= np.linalg.norm(v)
            moves.append((twin.array(parameter), v))
            expected.append(np.sum(gradients[name] * v))
    values = [parameter.copy() for parameter, _ in moves]

    def loss(t: np.ndarray) -> float:
        for (parameter, v), step in zip(moves, t, strict=True):
            if step:
                parameter += step * v
        found = twin.loss(net, criterion, x, y)
        for (parameter, _), value in zip(moves, values, strict=True):
            parameter[...] = value
        return found

    return GradientCheck(f"{what}, {twin.name}", gradient_check(loss, np.zeros(len(moves)), np.array(expected)))
