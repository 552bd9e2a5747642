"""TorchOptimizer and TorchScheduler: a scratch optimizer and its schedule, which torch drives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch

import scratch
from torch_impl.bridge.module import TorchModule
from torch_impl.bridge.shared import as_array, as_tensor, on_cpu, same_memory


class TorchOptimizer(torch.optim.Optimizer):
    """A scratch optimizer that torch's schedulers and Lightning drive.

    The hyperparameters are those of `param_groups` here: a scheduler that sets their lr sets scratch's. `state_dict` is
    torch's layout, so a checkpoint can be continued by the torch twin, and the other way round. A step begins with the
    torch parameters' numbers and ends in them, also where torch has given a parameter other memory. `state` is
    scratch's, with shared memory: it can be read, and its arrays changed in place.

    Raises    RuntimeError where entries of the state are set or removed, or where the module has other parameters than
              those that it had, as after load_state_dict(assign=True): torch's optimizer would train the old ones.
    """

    def __init__(self, optimizer: scratch.optim.Optimizer, module: TorchModule) -> None:
        self.scratch_optimizer, self.module = optimizer, module
        self.pairs = module.pairs()
        self._views = self._find_views()
        twins = {id(parameter): twin for parameter, twin in self.pairs}
        groups = [{**group, "params": [twins[id(p)] for p in group["params"]]} for group in optimizer.param_groups]
        super().__init__(groups, dict(optimizer.defaults))

    def _find_views(self) -> list[np.ndarray]:
        """Where the scratch optimizer works, for each of the pairs; a parameter that it does not train stays."""
        flats = [flat for flats in self.scratch_optimizer.flats for flat in flats]
        views = {id(p): view for flat in flats for p, view in zip(flat.parameters, flat.views, strict=True)}
        return [views.get(id(parameter), parameter.data) for parameter, _ in self.pairs]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Only while it is built: the groups are those of the scratch optimizer.

        Raises    RuntimeError for a group that comes later.
        """
        if len(getattr(self, "param_groups", ())) >= len(self.scratch_optimizer.param_groups):
            raise RuntimeError(
                "TorchOptimizer: no group can be added. Add it to the scratch optimizer, and bridge that one anew."
            )
        super().add_param_group(param_group)

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle, together with the TorchModule that it trains: copied alone, it trains a copy."""
        own = {name: getattr(self, name) for name in ("scratch_optimizer", "module", "pairs")}
        return {**super().__getstate__(), "state": {}, **own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._views = self._find_views()

    @property  # type: ignore[override]
    def state(self) -> State:
        twins = dict(self.pairs)
        kept = {twins[p]: entries for p, entries in self.scratch_optimizer.state.items()}
        return State(
            (twin, {key: as_tensor(v) if isinstance(v, np.ndarray | np.generic) else v for key, v in entries.items()})
            for twin, entries in kept.items()
        )

    @state.setter
    def state(self, value: Any) -> None:
        if value or hasattr(self, "param_groups"):
            refuse_state()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if any(twin is not now for (_, twin), (_, now) in zip(self.pairs, self.module.pairs(), strict=True)):
            raise RuntimeError(
                "TorchOptimizer: the module has other parameters now, as after load_state_dict(assign=True) or "
                "module.weight = .... Build the optimizer anew, of them."
            )
        for group, own in zip(self.param_groups, self.scratch_optimizer.param_groups, strict=True):
            own.update({key: value for key, value in group.items() if key != "params"})
        self._take()
        loss = self.scratch_optimizer.step(None if closure is None else lambda: self._evaluate(closure))
        self._give()
        return loss

    def _evaluate(self, closure: Callable[[], Any]) -> Any:
        self._give()
        with torch.enable_grad():
            loss = closure()
        self._take()
        return loss

    def _take(self) -> None:
        """Numbers and gradients of torch's parameters into scratch's."""
        for (parameter, twin), view in zip(self.pairs, self._views, strict=True):
            parameter.data = view
            if not same_memory(twin, view):
                view[...] = as_array(twin)
            parameter.grad = None if twin.grad is None else twin.grad.numpy()

    @torch.no_grad()
    def _give(self) -> None:
        for (_, twin), view in zip(self.pairs, self._views, strict=True):
            if not same_memory(twin, view):
                twin.copy_(torch.from_numpy(view))

    def state_dict(self) -> dict[str, Any]:
        return _convert(self.scratch_optimizer.state_dict(), lambda x: torch.tensor(x), np.ndarray)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scratch_optimizer.load_state_dict(_convert(state_dict, on_cpu, torch.Tensor))
        self.pull_hyperparameters()

    def pull_hyperparameters(self) -> None:
        """Take over what was set on the scratch side."""
        for group, own in zip(self.param_groups, self.scratch_optimizer.param_groups, strict=True):
            group.update({key: value for key, value in own.items() if key != "params"})


class State(dict[Any, Any]):
    """What scratch keeps for each torch parameter. Entries are not set or removed here."""

    def __setitem__(self, parameter: Any, entries: Any) -> None:
        """Only what is there already, as Lightning sets it when it moves a state to the device where it is."""
        own = self.get(parameter, {})
        if entries.keys() != own.keys() or any(value is not own[key] for key, value in entries.items()):
            refuse_state()

    def clear(self) -> None:
        refuse_state()

    def __delitem__(self, parameter: Any) -> None:
        refuse_state()

    def pop(self, *_: Any) -> Any:
        refuse_state()


def refuse_state() -> NoReturn:
    raise RuntimeError(
        "TorchOptimizer: the state is kept by scratch. Change it in place or by load_state_dict, or build the "
        "optimizer anew for an empty one."
    )


class TorchScheduler(torch.optim.lr_scheduler.LRScheduler):
    """A scratch learning rate schedule of a TorchOptimizer, stepped by Lightning or by hand.

    Scratch computes the rates; they show in `param_groups` of the TorchOptimizer too. `state_dict` is the schedule's
    own, which torch's twin loads.
    """

    def __init__(self, scheduler: scratch.optim.lr_scheduler.LRScheduler, optimizer: TorchOptimizer) -> None:
        self.scratch_scheduler = scheduler
        self.optimizer: TorchOptimizer = optimizer
        optimizer.pull_hyperparameters()

    def step(self, epoch: int | None = None) -> None:
        self.scratch_scheduler.step(epoch)
        self.optimizer.pull_hyperparameters()

    def get_last_lr(self) -> list[float | torch.Tensor]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        return self.scratch_scheduler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scratch_scheduler.load_state_dict(state_dict)


def _convert(nest: Any, convert: Callable[[Any], Any], kind: type) -> Any:
    if isinstance(nest, dict):
        return {key: _convert(value, convert, kind) for key, value in nest.items()}
    if isinstance(nest, list):
        return [_convert(value, convert, kind) for value in nest]
    return convert(nest) if isinstance(nest, kind) else nest
