"""Which known convention explains that two layers differ.

The reference layer is computed in float64 by every convention in the catalog. One explains the difference if what the
left gives is within the limit of it in all that parted, gradients too, and nothing else parts from it. If none does,
the outputs alone are tried, then the gradients alone, then plain relations: a factor, zeros, a sign, a transpose.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer.conventions import Variant, variants
from parity_tests.comparer.conventions.attention import FORMS, fused
from parity_tests.comparer.findings import Cause
from parity_tests.comparer.nests import map_nest
from parity_tests.comparer.side import LOSS, Side
from parity_tests.comparer.values import Numbers, arrays, cast, floats, is_float, named_outputs, tensors
from parity_tests.nests import numbered
from parity_tests.rule import distance, float32_limit
from torch_impl.bridge import TorchModule


@dataclass
class Evidence:
    """One layer that parts: its call, and what both sides gave."""

    name: str
    left: Side
    right: Side
    twin: Side | None
    given: tuple[Any, Any, Any]  # args, kwargs, cotangents
    training: bool
    seed: int
    ours: Numbers
    rough: Numbers
    truth: Numbers
    u: dict[str, float]
    apart: list[str]
    output: Any

    def limit(self, what: str) -> float:
        return float32_limit(self.u.get(what, 0.0))

    def before(self) -> float:
        """The largest absolute difference in what parted first."""
        what = self.apart[0]
        if what not in self.ours or self.ours[what].shape != self.truth[what].shape:
            return math.nan
        with np.errstate(all="ignore"):
            return float(np.abs(self.ours[what].astype(np.float64) - self.truth[what]).max(initial=0.0))


def layer(evidence: Evidence) -> Cause | None:
    """The cause, or None if no known convention explains it."""
    special = _kinds(evidence)
    if special is not None:
        return special
    module = torch_layer(evidence.twin, evidence.name)
    found: list[tuple[int, float, int, Variant, float]] = []
    if module is not None:
        module.train(evidence.training)
        for order, variant in enumerate(variants(module)):
            numbers = _numbers(variant, evidence)
            rank, worst = _explains(numbers, evidence)
            if rank is not None:
                after = max(
                    (distance(evidence.ours[w], numbers[w]) for w in evidence.apart[:1] if w in numbers), default=worst
                )
                found.append((rank, worst, order, variant, after))
    if found:
        rank = min(f[0] for f in found)
        best = min(f[1] for f in found if f[0] == rank)
        _, _, _, variant, after = next(f for f in found if f[0] == rank and f[1] <= 2 * best + 0.05)
        return Cause(variant.name, variant.text, evidence.before(), after)
    for what in evidence.apart:
        cause = relation(evidence.ours[what], evidence.truth[what], evidence.limit(what), what)
        if cause is not None:
            return cause
    return None


def _kinds(e: Evidence) -> Cause | None:
    """What needs no trial: another dtype or shape, numbers that overflow."""
    for what in e.apart:
        if what not in e.ours:
            continue
        ours, other = e.ours[what], e.rough[what]
        if ours.dtype != other.dtype:
            why = (
                "a NumPy scalar of float64 promotes float32 arrays"
                if ours.dtype == np.float64
                else "the left computes in it"
            )
            return Cause("dtype", f"{what} is {ours.dtype}, not {other.dtype}: {why}")
        if ours.shape != other.shape and sorted(ours.shape) == sorted(other.shape):
            return Cause(
                "transposed-output",
                f"{what} has shape {list(ours.shape)}, not {list(other.shape)}: its axes are permuted",
            )
        if ours.dtype.kind == "f" and ours.shape == other.shape and (~np.isfinite(ours) & np.isfinite(other)).any():
            return Cause(
                "overflow",
                f"{what} overflows on the left alone: subtract the maximum before exp, or guard the logarithm",
            )
    return None


def torch_layer(side: Side | None, name: str) -> torch.nn.Module | None:
    """The reference layer as a torch module in float64; scratch's is rebuilt from its attributes, named as torch's."""
    if side is None:
        return None
    module = side.loss if name == LOSS and side.loss is not None else side.modules[name]
    module = module.scratch_module if isinstance(module, TorchModule) else module
    if isinstance(module, torch.nn.Module):
        return copy.deepcopy(module)
    kind = getattr(torch.nn, type(module).__name__, None)
    if not isinstance(module, scratch.nn.Module) or kind is None:
        return None
    twin = kind.__new__(kind)
    torch.nn.Module.__init__(twin)
    for key, value in vars(module).items():
        if key in ("saved", "_buffer_names", "_not_persistent", "forward", "backward"):
            continue
        if isinstance(value, scratch.nn.Parameter):
            twin.register_parameter(key, torch.nn.Parameter(torch.tensor(value.data.astype(np.float64))))
        elif isinstance(value, np.ndarray):
            twin.register_buffer(key, torch.tensor(cast(value, np.float64)))
        elif not isinstance(value, scratch.nn.Module):
            setattr(twin, key, value)
    return twin


def _numbers(variant: Variant, e: Evidence) -> Numbers:
    """What the variant gives for the evidence's input and cotangent; nothing if it cannot take them."""
    args, kwargs, dys = e.given
    torch.manual_seed(e.seed)
    xs = map_nest(
        lambda x: x.requires_grad_() if is_float(x) and isinstance(x, torch.Tensor) else x,
        tensors(cast(args, np.float64)),
    )
    options = tensors(cast(kwargs, np.float64))
    try:
        with torch.enable_grad():
            output = variant.compute(*xs, **options)
        numbers = named_outputs(arrays(output))
    except Exception:  # a convention that these inputs do not admit
        return {}
    if (
        dys is not None
        and variant.gradients
        and all(n.shape == e.truth[w].shape for w, n in numbers.items() if w in e.truth)
    ):
        numbers |= _gradients(variant, output, xs, dys)
    if variant.buffers is not None:
        numbers |= {
            f"buffer {name}": np.array(arrays(value)) for name, value in variant.buffers().items() if value is not None
        }
    return numbers


