"""What a TorchModule and its scratch modules held at the last forward, to see at a glance whether they still do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import torch

from scratch.nn import Module, Parameter
from torch_impl.bridge.shared import Known

if TYPE_CHECKING:
    from torch_impl.bridge.module import TorchModule

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
parts_of = itemgetter("scratch_module", "_parameters", "_buffers", "_modules", *HOOKS)


class Link(NamedTuple):
    """A parameter of scratch, what torch has for it, and the array that both show."""

    parameter: Parameter
    tensor: torch.Tensor
    known: Known


def refuse_double(name: str) -> NoReturn:
    raise RuntimeError(
        f"TorchModule: {name} shares its array with another layer in scratch, but torch has two tensors for them now. "
        "Tie them in torch too, or build the scratch module without sharing."
    )


class Seen:
    """All links of the parameters, each once, and all that they follow from. `holders` are parents first.

    `doubles` are the names where torch has a second tensor, with the same memory, for a parameter that scratch shares.

    Everything is compared by identity, in few calls: looking through the modules takes three times as long.
    """

    def __init__(
        self,
        links: list[Link],
        holders: Sequence[TorchModule],
        doubles: Sequence[tuple[str, torch.Tensor, torch.Tensor]] = (),
    ) -> None:
        self.links = links
        self.doubles = doubles
        self.modules: list[Module] = [holder.scratch_module for holder in holders]
        self._holders = [vars(holder) for holder in holders]
        self._parts = [part for holder in self._holders for part in parts_of(holder)]
        self._hooks = [holder[name] for holder in self._holders[1:] for name in HOOKS]  # torch runs the outermost's
        self._dicts: list[dict[str, Any]] = [
            held
            for holder in holders
            for held in (vars(holder.scratch_module), holder._parameters, holder._buffers, holder._modules)
        ]
        self._lengths = list(map(len, self._dicts))
        self._values = list(chain.from_iterable(map(dict.values, self._dicts)))
        self._buffers = [
            (vars(holder.scratch_module), name, array, tensor, holder._known[name])
            for holder in holders
            for name, tensor in holder._buffers.items()
            if tensor is not None and (array := vars(holder.scratch_module).get(name)) is not None
        ]

    def holds(self) -> bool:
        """Whether nothing was replaced on either side, and all memory is shared still; its numbers may have changed."""
        return (
            list(map(len, self._dicts)) == self._lengths
            and all(map(is_, self._values, chain.from_iterable(map(dict.values, self._dicts))))
            and all(map(is_, self._parts, chain.from_iterable(map(parts_of, self._holders))))
            and not any(self._hooks)
            and all(known.shows(tensor, parameter.data) for parameter, tensor, known in self.links)
            and all(known.shows(tensor, array) for _, _, array, tensor, known in self._buffers)
        )

    def refuse_doubles(self) -> None:
        """Refuse to compute gradients for two tensors of which scratch knows one parameter: it has only their sum."""
        for name, first, second in self.doubles:
            if first.requires_grad or second.requires_grad:
                refuse_double(name)

    def has_its_buffers(self) -> bool:
        """Whether no layer of scratch has replaced the array of a buffer."""
        return all(held.get(name) is array for held, name, array, _, _ in self._buffers)
