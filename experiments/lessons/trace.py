"""What every line of a component's code computed: the statements that ran, with the numbers they left."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from unittest.mock import patch

import numpy as np

from parity_tests.nests import leaves

HIDDEN = ("check", "_check", "extra_repr", "__repr__", "__init__", "reset_parameters", "blocks", "<",
          "forward_in_blocks", "backward_in_blocks")  # fmt: skip
ROUNDS = 2  # of one statement in a loop that are shown
OUTERMOST = ("forward", "backward")  # what other functions return is seen where they are called
NOTHING = {"f": -(2.0**-100), "i": -(2**30) - 1}  # what unwritten memory holds: no result is this number
LONGEST = 4  # terms of a sum that is spelled out
PRODUCTS = {"matmul": "{0} @ {1}", "accumulate_product": "{0} @ {1}"}
PURE = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Slice, ast.Tuple, ast.UnaryOp, ast.BinOp,
        ast.operator, ast.unaryop, ast.expr_context)  # fmt: skip
RESHAPES = {"reshape", "swapaxes", "transpose"}
Simple = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return


@dataclass
class Step:
    """One statement as it ran."""

    function: str
    code: str
    values: list[tuple[str, np.ndarray]] = field(default_factory=list)
    cell: str = ""  # one element of a product as a sum of numbers
    before: dict[str, np.ndarray] = field(default_factory=dict)  # the arguments of a call, which it may fill
    earlier: int = 0  # steps that were taken before this one


def trace(kind: Any, run: Callable[[], Any]) -> tuple[list[Step], Any]:
    """The statements of a component's own code, and of its folder's, that ran; and what `run` returned."""
    tracer = _Tracer(_files(kind))
    before = sys.gettrace()
    sys.settrace(tracer.called)
    try:
        with _marked_when_empty():
            result = run()
    finally:
        sys.settrace(before)
    return tracer.steps, result


@contextmanager
def _marked_when_empty() -> Iterator[None]:
    """Meanwhile np.empty and np.empty_like fill arrays with NOTHING, so that memory not yet written is recognized."""

    def marked(make: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def made(*args: Any, **kwargs: Any) -> np.ndarray:
            array = make(*args, **kwargs)
            if array.dtype.kind in NOTHING and array.dtype.itemsize >= 4:
                array.fill(NOTHING[array.dtype.kind])
            return array

        return made

    with patch.object(np, "empty", marked(np.empty)), patch.object(np, "empty_like", marked(np.empty_like)):
        yield


def _files(kind: Any) -> set[str]:
    """The files of a component's classes, and the other files of its own folder; not those all layers share."""
    classes = inspect.getmro(kind) if inspect.isclass(kind) else (kind,)
    found = [inspect.getsourcefile(one) or "" for one in classes if one.__module__.startswith("scratch.")]
    own, files = Path(found[0]), set(found)
    if own.parent.name not in ("nn", "scratch"):
        files |= {str(path) for path in own.parent.glob("*.py")}
    return {file for file in files if Path(file).name not in ("module.py", "__init__.py", "optimizer.py")}


