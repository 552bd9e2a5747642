"""What two models give when torch runs them end to end, and whether they are the same by the project's rule.

Everything is taken from free runs: outputs, gradients of every floating input and of every parameter, parameters and
buffers afterwards, in training and in eval mode. The truth is the reference in float64, U its own worst float32 error
over five draws of inputs, the limit 4 U + 4 ulp. Nothing of the comparer is used.

A gradient that is zero but for rounding, such as that of a bias before BatchNorm, is judged at the scale of the largest
parameter gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from parity_tests.rule import DRAWS, distance, float32_limit, ulp

Numbers = dict[str, np.ndarray]
CANCELLED = 2.0**-30  # of the largest gradient: what float64 leaves of a sum that is zero
OTHER_FUNCTION = 2.0**20  # ulp of float64 that no order of roundings explains
NEAR = 3.0  # within this factor of the limit nothing is said


@dataclass(frozen=True)
class Verdict:
    """`says` is different, equal, undecided, raises or structure; `ratio` the worst error over its limit."""

    says: str
    ratio: float = 0.0
    what: str = ""


@dataclass(frozen=True)
class Truth:
    """The reference in one mode: in float32, in float64, and how far its own float32 is from that."""

    rough: Numbers
    exact: Numbers
    u: dict[str, float]


class SameDraws(TorchFunctionMode):
    """In float64 the random numbers are those of float32."""

    DRAWN = (torch.randn_like, torch.rand_like, torch.randn, torch.rand)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in self.DRAWN:
            return function(*args, **{**kwargs, "dtype": torch.float32}).double()
        return function(*args, **kwargs)


def cotangent(number: int, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng([7, number, *shape]).normal(size=shape).astype(np.float32))


def run(model: Any, inputs: tuple[np.ndarray, ...], training: bool, dtype: torch.dtype = torch.float32) -> Numbers:
    """One free run of a torch Module, forward and backward, from the same random numbers each time."""
    if not isinstance(model, torch.nn.Module):
        return _run_object(model, inputs, training)
    if dtype == torch.float64:
        with SameDraws():
            return _run(model, inputs, training, dtype)
    return _run(model, inputs, training, dtype)


def _run(model: torch.nn.Module, inputs: tuple[np.ndarray, ...], training: bool, dtype: torch.dtype) -> Numbers:
    model.train(training)
    torch.manual_seed(0)
    given = [torch.tensor(x) for x in inputs]
    given = [x.to(dtype).requires_grad_() if x.is_floating_point() else x for x in given]
    outputs = list(_tensors(model(*(x.clone() for x in given))))
    numbers = {f"output {i}": y.detach().numpy().copy() for i, y in enumerate(outputs)}
    sources = {f"grad input {i}": x for i, x in enumerate(given) if x.requires_grad}
    sources |= {f"grad {name}": p for name, p in model.named_parameters()}
    ends = [(y, cotangent(i, tuple(y.shape)).to(y.dtype)) for i, y in enumerate(outputs) if y.requires_grad]
    asked = {what: x for what, x in sources.items() if x.requires_grad}
    found: tuple[Any, ...] = (None,) * len(asked)
    if ends and asked:
        found = torch.autograd.grad([y for y, _ in ends], list(asked.values()), [g for _, g in ends], allow_unused=True)
    gradients = dict(zip(asked, found, strict=True))
    for what, x in sources.items():
        gradient = gradients.get(what)
        numbers[what] = (torch.zeros_like(x) if gradient is None else gradient).detach().numpy()
    return numbers | {f"state {n}": v.detach().numpy().copy() for n, v in model.state_dict().items()}


def _run_object(model: Any, inputs: tuple[np.ndarray, ...], training: bool) -> Numbers:
    """An object with forward and backward, whose layers keep the gradient of NAME as dNAME."""
    layers = {"": model} | {n: v for n, v in vars(model).items() if hasattr(v, "forward")}
    for layer in layers.values():
        if hasattr(layer, "training"):
            layer.training = training
    y = model.forward(*(np.array(x) for x in inputs))
    dx = model.backward(cotangent(0, y.shape).numpy())
    numbers = {"output 0": np.array(y), "grad input 0": np.array(dx)}
    for name, layer in layers.items():
        for own in ("weight", "bias", "running_mean", "running_var"):
            if hasattr(layer, own):
                numbers[f"state {name}.{own}"] = np.array(getattr(layer, own))
            if hasattr(layer, f"d{own}"):
                numbers[f"grad {name}.{own}"] = np.array(getattr(layer, f"d{own}"))
    return numbers


def _tensors(nest: Any) -> Iterator[torch.Tensor]:
    if isinstance(nest, torch.Tensor):
        yield nest
    elif isinstance(nest, dict):
        for part in nest.values():
            yield from _tensors(part)
    elif isinstance(nest, tuple | list):
        for part in nest:
            yield from _tensors(part)


def moved(inputs: tuple[np.ndarray, ...], draw: int) -> tuple[np.ndarray, ...]:
    """Another draw: floating numbers a little nearer to zero."""
    rng = np.random.default_rng([1, draw])
    shrink = lambda x: (x * (1 - 2.0**-12 * rng.random(x.shape))).astype(x.dtype)  # noqa: E731
    return tuple(shrink(x) if draw and x.dtype.kind == "f" else x for x in inputs)


def load(model: Any, state: Numbers) -> bool:
    """Give a model the reference's parameters and buffers; False if it has no place for one."""
    if isinstance(model, torch.nn.Module):
        places = model.state_dict()
        if any(name not in places or tuple(places[name].shape) != value.shape for name, value in state.items()):
            return False
        model.load_state_dict({name: torch.tensor(value) for name, value in state.items()}, strict=False)
        return True
    for name, value in state.items():
        layer, _, own = name.rpartition(".")
        holder = getattr(model, layer) if layer else model
        if own != "num_batches_tracked":
            if np.shape(getattr(holder, own, 0.0)) != value.shape:
                return False
            setattr(holder, own, value.copy())
    return True


