"""A process that has imported everything and forks one command after another, each with a fault at a chosen write.

A write is counted where Python opens a file for writing, renames, removes or makes one (its audit events), and twice
where `write_whole` puts data into one: in the middle of the first piece, and at the end; all below the watched folder.
At the number asked for the process kills itself, or the disk is full, or read-only, from then on. Requests and answers
are JSON, one a line. Pictures are drawn once, before, and written by every command that draws one.
"""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from experiments.cli import main
from torch_impl.files import whole

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
REFUSALS = {"full": errno.ENOSPC, "read-only": errno.EROFS}
LONGEST = 900  # seconds after which a command that hangs is ended
LEAVE = 60.0  # seconds that processes of a command may outlive it
IMPORTS = (  # everything that a command would import
    *("filelock", "sklearn.model_selection", "experiments.demo", "experiments.fast.command", "experiments.site.build"),
    *("experiments.training.predict", "experiments.training.twins", "experiments.bench.run"),
    *("experiments.bench.worker", "experiments.bench.cases.optimizers", "parity_tests.comparer.comparison"),
    *("parity_tests.checks.streams", "parity_tests.vectors.export", "parity_tests.vectors.judge"),
)
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
            self.write(name == "os.remove")

    def write(self, frees_room: bool = False) -> None:
        self.count += 1
        if self.at is None or self.count < self.at:
            return
        if self.how in REFUSALS and not (self.how == "full" and frees_room):
            raise OSError(REFUSALS[self.how], os.strerror(REFUSALS[self.how]))
        if self.how.startswith("SIG") and self.count == self.at:
            os.kill(os.getpid(), getattr(signal, self.how))


class Struck:
    """A file with a fault in the middle of the first piece of its data, and one after the last."""

    def __init__(self, file: Any, fault: Fault) -> None:
        self.file, self.fault, self.begun = file, fault, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Struck:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, data: Any) -> int:
        data = bytes(data)
        if not self.begun:
            self.begun = True
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            self.fault.write()
            self.file.write(data[len(data) // 2 :])
        else:
            self.file.write(data)
        return len(data)

    def flush(self) -> None:
        self.file.flush()
        self.fault.write()


class Calls:
    """Counts the calls of functions, and sends a signal at one of them: a moment that can be repeated."""

    def __init__(self, at: int, how: str) -> None:
        self.at, self.how, self.count = at, how, 0

    def look(self, frame: Any, event: str, argument: Any) -> None:
        if event != "call":
            return
        self.count += 1
        if self.count == self.at:
            sys.setprofile(None)
            signal.raise_signal(getattr(signal, self.how))


def child(request: dict[str, Any], out: int, err: int, count: int) -> None:
    """Run the command, and end with its exit code."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    signal.alarm(LONGEST)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(request["folder"])
    fault = Fault(request["folder"], request["at"], request["how"])
    sys.addaudithook(fault.event)
    whole.open = lambda path, mode: Struck(Path(path).open(mode), fault)  # type: ignore[attr-defined]  # noqa: SIM115
    sys.argv = ["nn-parity", *request["command"]]
    calls = Calls(request.get("at_call", 0), request["how"])
    code = 0
    try:
        for patch in request["patches"]:
            exec(patch, {})
        if "at_call" in request:
            sys.setprofile(calls.look)
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 2
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 70
    sys.setprofile(None)
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(count, f"{fault.count} {calls.count}".encode())
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
        seconds = time.monotonic() - began
        texts = []
        for file in (out, err, count):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    writes, calls = map(int, (texts[2] or "0 0").split())
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": texts[0],
        "err": texts[1],
        "writes": writes,
        "calls": calls,
        "seconds": seconds,
        "left": left_behind(process),
    }


def left_behind(session: int) -> int:
    """How many processes of a command that has ended do not end, too."""
    begun = time.monotonic()
    while (count := len(members(session))) and time.monotonic() - begun < LEAVE:
        time.sleep(0.02)
    return count


def members(session: int) -> list[int]:
    """The processes of a session that are neither dead nor waited for, where /proc lists them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue  # it has just ended
        if int(of) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def draw_once() -> None:
    """Replace matplotlib's drawing, nine tenths of the time of a small run, by a picture that is ready."""
    from matplotlib.figure import Figure

    from experiments.training import plots

    ready: dict[str, bytes] = {}
    draw = Figure.savefig

    def savefig(figure: Figure, file: Any, **options: Any) -> None:
        content = ready[options.get("format", "png")]
        file.write(content.decode() if isinstance(file, io.TextIOBase) else content)

    for kind in ("png", "svg"):
        picture = io.BytesIO()
        draw(Figure(figsize=(1, 1)), picture, format=kind)
        ready[kind] = picture.getvalue()
    Figure.savefig = savefig  # type: ignore[assignment, method-assign]

    def plot(*given: Any) -> None:
        whole.write_whole(given[-1], lambda file: file.write(ready["png"]))

    for name in ("loss_curves", "epoch_curves", "confusion", "class_errors", "mistakes", "seen"):
        setattr(plots, name, plot)


def serve() -> None:
    """Answer until the requests end."""
    for name in IMPORTS:
        import_module(name)
    from experiments.articles import ARTICLES, article

    article(next(iter(ARTICLES)))
    draw_once()
    import_module("sklearn.datasets").load_digits()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    serve()
