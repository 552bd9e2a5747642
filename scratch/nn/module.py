"""Module: what every layer is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import get_ident
from typing import Any, TypeVar

import numpy as np

from scratch.arguments import check_fits_call, checked_options, plain
from scratch.arrays import fault_of
from scratch.grad_mode import is_grad_enabled
from scratch.nn.inputs import PLAIN, check_inputs, own_names
from scratch.nn.parameter import Parameter
from scratch.nn.quiet import quiet, quiet_backward
from scratch.nn.saved import Saved, check_cotangent, kind_of
from scratch.nn.state import IncompatibleKeys, matched


class Module:
    """A function with parameters that knows its own derivative.

    A layer is two methods, one next to the other:

        def forward(self, x):                  def backward(self, dy):
            y = ...                                x = self.take(dy)
            return self.save(y, x)                 self.weight.accumulate(...)
                                                   return dx

    `forward` ends by saving what `backward` needs in `self.saved`, of which every thread has its own. `backward` takes
    dL/dy, one cotangent per output, adds dL/dw into each `Parameter.grad`, and returns dL/dx, one gradient per floating
    input. `take` empties the slot, so one forward serves one backward, and memory is returned as the backward proceeds.

    Registration needs no magic: a Parameter, a Module, or an array passed to `register_buffer`, is found among the
    instance's attributes, in the order in which they were set. That order is torch's, so names and `state_dict` match.

    NaN and infinity travel as in torch: NumPy does not warn of them, nor of what overflows, inside forward and backward
    of scratch's own layers. In your own subclass, use np.errstate.
    """

    training: bool = True
    needs_input_grad: bool = True
    has_default_cotangent: bool = False  # whether backward() without a cotangent means 1, as a loss's does
    _dtypes: frozenset[np.dtype] = PLAIN  # of inputs that need no second look
    _buffer_names: tuple[str, ...] = ()
    _not_persistent: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """What every layer of scratch does, and every method that a subclass inherits or calls.

        The arguments of its constructor are checked and become plain numbers, and it computes without NumPy's warnings.
        """
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("scratch."):
            for name, guard in (("__init__", checked_options), ("forward", quiet), ("backward", quiet_backward)):
                if name in vars(cls):
                    setattr(cls, name, guard(vars(cls)[name]))

    def __setattr__(self, name: str, value: Any) -> None:
        """An option of scratch's own layers that is assigned later is a plain number too."""
        if isinstance(value, np.generic) and name not in self._buffer_names:
            value = plain(value) if type(self).__module__.startswith("scratch.") else value
        object.__setattr__(self, name, value)

    # --- computing ------------------------------------------------------------------------------------------------

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if options:
            options = own_names(type(self).forward, options)
        for x in (*inputs, *options.values()) if options else inputs:
            if type(x) is not np.ndarray or x.dtype not in self._dtypes:
                self.look_twice(inputs, options)
                break
        try:
            return self.forward(*inputs, **options)
        except TypeError:
            check_fits_call(type(self).__name__, self.forward, inputs, options)
            raise

    def look_twice(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Refuse what is no plain array, if one of a call's inputs is no array of the usual dtypes."""
        check_inputs(self, inputs, options)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define forward(self, x).")

    def backward(self, *cotangents: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define backward(self, dy).")

    @property
    def saved(self) -> Saved | None:
        """What the last forward of this thread left for its backward: every thread has its own slot."""
        slots: dict[int, Saved] | None = vars(self).get("_slots")
        return slots.get(get_ident()) if slots else None

    @saved.setter
    def saved(self, saved: Saved | None) -> None:
        slots: dict[int, Saved] = vars(self).setdefault("_slots", {})
        if saved is None:
            slots.pop(get_ident(), None)
        else:
            slots[get_ident()] = saved

    def save(self, output: Any, *values: Any) -> Any:
        """Keep `values` for backward, note the output's shape and dtype, and return the output.

        Inside `no_grad()` nothing is kept, and what an earlier forward kept is dropped.
        """
        if is_grad_enabled():
            slots = self.__dict__.get("_slots")
            if slots is None:
                slots = self.__dict__.setdefault("_slots", {})
            slots[get_ident()] = Saved(kind_of(output), values)
        else:
            self.saved = None
        return output

    def take(self, cotangent: Any = None) -> Any:
        """Empty the slot and return what `save` kept: one value as it is, several as a tuple.

        A cotangent, if given, must have the shape and dtype of the output (None means zero).
        """
        slots = self.__dict__.get("_slots") or {}
        owner = get_ident()
        saved = slots.get(owner)
        if saved is None and len(slots) == 1:  # the only forward ran in another thread
            owner, saved = next(iter(slots.items()))
        if saved is None:
            raise RuntimeError(
                f"{self}.backward: there is nothing saved. Either no forward ran, or it ran inside no_grad(), or this "
                "is the second backward of one forward. Call the layer again before each backward."
            )
        if cotangent is not None:
            check_cotangent(self, cotangent, saved.output)
        elif isinstance(saved.output, tuple) and not self.has_default_cotangent:
            raise RuntimeError(f"{self}.backward: the cotangent is None. Pass dL/dy, of the output's shape and dtype.")
        del slots[owner]
        values = saved.values
        return values[0] if len(values) == 1 else values

    def forget(self) -> None:
        """Drop what forward saved, here and in all submodules, when no backward will follow."""
        for module in self.modules():
            module.saved = None

    # --- parameters, buffers and submodules -------------------------------------------------------------------------

    def new_parameter(self, *shape: int, dtype: Any) -> Parameter:
        """A parameter of this shape whose values have not been drawn yet."""
        name = type(self).__name__
        if min(shape, default=0) < 0:
            raise RuntimeError(f"{name}: a weight's sizes must not be negative, got {shape}. Check the constructor's.")
        try:
            return Parameter(np.empty(shape, dtype))
        except (ValueError, MemoryError):
            raise RuntimeError(f"{name}: there is not enough memory for a weight of shape {shape}.") from None

    def register_buffer(self, name: str, tensor: np.ndarray | None, persistent: bool = True) -> None:
        """An array that is state but not trained, such as a running mean. Update it in place."""
        if not isinstance(tensor, np.ndarray | np.generic | None):
            kind = type(tensor).__name__
            raise TypeError(f"{type(self).__name__}.register_buffer: {name} must be an array or None, got {kind}.")
        if tensor is not None and (wrong := fault_of(tensor)):
            raise TypeError(f"{type(self).__name__}.register_buffer: {name} must be a plain array, got {wrong}")
        self._buffer_names = (*self._buffer_names, name)
        if not persistent:
            self._not_persistent = (*self._not_persistent, name)
        setattr(self, name, tensor)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules, each once."""
        yield from _unique((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def children(self) -> Iterator[Module]:
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """Every module below this one and itself, parents first, with dotted names."""
        modules = self._walk(prefix)
        yield from _unique(modules) if remove_duplicate else modules

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield from value._walk(_join(prefix, name))

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Dotted names and parameters; a parameter shared by two layers appears once, unless remove_duplicate=False."""
        parameters = (
            (_join(path, name), value)
            for path, module in (self._walk(prefix) if recurse else [(prefix, self)])
            for name, value in vars(module).items()
            if isinstance(value, Parameter)
        )
        yield from _unique(parameters) if remove_duplicate else parameters

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, np.ndarray]]:
        buffers = (
            (_join(path, name), getattr(module, name))
            for path, module in (self._walk(prefix) if recurse else [(prefix, self)])
            for name in module._buffer_names
            if getattr(module, name) is not None
        )
        yield from _unique(buffers) if remove_duplicate else buffers

    def buffers(self, recurse: bool = True) -> Iterator[np.ndarray]:
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    # --- state ------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Name to array, in torch's order and with torch's names. The arrays are the live ones: copy to keep them."""
        state: dict[str, np.ndarray] = {}
        for path, module in self._walk(""):
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    state[_join(path, name)] = value.data
            for name in module._buffer_names:
                if getattr(module, name) is not None and name not in module._not_persistent:
                    state[_join(path, name)] = getattr(module, name)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy arrays (or torch's CPU tensors) into the parameters and buffers of the same names.

        All names and shapes are checked first; on an error nothing has changed.
        """
        own = self.state_dict()
        arrays, incompatible = matched(f"{type(self).__name__}.load_state_dict", own, state_dict, strict)
        for name, array in arrays.items():
            own[name][...] = array
        return incompatible

    # --- modes ------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Set training mode, here and below. It changes what dropout and batch normalization compute."""
        if not isinstance(mode, bool):
            raise ValueError(f"{type(self).__name__}.train: mode must be True or False, got {mode!r}.")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        return self.train(False)

    def requires_input_grad_(self, requires_input_grad: bool = True) -> Module:
        """True by default. The gradient of training data is rarely used; set False to skip computing it.

        After `net.requires_input_grad_(False)`, `net.backward(dy)` may return None and need not compute dx, which for
        784-128-10 is a third of all multiplications. Sequential passes this on to its first layers; Linear and the
        convolutions skip the product; cheap gradients are computed anyway. torch reads the input's `requires_grad`
        instead, which is False by default; NumPy arrays have no such flag.
        """
        self.needs_input_grad = requires_input_grad
        return self

    def zero_grad(self) -> None:
        """Forget all gradients: every `grad` becomes None."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call `fn` on every module, children first."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # --- printing -----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The text between the parentheses of the layer's repr."""
        return ""

    def __repr__(self) -> str:
        children = [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in children]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self.extra_repr()
        return f"{type(self).__name__}({inside})"


T = TypeVar("T")


def _unique(named: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Each object once, under the first of its names."""
    seen: set[int] = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