class Oracle:
    """The reference of one network, run once in all the ways that are needed."""

    def __init__(self, reference: torch.nn.Module, inputs: tuple[np.ndarray, ...], twin: torch.nn.Module) -> None:
        self.inputs = inputs
        self.state = {name: value.numpy().copy() for name, value in reference.state_dict().items()}
        self.double = {n: v.astype(np.float64) if v.dtype.kind == "f" else v for n, v in self.state.items()}
        self.truth = {training: self._truth(reference, twin, training) for training in (True, False)}
        load(reference, self.state)
        reference.train()

    def _truth(self, reference: torch.nn.Module, twin: torch.nn.Module, training: bool) -> Truth:
        u: dict[str, float] = {}
        runs = []
        for draw in range(DRAWS):
            given = moved(self.inputs, draw)
            load(reference, self.state)
            load(twin, self.double)
            rough = run(reference, given, training)
            exact = run(twin, given, training, torch.float64)
            runs.append((rough, exact))
            for what, value in exact.items():
                u[what] = max(u.get(what, 0.0), error(rough[what], value, what, exact))
        return Truth(*runs[0], u)

    def judge(self, model: Any, twin: Any = None) -> Verdict:
        """The model against the reference, in both modes; its float64 twin says whether they are one function."""
        worst = Verdict("equal")
        for training, truth in self.truth.items():
            if not load(model, self.state):
                return Verdict("structure", math.inf, "parameters")
            try:
                ours = run(model, self.inputs, training)
            except Exception as problem:
                return Verdict("raises", math.inf, type(problem).__name__)
            for what, ratio in self.ratios(ours, truth):
                if not ratio <= worst.ratio:
                    worst = Verdict("", ratio, f"{what}, {'train' if training else 'eval'}")
        says = "different" if worst.ratio > NEAR else "equal" if worst.ratio < 1 / NEAR else "undecided"
        if says == "undecided" and worst.ratio <= 1 and self.one_function(twin):
            says = "equal"
        return Verdict(says, worst.ratio, worst.what)

    def one_function(self, twin: Any) -> bool:
        """Whether a model in float64 gives what the reference gives, but for roundings of float64."""
        if not isinstance(twin, torch.nn.Module):
            return False
        try:
            for training, truth in self.truth.items():
                load(twin, self.double)
                ours = run(twin, self.inputs, training, torch.float64)
                for what, value in truth.exact.items():
                    unit = max(_size(value), CANCELLED) * 2.0**-52
                    if not np.abs(ours[what] - value).max(initial=0.0) <= OTHER_FUNCTION * unit:
                        return False
        except Exception:
            return False
        return True

    def ratios(self, ours: Numbers, truth: Truth) -> Iterator[tuple[str, float]]:
        """Every quantity's error over its limit."""
        yield "outputs", 0.0 if _outputs(ours) == _outputs(truth.exact) else math.inf
        for what, value in truth.exact.items():
            if what.endswith("num_batches_tracked") and what not in ours:
                continue
            if what not in ours or ours[what].dtype != truth.rough[what].dtype:
                yield what, math.inf
                continue
            yield what, error(ours[what], value, what, truth.exact) / float32_limit(truth.u[what])


def _outputs(numbers: Numbers) -> int:
    return sum(what.startswith("output") for what in numbers)


def error(value: np.ndarray, exact: np.ndarray, what: str, all_exact: Numbers) -> float:
    """In ulp of the largest value, or of the largest parameter gradient where this one is zero but for rounding."""
    found = distance(value, exact)
    if not what.startswith("grad ") or what.startswith("grad input") or not math.isfinite(found):
        return found
    largest = max(_size(v) for w, v in all_exact.items() if w.startswith("grad ") and not w.startswith("grad input"))
    if largest == 0 or _size(exact) > CANCELLED * largest:
        return found
    return float(np.abs(value - exact).max(initial=0.0) / ulp(np.array(largest), np.float32))


def _size(value: np.ndarray) -> float:
    return float(np.abs(value).max(initial=0.0))
