"""Optimizers, compared step by step on the same gradients.

The gradients are those of the right side's training. Both optimizers get them three times: on the original parameters;
on parameters that start at zero, which are sums of updates, so that a tiny one is judged at its own size; and the same
with the rate dropped to a tenth on the way, which distinguishes forms of momentum that agree at a constant rate. The
truth is the right side's optimizer in float64; U its own float32 error over five draws of gradients.

The two sides also train freely, each with its own gradients; their losses are reported, not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer.case import Case
from parity_tests.comparer.conventions.optimizers import SAMPLE, Trajectory, explain
from parity_tests.comparer.findings import Cause, Measurement, first_element
from parity_tests.comparer.optimizers import distances, entries, make, needs_closure, rate, set_gradient, take_step
from parity_tests.comparer.side import Side
from parity_tests.comparer.torch_side import TorchSide
from parity_tests.comparer.training import train_freely
from parity_tests.comparer.values import Numbers, moved
from parity_tests.rule import DRAWS, float32_limit, ulp

DROP = 0.5  # the rate drops to a tenth after this fraction of the steps


@dataclass(frozen=True)
class Pass:
    """One way to run an optimizer over the recorded gradients."""

    text: str
    zeros: bool
    drop: bool


PASSES = (
    Pass("", False, False),
    Pass("from parameters at zero, where updates show at their own size", True, False),
    Pass("from zero with the rate dropped to a tenth on the way", True, True),
)


def compare_steps(case: Case, optimizer: Any, steps: int) -> None:
    """Adds measurements of every step to the report."""
    makers = optimizer if isinstance(optimizer, tuple | list) else (optimizer, optimizer)
    starts = {name: np.array(value) for name, value in case.right.state().items()}
    free, gradients = train_freely(case, makers, steps)
    gradients = [g for g in gradients if g]
    if not gradients:
        case.report.measurements += free
        case.report.not_compared("the optimizers: there are no gradients")
        return
    starts = {name: starts[name] for name in gradients[0]}
    judge_ = Judge(case, makers, starts, gradients)
    if judge_.can_replay():
        for way in PASSES:
            if not way.drop or (steps >= 3 and judge_.can_drop()):
                judge_.run(way)
        judge_.close()
    case.report.measurements += free


class Judge:
    """Optimizers of both sides in lockstep, so that no trajectory has to be kept."""

    def __init__(self, owner: Case, makers: Any, starts: Numbers, gradients: list[Numbers]) -> None:
        self.owner, self.makers, self.starts, self.gradients = owner, makers, starts, gradients
        self.kind = ""
        self.lr: float | None = None
        self.failures: dict[str, tuple[tuple[bool, int, bool], Measurement]] = {}
        self.agreed: dict[str, Measurement] = {}
        self.passes: list[Pass] = []
        self.optimizer: Any = None
        self.limits: dict[tuple[Pass, str], float] = {}

    def can_replay(self) -> bool:
        """Whether both optimizers take given gradients."""
        if any(needs_closure(make(maker, self.parameters(i))) for i, maker in enumerate(self.makers)):
            self.owner.report.note("the optimizer computes gradients itself (closure): compared only in free training")
            return False
        return True

    def can_drop(self) -> bool:
        """Whether the tool can lower the rate on both sides: lowering it on one side would itself make a difference."""
        left, right = (make(maker, self.parameters(i)) for i, maker in enumerate(self.makers))
        lr = right.param_groups[0].get("lr") if getattr(right, "param_groups", None) else None
        self.lr = float(lr) if isinstance(lr, int | float | np.floating | torch.Tensor) else None
        if rate(left, self.lr) is None or rate(right, self.lr) is None:
            text = "the optimizers were not compared at a falling rate: the left's rate was not found"
            self.owner.report.note(text)
            return False
        return True

    def parameters(self, i: int) -> list[Any]:
        """Parameters of one side's kind, with the numbers of the start."""
        return list(self._parameters((self.owner.left, self.owner.right)[i], self.starts).values())

    @staticmethod
    def _parameters(side: Side, values: Numbers) -> dict[str, Any]:
        if isinstance(side, TorchSide):
            return {name: torch.nn.Parameter(torch.from_numpy(np.array(v))) for name, v in values.items()}
        return {name: scratch.nn.Parameter(np.array(v)) for name, v in values.items()}

    def run(self, way: Pass) -> None:
        """First the right side's own error over the draws, then the left side's against the limits that follow."""
        self.passes.append(way)
        u: list[dict[str, float]] = [{} for _ in self.gradients]
        left, right = self.owner.left, self.owner.right
        for draw in range(DRAWS):
            rough, exact = (self.walk(self.makers[1], right, way, dtype, draw) for dtype in (np.float32, np.float64))
            largest: dict[str, float] = {}
            for t, ((ours, _), (truth, _)) in enumerate(zip(rough, exact, strict=True)):
                for what, error in distances(ours, truth, ours, largest).items():
                    u[t][what] = max(u[t].get(what, 0.0), u[t - 1].get(what, 0.0) if t else 0.0, error)
        rough, exact = (self.walk(self.makers[1], right, way, dtype) for dtype in (np.float32, np.float64))
        largest = {}
        walks = zip(self.walk(self.makers[0], left, way, np.float32), rough, exact, strict=True)
        for t, ((ours, _), (like, self.optimizer), (truth, _)) in enumerate(walks):
            self.kind = type(self.optimizer).__name__
            for what, error in distances(ours, truth, like, largest).items():
                limit = float32_limit(u[t].get(what, 0.0))
                self.limits[way, what] = limit
                self.judge(way, t, what, error, limit, ours, truth, largest)

    def judge(
        self,
        way: Pass,
        t: int,
        what: str,
        error: float,
        limit: float,
        ours: Numbers,
        truth: Numbers,
        largest: dict[str, float],
    ) -> None:
        """The first step at which a parameter or state entry diverges; if it agrees, its worst step."""
        entry, _, name = what.partition(" ")
        line = self.owner.report.steps[t]
        if error / limit >= line.error / line.limit:
            line.error, line.limit, line.what = error, limit, f"{entry} of {name}"
        m = Measurement(name, self.kind, "step", f"{entry} after step {t + 1}", error, limit, note=way.text)
        if m.ok:
            kept = self.agreed.setdefault(what, m)
            self.agreed[what] = m if error / limit > kept.error / kept.limit else kept
            return
        order = way.drop, t, entry == "theta"
        if what in self.failures and self.failures[what][0] <= order:
            return
        if ours[what].shape == truth[what].shape:
            own = ulp(truth[what].astype(np.float64), np.float32) if truth[what].size else 1.0
            m.first = first_element(ours[what], truth[what], limit * largest.get(what, own) / own)
        self.failures[what] = order, m

    def close(self) -> None:
        """Add the measurements to the report, with the cause of each divergence."""
        measured = self.owner.report.measurements
        measured += [m for what, m in self.agreed.items() if what not in self.failures]
        failures = [m for _, m in sorted(self.failures.values(), key=lambda item: item[0])]
        if failures:
            cause = self.explain(failures[0].where)
            for m in failures:
                m.cause = cause
        measured += failures

    def walk(self, maker: Any, side: Side, way: Pass, dtype: Any, draw: int = 0) -> Iterator[tuple[Numbers, Any]]:
        """Parameters and state after every step, on separate parameters. The arrays are live."""
        values = {name: np.zeros(v.shape, dtype) if way.zeros else v.astype(dtype) for name, v in self.starts.items()}
        parameters = self._parameters(side, values)
        optimizer = make(maker, list(parameters.values()))
        drop = rate(optimizer, self.lr) if way.drop else None
        rng = np.random.default_rng([self.owner.seed, draw])
        for t, found in enumerate(self.gradients):
            if drop is not None and t == int(DROP * len(self.gradients)):
                drop(0.1)
            found = moved(found, rng) if draw else found
            for name, parameter in parameters.items():
                set_gradient(parameter, found.get(name))
            take_step(optimizer)
            yield dict(entries(optimizer, parameters, dtype)), optimizer

    def explain(self, name: str) -> Cause | None:
        """The deviation of the rule that gives what the left gives, in all passes, for the parameter named."""
        if not getattr(self.optimizer, "param_groups", None) or not all(name in g for g in self.gradients):
            return None
        options = {key: value for key, value in self.optimizer.param_groups[0].items() if key != "params"}
        lr = float(options["lr"]) / (0.1 if self.passes[-1].drop else 1)  # the last pass has dropped it
        what, steps = f"theta {name}", len(self.gradients)
        gradients = np.stack([g[name].astype(np.float64).ravel() for g in self.gradients])
        some = np.unique(np.linspace(0, gradients.shape[1] - 1, SAMPLE).astype(int)) if gradients.size else slice(None)
        paths = []
        for way in self.passes:
            ours, truth = (
                np.stack(
                    [np.array(n[what], np.float64).ravel() for n, _ in self.walk(self.makers[i], side, way, dtype)]
                )
                for i, (side, dtype) in enumerate(((self.owner.left, np.float32), (self.owner.right, np.float64)))
            )
            sizes = np.maximum.accumulate([ulp(values, np.float32) for values in truth])
            rates = np.full(steps, lr)
            rates[int(DROP * steps) if way.drop else steps :] *= 0.1
            start = np.zeros(gradients.shape[1]) if way.zeros else self.starts[name].astype(np.float64).ravel()
            limits = sizes * self.limits[way, what]
            paths.append(Trajectory(start[some], rates, ours[:, some], truth[:, some], limits))
        return explain(self.kind, options, gradients[:, some], paths)
