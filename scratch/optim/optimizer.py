"""Optimizer: parameter groups, flat buffers, and state in torch's layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from scratch.arguments import PLAIN, plain, plain_options
from scratch.nn.module import Parameter
from scratch.optim.flat import Flat, Run, State
from scratch.optim.saved import Shapes, check_saved


class Optimizer:
    """What all update rules share.

    A rule is a class with a docstring and two methods: `__init__` checks the hyperparameters and hands them over as
    `defaults`; `update(group, run)` is the rule, written once for 1-D arrays (see Run). `group` holds the
    hyperparameters, which a scheduler may change between steps.

    Building an optimizer moves its parameters into flat buffers. A parameter belongs to the optimizer built last; an
    older one that still holds it raises on its next step. A parameter whose `grad` is None is skipped entirely, as in
    torch: no decay, no state, no step count.

    param_groups  a list of dicts: "params" and the hyperparameters
    state         parameter -> name -> array or number; arrays are views of the flat buffers
    scalars       names of the state that has one number per parameter
    vectors       names of the state that has one value per weight
    fading        those vectors that decay towards 0 without a gradient and may be set to 0

    torch's execution options (foreach, fused, capturable, differentiable, tensor lr, hooks) have no counterpart.
    """

    scalars: tuple[str, ...] = ("step",)
    vectors: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()  # of the vectors, those that only some options need
    fading: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """The constructors of scratch's own rules receive NumPy scalars as Python numbers."""
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("scratch.") and "__init__" in vars(cls):
            cls.__init__ = plain_options(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Parameter | np.ndarray) or not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: params must be a list or iterable of Parameters or dicts, got {type(params).__name__}."
            )
        self.defaults = defaults
        self.state: State = {}
        self.param_groups: list[dict[str, Any]] = []
        self.flats: list[list[Flat]] = []  # for each group, one per dtype
        self.steps_taken = 0
        groups = list(params)
        if not groups:
            raise ValueError(f"{self._name}: got an empty parameter list. Does the model have parameters?")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    # --- one step -----------------------------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. A closure, if given, computes loss and gradients first."""
        if closure is not None and not callable(closure):
            raise TypeError(
                f"{self._name}.step: closure must be a function, got {type(closure).__name__}. The loss is not passed: "
                "backward has left its gradients in the parameters."
            )
        loss = None if closure is None else closure()
        self.steps_taken += 1
        with np.errstate(all="ignore"):  # infinities and NaN travel silently, as in torch
            for group, flats in zip(self.param_groups, self.flats, strict=True):
                plain_group(group)
                group["lr"] = float(group["lr"])
                for flat in flats:
                    flat.collect(f"{self._name}.step")
                    for run in flat.runs(self.state, self.scalars):
                        self.update(group, run)
                    if self.steps_taken % 64 == 0:
                        flat.flush(self.fading)
        return loss

    def update(self, group: dict[str, Any], run: Run) -> None:
        raise NotImplementedError(f"{self._name}: define update(self, group, run).")

    @staticmethod
    def gradient(group: dict[str, Any], run: Run) -> np.ndarray:
        """The direction to descend: the gradient, negated if `maximize`, plus weight_decay * theta.

        Decoupled weight decay shrinks theta instead. The gradient itself is never written to.
        """
        g, decay = run.grad, group.get("weight_decay", 0)
        if group["maximize"]:
            g = np.negative(g, out=run.scratch("g"))
        if decay != 0 and group.get("decoupled_weight_decay", False):
            run.theta *= 1 - group["lr"] * decay
        elif decay != 0:
            penalty = np.multiply(run.theta, decay, out=run.scratch("penalty"))
            g = np.add(g, penalty, out=run.scratch("g"))
        return g

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with set_to_none=False fill them with zeros, which still counts as a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.fill(0)

    # --- groups -------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with their own hyperparameters where they differ from the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"{self._name}: a parameter group must be a dict, got {type(param_group).__name__}.")
        if "params" not in param_group:
            raise KeyError(f"{self._name}: a parameter group needs the key 'params', got {sorted(param_group)}.")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(f"{self._name}: the order of a set changes from run to run. Pass a list of parameters.")
        if not isinstance(params, Parameter | Iterable):
            raise TypeError(f"{self._name}: 'params' must be a list of Parameters, got {type(params).__name__}.")
        entries = [params] if isinstance(params, Parameter) else list(params)
        names = [entry[0] for entry in entries if isinstance(entry, tuple)]
        parameters = [entry[1] if isinstance(entry, tuple) else entry for entry in entries]
        group = {**self.defaults, **param_group, "params": parameters}
        plain_group(group)
        if names:
            group["param_names"] = names
        self._check_group(group, names)
        self.param_groups.append(group)
        dtypes = dict.fromkeys(parameter.dtype for parameter in parameters)
        self.flats.append([Flat([p for p in parameters if p.dtype == dtype]) for dtype in dtypes])

    def _check_group(self, group: dict[str, Any], names: list[str]) -> None:
        parameters = group["params"]
        for parameter in parameters:
            if not isinstance(parameter, Parameter):
                raise TypeError(
                    f"{self._name}: only scratch Parameters can be optimized, got {type(parameter).__name__}. "
                    "Pass model.parameters()."
                )
            if parameter.dtype not in (np.float32, np.float64):
                raise RuntimeError(
                    f"{self._name}: only float32 and float64 parameters can be trained, got {parameter.dtype}. Half "
                    "precision would lose epsilon and small gradients; keep the data in float32."
                )
        if names and len(names) != len(parameters):
            raise ValueError(f"{self._name}: either all parameters of a group have names or none.")
        if any(("param_names" in group) != ("param_names" in other) for other in self.param_groups):
            raise ValueError(f"{self._name}: either all groups have named parameters or none.")
        if len(set(parameters)) != len(parameters):
            raise ValueError(
                f"{self._name}: a parameter appears twice in one group. torch warns and updates it twice per step; "
                "list it once."
            )
        if not set(parameters).isdisjoint(p for other in self.param_groups for p in other["params"]):
            raise ValueError(f"{self._name}: a parameter appears in more than one group.")

    # --- state --------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """State and groups in torch's layout, parameters numbered. Arrays are the live ones: copy to keep them."""
        numbers: dict[Any, int] = {}
        groups = []
        for group in self.param_groups:
            numbers |= {p: i for i, p in enumerate(group["params"], start=len(numbers))}
            packed = {key: value for key, value in group.items() if key != "params"}
            groups.append({**packed, "params": [numbers[p] for p in group["params"]]})
        state = {numbers.get(key, key): _as_arrays(entries) for key, entries in self.state.items() if entries}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a state_dict of this class or of torch's. On an error nothing has changed.

        As in torch, values take their parameter's dtype, except step counts, and the saved hyperparameters replace the
        current ones.
        """
        check_saved(f"{self._name}.load_state_dict", self, state_dict)
        saved = state_dict["param_groups"]
        ours = [p for group in self.param_groups for p in group["params"]]
        theirs = [number for group in saved for number in group["params"]]
        by_number = dict(zip(theirs, ours, strict=True))
        loaded: State = {}
        for number, entries in state_dict["state"].items():
            parameter = by_number.get(number, number)
            kept = {name: value for name, value in entries.items() if value is not None}
            loaded[parameter] = {name: self._convert(name, kept[name], parameter) for name in kept}
        self.state = loaded
        for flat in (flat for flats in self.flats for flat in flats):
            for i, parameter in enumerate(flat.parameters):
                for name in set(self.vectors).intersection(loaded.get(parameter, {})):
                    view = flat.view(flat.vector(name), i)
                    view[...] = loaded[parameter][name]
                    loaded[parameter][name] = view
        for group, other in zip(self.param_groups, saved, strict=True):
            group.update({key: value for key, value in other.items() if key != "params"})

    def state_shapes(self, shape: tuple[int, ...]) -> Shapes:
        """The shapes of the state of a parameter of this shape, by name; [shape] for a list of arrays."""
        return dict.fromkeys(self.vectors, shape) | dict.fromkeys(self.scalars, ())

    def needed_state(self, entries: Mapping[str, Any]) -> list[str]:
        """The names that the state of a parameter must have, if it has any."""
        return [*self.scalars, *(name for name in self.vectors if name not in self.optional)]

    def _convert(self, name: str, value: Any, parameter: Any) -> Any:
        """A saved value as a NumPy array or number; torch's CPU tensors convert themselves."""
        if isinstance(value, list | tuple):
            return [self._convert(name, part, parameter) for part in value]
        if not hasattr(value, "__array__"):
            return np.float32(value) if name in self.scalars else value
        array = np.array(np.asarray(value))
        if isinstance(parameter, Parameter) and name != "step":
            array = array.astype(parameter.dtype, copy=False)
        return array.reshape(())[()] if name in self.scalars else array

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: views cannot be copied as views, so the buffers are built again."""
        rebuilt = ("flats", "state", "param_groups")
        groups = [{**group, "params": list(group["params"])} for group in self.param_groups]
        kept = {key: value for key, value in vars(self).items() if key not in rebuilt}
        return {"kept": kept, "groups": groups, "state_dict": self.state_dict()}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        vars(self).update(saved["kept"], state={}, param_groups=[], flats=[])
        for group in saved["groups"]:
            self.add_param_group(group)
        self.load_state_dict(saved["state_dict"])

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def plain_group(group: dict[str, Any]) -> None:
    """The hyperparameters as Python numbers: an np.float64, which a schedule may set, would promote whole arrays."""
    for name, value in group.items():
        if type(value) not in PLAIN and name != "params":
            group[name] = plain(value)


def _as_arrays(nest: Any) -> Any:
    """NumPy scalars as 0-d arrays, the counterpart of torch's 0-d tensors."""
    if isinstance(nest, dict):
        return {key: _as_arrays(value) for key, value in nest.items()}
    if isinstance(nest, list):
        return [_as_arrays(value) for value in nest]
    return np.asarray(nest) if isinstance(nest, np.generic) else nest


def check_range(call: str, name: str, value: float, low: float = 0.0, high: float = math.inf) -> None:
    """Refuse a hyperparameter that is not a number, is NaN, or lies outside [low, high]."""
    if not isinstance(value, Real):
        raise TypeError(f"{call}: {name} must be a number, got {type(value).__name__}.")
    if not low <= value <= high:
        bounds = f"at least {low}" if high == math.inf else f"between {low} and {high}"
        raise ValueError(f"{call}: {name} must be {bounds}, got {value}.")


def check_betas(call: str, betas: tuple[float, float]) -> None:
    if not isinstance(betas, tuple | list):
        raise TypeError(f"{call}: betas must be two numbers, got {type(betas).__name__}.")
    if len(betas) != 2:
        raise IndexError(f"{call}: betas must be two numbers, got {len(betas)}.")
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"{call}: betas[{i}] must be at least 0 and less than 1, got {beta}.")
