"""Several processes that share each batch: which part each of them has, and the watch that ends all if one is lost.

Lightning starts the further processes by running the command again. Each of them watches the one that started it, and
that one watches all of them, from their first moment: a process that is left alone reports it and ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

OUTPUT = "NN_PARITY_OUTPUT"  # tells the further processes where the first one writes
PARENT = "NN_PARITY_PARENT"  # and its process id
PAUSE = 0.1  # seconds between two looks at the others
GRACE = 5.0  # seconds that a process without the others leaves its watch to report the lost one, or to end likewise
LEAVE = 60.0  # seconds that a process may take to end after the common work
STOPPED = (130, 143)  # exit codes of a process that was told to stop; it stops the others too


@dataclass
class Share:
    """The part of each batch that this process has: images rank, rank + world, ... of the `whole`."""

    rank: int = 0
    world: int = 1
    whole: int = 0

    @property
    def own(self) -> slice:
        return slice(self.rank, None, self.world)


def is_child() -> bool:
    """Whether this process was started by another one of the same run."""
    return os.environ.get(PARENT) not in (None, str(os.getpid()))


class Watched(DDPStrategy):
    """DDP whose processes watch each other."""

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = _Launcher(self.cluster_environment, self.num_processes, self.num_nodes)


class _Launcher(_SubprocessScriptLauncher):
    def _call_children_scripts(self) -> None:
        os.environ[PARENT] = str(os.getpid())
        super()._call_children_scripts()
        watch_children(self.procs)
        self.procs = []  # empty for Lightning's own watch, which would kill this process too, without a message


# --- watching ---------------------------------------------------------------------------------------------------------

children: list[subprocess.Popen[bytes]] = []
over = threading.Event()  # this process no longer needs the others


def watch_parent() -> None:
    """In a further process: end when the first one has ended."""
    if is_child():
        parent = int(os.environ[PARENT])
        _watch(lambda: (2, "the first process of this run was lost") if os.getppid() != parent else None)


def watch_children(started: list[subprocess.Popen[bytes]]) -> None:
    """In the first process: end when another one has ended early."""
    children[:] = started
    over.clear()
    stopped: dict[int, float] = {}

    def look() -> tuple[int, str] | None:
        for number, code in enumerate((child.poll() for child in children), 2):
            if not code:
                continue
            if code in STOPPED and time.monotonic() - stopped.setdefault(number, time.monotonic()) < GRACE:
                continue
            if code > 0:
                return code, ""  # it has reported the reason itself
            return 2, f"process {number} of {len(children) + 1} was lost: killed by signal {-code}"
        return None

    _watch(look)


def _watch(look: Callable[[], tuple[int, str] | None]) -> None:
    def work() -> None:
        while not over.wait(PAUSE):
            found = look()
            if found and not over.is_set():
                code, what = found
                end_children()
                if what:
                    print(f"nn-parity: {lost(what)}", file=sys.stderr, flush=True)
                os._exit(code)  # the main thread may wait in a library call forever

    threading.Thread(target=work, name="watch", daemon=True).start()


def lost(what: str) -> str:
    return f"devices: {what}. The last checkpoint is good: continue with --resume {os.environ.get(OUTPUT, 'DIR')}."


def end_children() -> None:
    """End the remaining processes, from the first one."""
    over.set()
    for child in children:
        if child.poll() is None:
            child.kill()


def part() -> None:
    """At the end of the common work: watching ends; the first process waits for the others to end."""
    over.set()
    for child in children:
        try:
            child.wait(LEAVE)
        except subprocess.TimeoutExpired:
            child.kill()


def is_loss_of_others(error: BaseException) -> bool:
    """Whether this error of a library says that another process does not answer."""
    signs = ("gloo", "NCCL", "Connection", "Broken pipe", "peer", "timed out", "Timed out")
    return isinstance(error, RuntimeError) and (
        isinstance(error, torch.distributed.DistError) or any(sign in str(error) for sign in signs)
    )