def _gradients(variant: Variant, output: Any, xs: Any, dys: list[Any]) -> Numbers:
    sources = {numbered("grad input", i): x for i, x in enumerate(floats(xs))}
    if variant.parameters:
        sources |= {f"grad {name}": p for name, p in variant.layer.named_parameters()}
    pairs = [(y, torch.tensor(np.asarray(dy, np.float64)))
             for y, dy in zip(floats(output), dys, strict=False) if dy is not None and y.requires_grad]  # fmt: skip
    if not pairs or not sources:
        return {}
    found = torch.autograd.grad([y for y, _ in pairs], list(sources.values()), [d for _, d in pairs], allow_unused=True)
    return {
        what: (torch.zeros_like(x) if g is None else g).detach().numpy()
        for (what, x), g in zip(sources.items(), found, strict=True)
    }


def _explains(numbers: Numbers, e: Evidence) -> tuple[int | None, float]:
    """Rank 0 explains all, 1 the forward, 2 the gradients alone; and the worst remaining error over its limit."""
    ahead = [w for w in e.truth if not w.startswith("grad ")]
    back = [w for w in e.truth if w.startswith("grad ")]
    ahead_parts = any(w in e.apart for w in ahead)
    for rank, group in ((0, ahead + back), (1, ahead), (2, back)):
        known = [w for w in group if w in numbers and w in e.ours]
        if (rank == 1 and not ahead_parts) or (rank == 2 and ahead_parts) or not any(w in e.apart for w in known):
            continue
        if rank < 2 and ahead_parts and not any(w in e.apart for w in known if w in ahead):
            continue
        worst = max(distance(e.ours[w], numbers[w]) / e.limit(w) for w in known)
        if worst <= 1:
            return rank, worst
    return None, math.inf


# --- between layers ---------------------------------------------------------------------------------------------------


def between(right: Side, left: Side, before: Any, place: Any, value: Any, other: Any, limit: float) -> Cause | None:
    """The code between layers: attention out of one projection, or a plain relation."""
    if value is None or other is None:
        return None
    if value.dtype != other.dtype:
        return Cause(
            "dtype",
            f"the left hands on {value.dtype}, not {other.dtype}: a NumPy scalar of float64 promotes float32 arrays",
        )
    if value.shape == other.shape and place[1] == "input" and before is not None:
        source = floats(before.output)
        if len(source) == 1 and source[0].shape[:-1] == other.shape[:-1] and source[0].shape[-1] == 3 * other.shape[-1]:
            cause = _attention(source[0], value, other, limit)
            if cause is not None:
                return cause
    return relation(value, other, limit)


def _attention(projected: np.ndarray, value: np.ndarray, other: np.ndarray, limit: float) -> Cause | None:
    """Find the heads and the mask with which attention gives the right's value, then what gives the left's."""
    x = torch.tensor(projected.astype(np.float64))
    width = other.shape[-1]
    for heads in (h for h in range(1, width + 1) if width % h == 0):
        for causal in (True, False):
            if distance(other, fused(x, heads, causal).numpy()) > limit:
                continue
            for name, text, options in _forms(heads, width, causal):
                n, seen = options.pop("heads", heads), causal ^ options.pop("causal", False)
                if name == "causal-mask":
                    text = "without the causal mask" if causal else "with a causal mask"
                after = distance(value, fused(x, n, seen, **options).numpy())
                if after <= limit:
                    before = float(np.abs(value.astype(np.float64) - other).max())
                    return Cause(name, f"attention {text}", before, after)
    return None


