"""Who computes: scratch in this process, torch in a process of its own for each set of vector instructions.

torch chooses its kernels when it is imported, by ATEN_CPU_CAPABILITY. The processes get bits and return bits.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

import scratch
from experiments.exhaustive.functions import FUNCTIONS, Function

BY_LABEL = {function.label: function for function in FUNCTIONS}
CAPABILITIES = ("avx512", "avx2", "default")
PADDING = 64  # so that no element is left to a kernel's remainder


class Scratch:
    name = "scratch"

    def __call__(self, label: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The values y and their slopes at float32 numbers."""
        function = BY_LABEL[label]
        module = _made(scratch.nn, function)
        inputs = (x,) if function.target is None else (x, np.full_like(x, function.target))
        with np.errstate(all="ignore"):
            y = module(*inputs)
            slope = module.backward(np.ones_like(y))
        return y, slope

    def close(self) -> None:
        pass


class Torch:
    """torch with one set of vector instructions, in a process of its own."""

    def __init__(self, capability: str) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        before = os.environ.get("ATEN_CPU_CAPABILITY")
        os.environ["ATEN_CPU_CAPABILITY"] = capability
        try:
            context = multiprocessing.get_context("spawn")
            self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self.process.start()
        finally:
            os.environ.pop("ATEN_CPU_CAPABILITY")
            if before is not None:
                os.environ["ATEN_CPU_CAPABILITY"] = before
        theirs.close()
        self.capability = self.connection.recv()
        self.name = f"torch {self.capability}"

    def __call__(self, label: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.connection.send(label)
        self.connection.send_bytes(x.tobytes())
        y, slope = (np.frombuffer(self.connection.recv_bytes(), np.float32) for _ in range(2))
        return y, slope

    def close(self) -> None:
        self.connection.close()
        self.process.join()


@contextmanager
def kernels(capabilities: tuple[str, ...] = CAPABILITIES) -> Iterator[list[Any]]:
    """scratch, and torch once for each set of instructions that this processor has."""
    found: list[Any] = [Scratch()]
    for capability in capabilities:
        torch = Torch(capability)
        if torch.name in [one.name for one in found]:  # the processor does not have it
            torch.close()
        else:
            found.append(torch)
    try:
        yield found
    finally:
        for one in found:
            one.close()


def _made(package: Any, function: Function) -> Any:
    return getattr(package, function.component.removeprefix("nn."))(*function.args, **function.kwargs)


def _serve(connection: Connection) -> None:
    import torch

    torch.set_num_threads(1)
    connection.send(torch.backends.cpu.get_cpu_capability())
    while True:
        try:
            function = BY_LABEL[connection.recv()]
            bits = connection.recv_bytes()
        except EOFError:
            return
        x = torch.frombuffer(bytearray(bits), dtype=torch.float32).requires_grad_()
        inputs = (x,) if function.target is None else (x, torch.full_like(x, function.target))
        y = _made(torch.nn, function)(*inputs)
        (slope,) = torch.autograd.grad(y, x, torch.ones_like(y))
        connection.send_bytes(y.detach().numpy().tobytes())
        connection.send_bytes(slope.numpy().tobytes())
