"""A process that has imported everything and forks one command after another, each with a fault at a chosen write.

A write is counted where Python opens a file for writing, renames, removes or makes one (its audit events), and where
`write_whole` puts data into one, below the watched folder. At the number asked for the process kills itself, or the
disk is full from then on. Requests and answers are JSON, one a line.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from experiments.cli import main
from torch_impl.files import whole

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
LONGEST = 900  # seconds after which a command that hangs is ended
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Fault:
    """Counts the writes below a folder, and strikes at one of them."""

    def __init__(self, folder: str, at: int | None, how: str) -> None:
        self.folder, self.at, self.how, self.count = os.path.realpath(folder), at, how, 0

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name not in EVENTS or not arguments or not isinstance(arguments[0], str | bytes):
            return
        if name == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        if os.path.realpath(os.fsdecode(arguments[0])).startswith(self.folder + os.sep):
            self.write(name != "os.remove")

    def write(self, needs_room: bool = True) -> None:
        self.count += 1
        if self.at is None or self.count < self.at:
            return
        if self.how == "kill" and self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "full" and needs_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Halves:
    """A file that takes data in two halves, so that a fault can lie between them."""

    def __init__(self, file: Any, fault: Fault) -> None:
        self.file, self.fault = file, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Halves:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, data: Any) -> int:
        data = bytes(data)
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        self.fault.write()
        self.file.write(data[len(data) // 2 :])
        return len(data)


def child(request: dict[str, Any], out: int, err: int, count: int) -> None:
    """Run the command, and end with its exit code."""
    signal.alarm(LONGEST)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(request["folder"])
    fault = Fault(request["folder"], request["at"], request["how"])
    sys.addaudithook(fault.event)
    whole.open = lambda path, mode: Halves(Path(path).open(mode), fault)  # type: ignore[attr-defined]  # noqa: SIM115
    sys.argv = ["nn-parity", *request["command"]]
    code = 0
    try:
        for patch in request["patches"]:
            exec(patch, {})
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 2
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(count, str(fault.count).encode())
    os._exit(code)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as count:
        began = time.monotonic()
        process = os.fork()
        if process == 0:
            child(request, out.fileno(), err.fileno(), count.fileno())
        if request.get("after") is not None:  # a kill or a signal at a moment
            time.sleep(request["after"])
            os.kill(process, getattr(signal, request["how"]))
        _, status = os.waitpid(process, 0)
        texts = []
        for file in (out, err, count):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": texts[0],
        "err": texts[1],
        "writes": int(texts[2] or 0),
        "seconds": time.monotonic() - began,
    }


def import_everything() -> None:
    """What a command would import, so that no child does it anew: a first command imports what all of them need."""
    import jinja2  # noqa: F401

    import parity_tests.comparer.comparison
    import parity_tests.vectors.export  # noqa: F401

    sys.argv = ["nn-parity", "check", "nn.Identity"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()


def serve() -> None:
    import_everything()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    serve()
