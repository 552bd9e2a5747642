"""An engine: one implementation of the components, the conversion of numbers into and out of it, and its random
generator.

Code that runs "the same thing on both" takes engines and calls these methods; it never asks which engine it has. To add
an engine, add a class here.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Self

import numpy as np
import torch

import scratch
import torch_impl
from parity_tests.built import Built
from parity_tests.nests import map_nest
from parity_tests.table.versions import in_force


@dataclass(frozen=True, eq=False)
class Engine:
    """What both engines have.

    name       how reports call it
    lib        its package, with torch's names below it: nn, optim, manual_seed, no_grad
    random     its random functions, those in place too: rand, randperm, uniform_ ...
    dtypes     the namespace of its dtypes: float32, float64 ...
    stand_ins  classes that replace those of the package, by dotted name: this is how planted bugs are tested
    """

    name: str
    lib: Any
    random: Any
    dtypes: Any
    stand_ins: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    # --- components ---------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Any:
        """The component that the package has under a dotted name: "nn.Linear"."""
        return self.stand_ins.get(name) or find(self.lib, name)

    def replacing(self, name: str, kind: Any) -> Self:
        """The same engine with another class under a dotted name."""
        return replace(self, stand_ins={**self.stand_ins, name: kind})

    def factory(self, dtype: Any = "float32") -> dict[str, Any]:
        """The keyword argument of layers that sets their precision."""
        return {"dtype": getattr(self.dtypes, np.dtype(dtype).name)}

    def build(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], dtype: Any) -> Any:
        """A component in this precision, with its parameters where the engine computes; Built arguments are built."""
        raise NotImplementedError

    def _arguments(self, nest: Any, dtype: Any) -> Any:
        built = lambda leaf: self.build(leaf.name, leaf.args, leaf.kwargs, dtype) if isinstance(leaf, Built) else leaf  # noqa: E731
        return map_nest(built, nest)

    def placed(self, module: Any) -> Any:
        """The module, with its parameters where the engine computes."""
        return module

    # --- numbers ------------------------------------------------------------------------------------------------------

    def native(self, array: Any) -> Any:
        """What the engine computes with: a copy of an array, its strides kept. They decide where random numbers are
        placed.
        """
        raise NotImplementedError

    def native_view(self, array: np.ndarray) -> Any:
        """The same, sharing the array's memory."""
        raise NotImplementedError

    def array(self, value: Any) -> np.ndarray:
        """A copy of the numbers of a native array, a parameter or a number."""
        return np.array(self.array_view(value))

    def array_view(self, value: Any) -> np.ndarray:
        """The same, sharing memory if the value is in the CPU's memory."""
        raise NotImplementedError

    def holds(self, value: Any) -> bool:
        """Whether this is a native array."""
        raise NotImplementedError

    def parameter(self, array: Any) -> Any:
        return self.lib.nn.Parameter(self.native(array))

    def carry(self, nest: Any, source: Engine) -> Any:
        """A copy of nested values of another engine, such as a state_dict, with its arrays as this engine's."""
        return map_nest(
            lambda leaf: self.native(source.array_view(leaf)) if source.holds(leaf) else copy.deepcopy(leaf), nest
        )

    # --- random numbers, gradients ------------------------------------------------------------------------------------

    def seed(self, seed: int) -> None:
        self.lib.manual_seed(seed)

    def state(self) -> np.ndarray:
        """The state of the global generator."""
        return self.array(self.random.get_rng_state())

    def set_state(self, state: np.ndarray) -> None:
        self.random.set_rng_state(self.native(state))

    def no_grad(self) -> AbstractContextManager[Any]:
        return self.lib.no_grad()

    @contextmanager
    def fast_path(self, enabled: bool) -> Iterator[None]:
        """Whether attention in eval mode without gradients takes torch's fast path."""
        before = self.attention.get_fastpath_enabled()
        self.attention.set_fastpath_enabled(enabled)
        try:
            yield
        finally:
            self.attention.set_fastpath_enabled(before)

    @property
    def attention(self) -> Any:
        """The namespace of the option that turns the fast path off."""
        raise NotImplementedError


class Scratch(Engine):
    """NumPy, with its own backward."""

    def build(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], dtype: Any) -> Any:
        """Scratch has no global default dtype: layers with parameters take it as an argument."""
        kind = self.find(name)
        args, kwargs = self._arguments((args, kwargs), dtype)
        given = {"dtype": np.dtype(dtype), **kwargs} if _takes_dtype(kind) else kwargs
        return kind(*args, **given)

    def native(self, array: Any) -> np.ndarray:
        return np.array(array)

    def native_view(self, array: np.ndarray) -> np.ndarray:
        return array

    def array_view(self, value: Any) -> np.ndarray:
        return value.data if isinstance(value, scratch.nn.Parameter) else np.asarray(value)

    def holds(self, value: Any) -> bool:
        return isinstance(value, np.ndarray)

    @property
    def attention(self) -> Any:
        return scratch.nn.attention


@cache
def _takes_dtype(kind: Any) -> bool:
    return "dtype" in inspect.signature(kind).parameters


class TorchRandom:
    """Torch's random functions, those in place as functions of a tensor."""

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_") and not name.startswith("_"):
            return lambda x, *arguments: getattr(x, name)(*arguments)
        return getattr(torch, name)


@dataclass(frozen=True, eq=False)
class Torch(Engine):
    """PyTorch, with autograd's backward, on a device."""

    device: str = "cpu"

    def on(self, device: str) -> Torch:
        return replace(self, device=device)

    def seed(self, seed: int) -> None:
        """On the CPU only its generator: torch.manual_seed also formats the stack for each kind of absent device."""
        if self.device == "cpu":
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    def build(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], dtype: Any) -> Any:
        args, kwargs = self._arguments((args, kwargs), dtype)
        with default_dtype(self.factory(dtype)["dtype"]):
            return self.placed(self.find(name)(*args, **kwargs))

    def placed(self, module: Any) -> Any:
        return module.to(self.device)

    def native(self, array: Any) -> torch.Tensor:
        array = np.asarray(array)
        tensor = torch.tensor(array, device=self.device)
        if array.flags.c_contiguous:
            return tensor
        strides = tuple(stride // array.itemsize for stride in array.strides)
        if tensor.stride() == strides:
            return tensor
        return torch.empty_strided(array.shape, strides, dtype=tensor.dtype, device=self.device).copy_(tensor)

    def native_view(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array)

    def array_view(self, value: Any) -> np.ndarray:
        return value.numpy(force=True) if isinstance(value, torch.Tensor) else np.asarray(value)

    def holds(self, value: Any) -> bool:
        return isinstance(value, torch.Tensor)

    @property
    def attention(self) -> Any:
        return torch.backends.mha


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Torch makes parameters in this precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def find(package: Any, name: str) -> Any:
    """scratch.nn.Linear from (scratch, "nn.Linear")."""
    for part in name.split("."):
        package = getattr(package, part)
    return package


SCRATCH = Scratch("scratch", scratch, scratch.random, np)
# the installed torch, and the reference for scratch: where this release differs, the newest one
TORCH = Torch("torch", torch_impl, TorchRandom(), torch)
REFERENCE = replace(TORCH, stand_ins={change.component: change.newest for change in in_force()})
ENGINES: dict[str, Engine] = {engine.name: engine for engine in (SCRATCH, TORCH)}