class _Tracer:
    def __init__(self, files: set[str]) -> None:
        self.files = files
        self.steps: list[Step] = []
        self.counts: dict[tuple[str, int], int] = {}
        self.open: dict[FrameType, tuple[Simple, Step | None]] = {}

    def called(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code.co_filename not in self.files or code.co_name.startswith(HIDDEN):
            return None
        return self.line

    def line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            statement = _statements(frame.f_code.co_filename).get(frame.f_lineno)
            now = self.open.get(frame)
            if now is not None and now[0] is statement and _lines(now[0]) > 1:
                return self.line
            self._finish(frame)
            if statement is not None:
                self.open[frame] = (statement, self._begin(frame, statement))
        elif event == "return":
            self._finish(frame, argument)
        return self.line

    def _begin(self, frame: FrameType, statement: Simple) -> Step | None:
        place = (frame.f_code.co_filename, statement.lineno)
        self.counts[place] = self.counts.get(place, 0) + 1
        if self.counts[place] > ROUNDS:
            return None
        return Step(
            _name(frame.f_code),
            _source(frame.f_code.co_filename, statement),
            cell=_cell(statement, frame),
            before=_arguments(statement, frame),
            earlier=len(self.steps),
        )

    def _finish(self, frame: FrameType, returned: Any = None) -> None:
        statement, step = self.open.pop(frame, (None, None))
        if statement is None or step is None:
            return
        if isinstance(statement, ast.Return):
            values = {"returned": returned} if frame.f_code.co_name in OUTERMOST else {}
        else:
            values = {text: _value(text, frame) for text in _targets(statement)}
            if len(self.steps) == step.earlier:  # the call's own statements are not shown
                values |= _filled(step.before, frame)
        found = [(name, array) for text, value in values.items() for name, array in _arrays(text, value)]
        step.values = [(name, array) for name, array in found if _written(array)]
        if step.values:
            self.steps.append(step)


def _written(array: np.ndarray) -> bool:
    """Whether there are numbers, and all of them have been computed."""
    return array.size > 0 and not (array == NOTHING.get(array.dtype.kind)).any()


def _name(code: CodeType) -> str:
    return getattr(code, "co_qualname", code.co_name)


def _lines(statement: Simple) -> int:
    return (statement.end_lineno or statement.lineno) - statement.lineno + 1


def _source(file: str, statement: Simple) -> str:
    """The statement as it is written, on one line."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()[statement.lineno - 1 : statement.end_lineno]
    code = " ".join(line.partition("  #")[0].strip() for line in lines)
    return re.sub(r"(?<=[(\[]) | (?=[)\]])", "", code).replace(",)", ")")


@cache
def _statements(file: str) -> dict[int, Simple]:
    """The simple statement on each line of a file."""
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    found: dict[int, Simple] = {}
    for node in ast.walk(tree):
        if isinstance(node, Simple) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            found |= dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node)
    return found


def _targets(statement: Simple) -> Iterator[str]:
    """What a statement wrote: its targets, an argument `out`, or the gradient that it added to."""
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from map(ast.unparse, target.elts if isinstance(target, ast.Tuple) else [target])
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        yield ast.unparse(statement.target)
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        yield from (ast.unparse(word.value) for word in call.keywords if word.arg == "out")
        if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("accumulate"):
            yield f"{ast.unparse(call.func.value)}.grad"


def _arguments(statement: Simple, frame: FrameType) -> dict[str, np.ndarray]:
    """The arrays that a statement gives to a function whose result it does not use, as they are before the call."""
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return {}
    given = {ast.unparse(one): _value(ast.unparse(one), frame) for one in statement.value.args if _pure(one)}
    return {text: value.copy() for text, value in given.items() if isinstance(value, np.ndarray)}


def _filled(before: dict[str, np.ndarray], frame: FrameType) -> dict[str, np.ndarray]:
    """Those of the arguments that the call has changed."""
    now = {text: _value(text, frame) for text in before}
    return {text: value for text, value in now.items() if not np.array_equal(before[text], value, equal_nan=True)}


def _value(text: str, frame: FrameType) -> Any:
    try:
        return eval(text, frame.f_globals, frame.f_locals)
    except Exception:  # a starred target, a name that a branch deleted: nothing to show
        return None


def _arrays(text: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The numbers of a value as they are now, copied: an array, a float, or a short nest of them."""
    found = (np.array(part) for part in leaves(value) if isinstance(part, np.ndarray | np.generic | float))
    parts = [part for part in found if part.dtype.kind in "fiub"]
    for number, part in enumerate(parts[:4]):
        yield (f"{text}, part {number + 1}" if len(parts) > 1 else text), part


def _cell(statement: Simple, frame: FrameType) -> str:
    """The first element of the first matrix product of a statement, as the sum of its products."""
    for node in ast.walk(statement):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            left, right, form = node.left, node.right, "{0} @ {1}"
        elif isinstance(node, ast.Call) and (form := PRODUCTS.get(_called(node), "")) and len(node.args) >= 2:
            left, right = node.args[:2]
        else:
            continue
        if not (_pure(left) and _pure(right)):
            continue
        a = _value(f"({ast.unparse(left)})", frame)
        b = _value(f"({ast.unparse(right)}){'.T' if form.endswith('.T') else ''}", frame)
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and min(a.ndim, b.ndim) >= 2 and a.size and b.size:
            return spelled_sum(a[(0,) * (a.ndim - 1)], b[(0,) * (b.ndim - 2)][:, 0])
    return ""


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _pure(node: ast.expr) -> bool:
    """Whether evaluating it once more changes nothing."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            if _called(part) not in RESHAPES:
                return False
        elif not isinstance(part, PURE):
            return False
    return True


def spelled_sum(a: np.ndarray, b: np.ndarray) -> str:
    """Σ a b with its numbers: "0.3 · 1.2 + (-0.5) · 0.1 = 0.31"."""
    terms = [f"{_in_brackets(x)} · {_in_brackets(y)}" for x, y in zip(a[:LONGEST], b[:LONGEST], strict=True)]
    more = " + …" if len(a) > LONGEST else ""
    return f"{' + '.join(terms)}{more} = {decimal(float(a @ b))}"


def decimal(value: Any) -> str:
    """Four significant digits, without an exponent where that is short."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    text = f"{float(value):.4g}"
    return "0" if text == "-0" else text.replace("-", "−")


def _in_brackets(value: float) -> str:
    text = decimal(value)
    return f"({text})" if text.startswith("−") else text
