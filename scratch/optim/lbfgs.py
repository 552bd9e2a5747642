"""L-BFGS: a quasi-Newton method that remembers the last steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from scratch.arguments import check_numbers
from scratch.optim.flat import Flat
from scratch.optim.inplace import add_
from scratch.optim.optimizer import Optimizer, check_range, plain_group
from scratch.optim.saved import Shapes
from scratch.optim.strong_wolfe import Point, strong_wolfe
from scratch.products import dot


class LBFGS(Optimizer):
    """Limited-memory BFGS, for objectives without noise: call step(closure).

        d = -H g                       H approximates the inverse Hessian, from pairs s = θ' - θ, y = g' - g
        θ = θ + t d                    t = lr, or from a line search; in the first iteration t = min(1, 1/|g|_1) lr

    One step is up to max_iter iterations or max_eval evaluations. The closure clears the gradients, computes the loss
    and the gradients, and returns the loss. A step ends early when max |g| <= tolerance_grad, or when θ or the loss
    change, or would change, by less than tolerance_change.

    Options   params, an iterable of parameters, in one group; lr; max_iter and max_eval; tolerance_grad and
              tolerance_change; history_size, the number of pairs kept; line_search_fn; maximize.
    State     of the first parameter: func_evals and n_iter; d, t and H_diag; the memory old_dirs (y), old_stps (s) and
              ro (1 / y·s); al, prev_flat_grad and prev_loss.
    Why       H is never formed: two loops over the pairs apply it (Nocedal's two-loop recursion), starting from the
              multiple H_diag = y·s / y·y of the identity. Pairs with y·s <= 1e-10 would make H lose definiteness and
              are skipped.
    Differs   without line_search_fn="strong_wolfe" a step may be too long. SciPy's L-BFGS-B always searches.
    Torch     torch.optim.LBFGS; same names and defaults.
    Raises    ValueError for a negative lr, several groups or dtypes; RuntimeError for an unknown line search; TypeError
              without a closure.
    Source    Nocedal 1980; Liu, Nocedal 1989; Schmidt's minFunc.
    """

    scalars = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        maximize: bool = False,
    ) -> None:
        check_range("LBFGS", "lr", lr)
        check_numbers("LBFGS", max_iter=max_iter)
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {line_search_fn!r}.")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
            "maximize": maximize,
        }
        super().__init__(params, defaults)
        if len(self.flats) != 1 or len(self.flats[0]) != 1:
            raise ValueError("LBFGS: all parameters must be in one group and have the same dtype.")

    def state_shapes(self, shape: tuple[int, ...]) -> Shapes:
        """The state of the first parameter is that of all."""
        flat = self.flats[0][0].theta.shape
        lists: Shapes = {"old_dirs": [flat], "old_stps": [flat], "ro": [()]}
        numbers = ("func_evals", "n_iter", "t", "H_diag", "prev_loss")
        return {"d": flat, "prev_flat_grad": flat, **lists, **dict.fromkeys(numbers, ())}

    def needed_state(self, entries: Mapping[str, Any]) -> list[str]:
        return list(self.state_shapes(())) if entries.get("n_iter", 0) else ["func_evals", "n_iter"]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Up to max_iter iterations. Returns the loss of the first evaluation."""
        if closure is None:
            raise TypeError("LBFGS.step evaluates the loss several times; pass a closure that returns it.")
        if self.flats[0][0].theta.size == 0:
            raise RuntimeError("LBFGS.step: the parameters have no elements. Is the model empty?")
        self.steps_taken += 1
        with np.errstate(all="ignore"):
            plain_group(self.param_groups[0])
            return self._iterate(closure, self.flats[0][0], self.param_groups[0])

    def _iterate(self, closure: Callable[[], Any], flat: Flat, group: dict[str, Any]) -> Any:
        state = self.state.setdefault(flat.parameters[0], {"func_evals": 0, "n_iter": 0})
        theta, lr, tolerance_change = flat.theta, group["lr"], group["tolerance_change"]
        first_loss = closure()
        loss, g = self._minimized(first_loss, flat)
        evaluations = 1
        state["func_evals"] += 1
        if np.abs(g).max() <= group["tolerance_grad"]:
            return first_loss
        memory = dict(state)
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            self._set_direction(memory, g, group["history_size"], state["n_iter"] == 1)
            d, previous_loss = memory["d"], loss
            memory["prev_flat_grad"], memory["prev_loss"] = g, loss
            memory["t"] = t = min(1.0, 1.0 / np.abs(g).sum()) * lr if state["n_iter"] == 1 else lr
            slope = dot(g, d)
            if slope > -tolerance_change:
                break
            used = 0
            if group["line_search_fn"] is not None:
                evaluate = self._along(closure, flat, d)
                found, used = strong_wolfe(evaluate, t, d, Point(0, loss, g, slope), group["max_eval"] - evaluations)
                loss, g, memory["t"] = found.f, found.g, found.t
                add_(theta, d, found.t, np.empty_like(d))
            else:
                add_(theta, d, t, np.empty_like(d))
                if iteration != group["max_iter"]:
                    loss, g = self._minimized(closure(), flat)
                    used = 1
            evaluations += used
            state["func_evals"] += used
            if evaluations >= group["max_eval"] or np.abs(g).max() <= group["tolerance_grad"]:
                break
            if np.abs(d * memory["t"]).max() <= tolerance_change or abs(loss - previous_loss) < tolerance_change:
                break
        counts = {name: state[name] for name in ("func_evals", "n_iter")}
        state.update({**memory, **counts})
        return first_loss

    def _set_direction(self, memory: dict[str, Any], g: np.ndarray, history_size: int, first: bool) -> None:
        """Put the newest pair into the memory, and -H g into d."""
        if first:
            memory.update(d=-g, old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return
        ys, ss, ro = memory["old_dirs"], memory["old_stps"], memory["ro"]
        y, s = g - memory["prev_flat_grad"], memory["d"] * memory["t"]
        curvature = dot(y, s)
        if curvature > 1e-10:
            if history_size < 1:
                raise IndexError(f"LBFGS.step: history_size must be positive, got {history_size}.")
            for entries, new in ((ys, y), (ss, s), (ro, 1.0 / curvature)):
                if len(entries) == history_size:
                    entries.pop(0)
                entries.append(new)
            memory["H_diag"] = curvature / dot(y, y)
        alpha: list[Any] = [None] * max(history_size, len(ys))
        memory["al"] = alpha
        q, tmp = -g, np.empty_like(g)
        for i in reversed(range(len(ys))):
            alpha[i] = dot(ss[i], q) * ro[i]
            add_(q, ys[i], -alpha[i], tmp)
        r = q * memory["H_diag"]
        for i in range(len(ys)):
            beta = dot(ys[i], r) * ro[i]
            add_(r, ss[i], alpha[i] - beta, tmp)
        memory["d"] = r

    def _minimized(self, loss: Any, flat: Flat) -> tuple[float, np.ndarray]:
        """The loss, and a copy of the flat gradient with zeros where a parameter has none; negated to maximize."""
        flat.collect("LBFGS.step")
        for parameter, buffer in zip(flat.parameters, flat.buffers, strict=True):
            if parameter.grad is None:
                buffer.fill(0)
        if self.param_groups[0].get("maximize", False):
            return -float(loss), -flat.grad
        return float(loss), flat.grad.copy()

    def _along(
        self, closure: Callable[[], Any], flat: Flat, d: np.ndarray
    ) -> Callable[[Any], tuple[float, np.ndarray]]:
        """Loss and gradient at theta + t d as a function of t, which leaves theta unchanged."""
        start = flat.theta.copy()

        def evaluate(t: Any) -> tuple[float, np.ndarray]:
            add_(flat.theta, d, t, np.empty_like(d))
            loss, g = self._minimized(closure(), flat)
            flat.theta[...] = start
            return loss, g

        return evaluate
