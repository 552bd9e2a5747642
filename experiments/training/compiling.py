"""torch.compile for a network: all of it if torch can, else the children that it can, and a record of both."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch._dynamo import lookup_backend
from torch._dynamo.exc import TorchDynamoException
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

BACKEND = "inductor"
Compute = Callable[[torch.Tensor], torch.Tensor]


@dataclass
class Compilation:
    """What torch.compile does with a network.

    compiled   "the network", or the children that are compiled one by one
    eager      the children that stay eager, such as an LSTM, which torch before 2.15 skips without a warning
    graphs     the number of graphs compiled so far; each different batch size may need one
    """

    compiled: list[str] = field(default_factory=list)
    eager: list[str] = field(default_factory=list)
    graphs: int = 0

    def record(self) -> dict[str, Any]:
        """What was compiled in deed: nothing, if no graph was."""
        return {"compiled": self.compiled if self.graphs else [], "eager": self.eager, "graphs": self.graphs}

    def backend(self, graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        made = lookup_backend(BACKEND)(graph, inputs)
        self.graphs += 1
        return made


def compiled(network: torch.nn.Module, images: torch.Tensor) -> tuple[Compute, Compilation]:
    """The network as a function that torch.compile has compiled as far as possible. Its state_dict is unchanged.

    `torch.nn.Module.compile` does nothing for a Sequential (torch 2.13), so what is compiled is a function that calls
    it. A trial on `images`, with a copy and without a compiler backend, shows what torch can trace.
    """
    own_cache()
    found = Compilation()
    if _traceable(copy.deepcopy(network), images):
        found.compiled.append("the network")
        return torch.compile(_call(network), backend=found.backend), found
    for name, child in network.named_children():
        if isinstance(child, torch.nn.RNNBase):
            found.eager.append(f"{name} ({type(child).__name__})")
        else:
            found.compiled.append(f"{name} ({type(child).__name__})")
            child.forward = _in_training(child, torch.compile(_call(child.forward), backend=found.backend))
    return network.forward, found


def own_cache() -> None:
    """With ATEN_CPU_CAPABILITY set, a folder for compiled code of its own.

    torch's key of a compiled graph does not know the variable (torch 2.13): the same folder would give the code of
    other vectors.
    """
    capability, usual = os.environ.get("ATEN_CPU_CAPABILITY"), default_cache_dir()
    if capability and os.environ.get("TORCHINDUCTOR_CACHE_DIR", usual) == usual:  # torch puts its own there
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = f"{usual}_{capability}"


def why_not(error: BaseException) -> str | None:
    """If torch says by this error that it cannot compile here, without a C++ compiler for example: its words."""
    return str(error).partition("\n")[0] if isinstance(error, TorchDynamoException) else None


def _in_training(module: torch.nn.Module, fast: Compute) -> Compute:
    """A forward that is the compiled one in training and the eager one otherwise."""
    eager = module.forward

    def forward(x: torch.Tensor) -> torch.Tensor:
        return fast(x) if module.training else eager(x)

    return forward


def _call(compute: Compute) -> Compute:
    """A function of this file, which torch.compile traces, other than the methods of torch.nn.

    Each has its own code object: torch.compile compiles one at most eight times, and then stays eager.
    """

    def call(x: torch.Tensor) -> torch.Tensor:
        return compute(x)

    call.__code__ = call.__code__.replace()
    return call


def _traceable(network: torch.nn.Module, images: torch.Tensor) -> bool:
    """Whether torch can trace this network; nothing is compiled, and no random number is drawn from the streams."""
    graphs: list[torch.fx.GraphModule] = []

    def keep(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Any:
        graphs.append(graph)
        return graph

    with torch.random.fork_rng():
        torch.compile(_call(network), backend=keep)(images)
    return bool(graphs)