def _forms(heads: int, width: int, causal: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield from ((name, text, dict(options)) for name, text, options in FORMS)
    yield (
        "attention-scale",
        "with the scale 1 / sqrt(C) of the whole width, not of a head",
        {"power": 0.5 * math.log(width) / math.log(width / heads) if width > heads else 0.5},
    )
    for other in (h for h in range(1, width + 1) if width % h == 0 and h != heads):
        yield "heads", f"with {other} heads, not {heads}", {"heads": other}


# --- plain relations --------------------------------------------------------------------------------------------------


def relation(value: Any, truth: Any, limit: float, what: str = "") -> Cause | None:
    """Zeros, a constant factor, a transpose, a reversed axis, a constant shift."""
    if value is None or np.size(truth) == 0 or value.dtype.kind != "f":
        return None
    exact = np.asarray(truth, np.float64)
    if value.shape != exact.shape or not np.isfinite(value).all() or not np.isfinite(exact).all():
        return None
    got = value.astype(np.float64)
    before = float(np.abs(got - exact).max())
    of = f"{what} " if what else ""
    if not got.any():
        return Cause("zeros", f"{of}is zero on the left") if exact.any() else None
    norm = float((exact * exact).sum())
    factor = float((got * exact).sum()) / norm if norm and exact.size > 1 else math.nan
    if math.isfinite(factor) and factor and (after := distance(value, exact * factor)) <= limit:
        return Cause("factor", f"{of}on the left is {_factor(factor, exact.shape)} times the right's", before, after)
    trials = [("transposed", "transposed", np.swapaxes(exact, -1, -2))] if exact.ndim > 1 else []
    trials += [("reversed", f"reversed along axis {d}", np.flip(exact, d)) for d in range(exact.ndim)]
    for name, text, other in trials:
        if other.shape == value.shape and (after := distance(value, other)) <= limit:
            return Cause(name, f"{of}with the right's {text}", before, after)
    shift = float((got - exact).mean())
    if exact.size > 1 and (after := distance(value, exact + shift)) <= limit:
        return Cause("shift", f"{of}on the left is the right's plus {shift:g}", before, after)
    return None


def _factor(factor: float, shape: tuple[int, ...]) -> str:
    """The factor, with its meaning where a size of the array gives it one."""
    known = {f"the batch {shape[0]}": shape[0], f"1 / {shape[0]}, one over the batch": 1 / shape[0]} if shape else {}
    known |= {
        f"{math.prod(shape)}": math.prod(shape),
        f"1 / {math.prod(shape)}, one over the elements": 1 / math.prod(shape),
    }
    for n in shape[-1:] if shape else ():
        known |= {f"sqrt({n})": math.sqrt(n), f"1 / sqrt({n})": 1 / math.sqrt(n)}
    return next((text for text, size in known.items() if math.isclose(size, factor, rel_tol=1e-5)), f"{factor:.6g}")


def initial_values(value: np.ndarray, truth: np.ndarray) -> Cause | None:
    """Which initializer the left's values look like, given the right's from the same seed."""
    if value.shape != truth.shape or value.size < 2:
        return None
    ours, theirs = value.astype(np.float64), truth.astype(np.float64)
    if not ours.any():
        return Cause("init", "the left starts at zeros, the right does not")
    fan_out, fan_in = (value.shape[0], math.prod(value.shape[1:])) if value.ndim > 1 else (value.size, value.size)
    bounds = {
        "Glorot uniform, bound sqrt(6 / (fan_in + fan_out))": math.sqrt(6 / (fan_in + fan_out)),
        "He uniform, bound sqrt(6 / fan_in)": math.sqrt(6 / fan_in),
        "LeCun uniform, bound sqrt(3 / fan_in)": math.sqrt(3 / fan_in),
        "uniform with bound 1 / sqrt(fan_in), torch's": 1 / math.sqrt(fan_in),
        "uniform with bound 1 / sqrt(fan_out)": 1 / math.sqrt(fan_out),
    }
    usable = np.abs(theirs) > 1e-3 * np.abs(theirs).max() if theirs.any() else np.zeros_like(theirs, bool)
    if usable.any():
        factor = float(np.median(ours[usable] / theirs[usable]))
        if np.allclose(ours, factor * theirs, rtol=1e-5, atol=1e-6 * np.abs(ours).max()):
            own = 1 / math.sqrt(fan_in)
            names = [name for name, bound in bounds.items() if math.isclose(bound / own, abs(factor), rel_tol=1e-4)]
            looks = f": {names[0]}" if names and value.ndim > 1 else ""
            return Cause(
                "init", f"the left's values are {factor:.6g} times the right's, from the same random numbers{looks}"
            )
    spread = float(ours.std())
    near = {name: bound / math.sqrt(3) for name, bound in bounds.items()} | {
        "N(0, 1)": 1.0, "N(0, 0.02²)": 0.02, "He normal": math.sqrt(2 / fan_in),
        "Glorot normal": math.sqrt(2 / (fan_in + fan_out)),
    }  # fmt: skip
    name, size = min(near.items(), key=lambda item: abs(math.log(item[1] / spread)))
    looks = f", nearest to {name}" if abs(math.log(size / spread)) < 0.2 else ""
    return Cause(
        "init", f"other values from the same seed: standard deviation {spread:.3g} against {theirs.std():.3g}{looks}"
    )
