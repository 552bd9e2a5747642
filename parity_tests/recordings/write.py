"""A model as a vectors folder: a row for each call of each layer, in order, and one for the whole."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import scratch
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.nests import PACKED, leaves
from parity_tests.comparer.side import LOSS, ROOT
from parity_tests.comparer.trace import same_numbers
from parity_tests.comparer.values import Numbers, is_float
from parity_tests.environment import environment
from parity_tests.exits import CannotError
from parity_tests.recordings.live import Judged, Live, stored
from parity_tests.recordings.precisions import Smaller, asked_of, own_precision
from parity_tests.recordings.query import Query, Stand
from parity_tests.recordings.read import Folder
from parity_tests.recordings.steps import ROW, Course, course_of
from parity_tests.recordings.steps import vector_of as steps_vector
from parity_tests.rule import BFLOAT16
from parity_tests.vectors.export import PAGES, earlier_index
from parity_tests.vectors.files import ANSWERS, FORMAT, INDEX, VERSION, as_safetensors, write_bytes, write_json
from parity_tests.vectors.vector import SMALL, Json, NotPortable, Vector, held_by_torch

RESERVED = {"tensor", "number", "component"}
Tracked = Callable[[Sequence[Query]], Iterable[Query]]


def write_model(
    folder: Path,
    live: Live,
    mode: str = "both",
    facts: dict[str, Json] | None = None,
    smaller: Sequence[str] = (),
    answered: bool = False,
    tracked: Tracked = iter,
    on: Folder | None = None,
    steps: int = 0,
) -> dict[str, Json]:
    """Write the questions that the model's run asks, with limits; with `answered` its own answers too. The index.

    folder    new, empty, or an older folder of a model, whose rows are replaced; answers of others stay
    mode      train, eval or both; eval is left out where it gives the same as train
    facts     what the index says of the model: the code, where the inputs are from
    smaller   further precisions in which it may be answered: float16, bfloat16, int8
    on        a folder whose questions are asked in place of those of the model's own run
    steps     of the model's optimizer, on the gradients of its own training
    """
    before = earlier_index(folder)
    if before["rows"] and "model" not in before:
        raise CompareError(f"record: {folder} holds vectors of the table. Name another folder.")
    if (folder / ANSWERS).is_symlink():
        raise CompareError(f"record: {folder / ANSWERS} is a link. Answers must stay in {folder}.")
    _check_smaller(live, smaller)
    rows = Rows({}, {}, {})
    with live.opened():
        others = [Smaller(live, precision) for precision in smaller]
        if on is None:
            for one in live.modes(mode):
                rows.add(live, tracked(live.queries(one, code=answered)), others, answered)
            rows.leave_out_the_same_mode()
        else:
            queries = [on.query(row) for row in on.rows]
            rows.add(live, tracked([q for q in queries if mode in (q.mode, "both")]), others, answered)
        course = course_of(live, steps) if steps else on.course() if on is not None else None
        if course is not None:
            rows.add_steps(live, course, answered)
    if not rows.vectors:
        raise CompareError("record: no call of this model can be written: " + "; ".join(rows.left_out.values()) + ".")
    about = {
        **(facts or {}),
        "class": type(live.side.model).__name__,
        "engine": live.side.engine,
        "dtype": own_precision(live.side),
        "seed": live.seed,
        "modes": list(dict.fromkeys(m for v in rows.vectors.values() for m in v.facts.get("cases", ()))),
        "contains": {"code": False, "inputs": True, "parameters": True, "answers": answered},
    }
    return rows.write(folder, before, {"environment": _environment(live), "model": about})


def _environment(live: Live) -> dict[str, str]:
    """Versions and device; on a GPU also whether it rounds to TF32, which a float32 is 2^13 times finer than."""
    device = live_device(live)
    if device == "cpu":
        return environment(device)
    rounded = {"products": torch.backends.cuda.matmul.allow_tf32, "convolutions": torch.backends.cudnn.allow_tf32}
    return {**environment(device), "tf32": " and ".join(name for name, on in rounded.items() if on) or "off"}


def _check_smaller(live: Live, smaller: Sequence[str]) -> None:
    odd = [name for name in smaller if name not in SMALL]
    if odd:
        raise CompareError(f"record: --precision must be one of {', '.join(SMALL)}, got {odd[0]!r}.")
    if smaller and (live.side.engine != "torch" or own_precision(live.side) != "float32"):
        raise CompareError(f"record: --precision {smaller[0]} needs a torch model of float32, whose error in it is U.")


@dataclass
class Rows:
    """The rows of a folder by name, in order, the model's own answers, and what is left out with the reasons."""

    vectors: dict[str, Vector]
    answers: dict[str, dict[str, Any]]
    left_out: dict[str, str]

    def add(self, live: Live, queries: Iterable[Query], others: list[Smaller], answered: bool) -> None:
        for query in queries:
            if query.layer not in live.side.modules:
                self.left_out[query.label] = "the model has no layer of this name"
                continue
            try:
                vector = vector_of(live, query, others)
            except NotPortable as reason:
                self.left_out[query.label] = str(reason)
                continue
            except CannotError:
                raise
            except Exception as error:
                raise CompareError(f"record: the model fails at {query.label}: {told(error)}.") from error
            if vector.expected:
                self.vectors[query.name] = vector
                if answered:
                    own = query.to_file(live.ask(query))
                    self.answers[query.name] = given_answers(vector, own, own_precision(live.side))

    def add_steps(self, live: Live, course: Course, answered: bool) -> None:
        """The optimizer's row, last of all."""
        if live.optimizer is None:
            self.left_out[ROW] = "the model's function returns none"
            return
        try:
            vector, own = steps_vector(live, course)
        except NotPortable as reason:
            self.left_out[ROW] = str(reason)
            return
        self.vectors[ROW] = vector
        if answered:
            self.answers[ROW] = own

    def leave_out_the_same_mode(self) -> None:
        """Eval mode, if it expects the same as training mode."""
        train, evaluated = (
            {name: v for name, v in self.vectors.items() if mode in v.facts["cases"]} for mode in ("train", "eval")
        )
        if evaluated and train and _same(list(train.values()), list(evaluated.values())):
            self.left_out["eval mode"] = "gives the same numbers as train mode"
            for name in evaluated:
                del self.vectors[name]
                self.answers.pop(name, None)

    def write(self, folder: Path, before: dict[str, Json], facts: dict[str, Json]) -> dict[str, Json]:
        """Older files keep their names until new ones take them; an export that is broken off is not complete."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {"format": FORMAT, "version": VERSION, **facts}
        rows = [{"name": name, "label": vector.label} for name, vector in self.vectors.items()]
        old = [{"name": row["name"], "label": row["label"]} for row in [*before["rows"], *before["begun"]]]
        write_json(folder / INDEX, {**head, "complete": False, "rows": [], "begun": old + rows})
        for page in PAGES:
            write_bytes(folder / page.name, page.read_bytes())
        if self.answers:
            (folder / ANSWERS).mkdir(exist_ok=True)
        for name, vector in self.vectors.items():
            write_bytes(folder / f"{name}.safetensors", as_safetensors(vector.tensors))
            write_json(folder / f"{name}.json", vector.manifest())
            if name in self.answers:
                write_bytes(folder / ANSWERS / f"{name}.safetensors", as_safetensors(self.answers[name]))
        for name in {row["name"] for row in old} - set(self.vectors):
            stale = [folder / f"{name}.json", folder / f"{name}.safetensors"]
            for path in stale + [folder / ANSWERS / f"{name}.safetensors"] * bool(self.answers):
                path.unlink(missing_ok=True)
        index = {**head, "complete": True, "rows": rows, "left_out": self.left_out}
        write_json(folder / INDEX, index)
        return index


def live_device(live: Live) -> str:
    return "cuda" if str(getattr(live.side, "device", "cpu")).startswith("cuda") else "cpu"


def _same(train: list[Vector], evaluated: list[Vector]) -> bool:
    """Whether both modes ask the same and expect the same."""
    pairs = list(zip(train, evaluated, strict=False))
    return len(train) == len(evaluated) and all(
        [e["what"] for e in a.expected] == [e["what"] for e in b.expected]
        and a.label.replace("train mode", "eval mode") == b.label
        and not a.facts["cases"]["train"]["random"]
        and all(
            same_numbers(a.tensors[x["truth"]], b.tensors[y["truth"]])
            for x, y in zip(a.expected, b.expected, strict=True)
        )
        for a, b in pairs
    )


# --- one row ----------------------------------------------------------------------------------------------------------


def vector_of(live: Live, query: Query, smaller: Sequence[Smaller] = ()) -> Vector:
    """The question with its limits."""
    side = live.side
    module = side.modules.get(query.layer)
    known = options_of(module) if query.layer != ROOT else None
    vector = Vector(query.label, _class_name(module, known), "between" if query.stands else "layer")
    parameters, buffers = ({} if query.stands else _of_layer(held, query.layer) for held in stored(side))
    random = live.draws_random_numbers(query)
    vector.facts = {
        "layer": query.layer,
        "call_number": query.number,
        **query.about,
        "kinks": query.kinks,
        **(vector.options(f"nn.{query.kind}", (), known) if known is not None else {}),
        "inputs": _encoded(vector, query.args, "input"),
        "call": _encoded(vector, query.kwargs, "call"),
        "parameters": {name: vector.give(f"parameter {name}", value) for name, value in parameters.items()},
        "buffers": {name: vector.give(f"buffer {name}", value) for name, value in buffers.items()},
    }
    if query.stands:
        vector.facts["stands"] = [_stand(vector, i, stand) for i, stand in enumerate(query.stands)]
    found = live.judged(query)
    if query.layer == ROOT:
        query.dys = _drawn_cotangents(live, found.rough) if live.case.backward else None
        if query.target is not None:
            vector.facts["target"] = _encoded(vector, query.target, "target")
        if side.loss is not None:
            vector.facts["loss"] = LOSS
    vector.facts["cotangents"] = [
        None if dy is None else vector.give(f"cotangent {i}" if i else "cotangent", dy)
        for i, dy in enumerate(_by_output(query, found))
    ]
    vector.facts["cases"] = {query.mode: {"random": random, "seed": live.seed}}
    others = {s.precision: s.u(query) for s in smaller}
    _expect(vector, query, found, asked_of(found, own_precision(side), query, others))
    return vector


def _stand(vector: Vector, i: int, stand: Stand) -> dict[str, Json]:
    """A replaced call as JSON: what it gives, and the gradients that it gives back."""
    gradients = [None if dx is None else vector.give(f"gradient {i} {k}", dx) for k, dx in enumerate(stand.gradients)]
    output = _encoded(vector, stand.output, f"stand {i}")
    about = {"layer": stand.layer, "call_number": stand.number, "inside": stand.inside}
    return {**about, "output": output, "gradients": gradients}


def _expect(vector: Vector, query: Query, found: Judged, asked: dict[str, dict[str, float]]) -> None:
    """Every number in every precision."""
    names = query.to_file(dict.fromkeys(found.exact))
    names = dict(zip(found.exact, names, strict=True))
    for precision, of in asked.items():
        for what, limit in of.items():
            truth = f"truth/{query.mode}/{names[what]}"
            if truth not in vector.tensors:
                vector.give(truth, found.exact[what])
            dtype = precision if found.exact[what].dtype.kind == "f" else found.exact[what].dtype.name
            vector.entry(query.mode, names[what], precision, dtype, truth, limit, {})


def given_answers(vector: Vector, numbers: Numbers, precision: str) -> dict[str, Any]:
    """The model's own answers to what its row expects, by their names in the file."""
    asked = {entry["what"]: entry for entry in vector.expected if entry["precision"] == precision}
    found = {}
    for what, value in numbers.items():
        if what in asked and list(np.shape(value)) == asked[what]["shape"]:
            number = np.array(value)
            half = asked[what]["dtype"] == BFLOAT16
            found[asked[what]["name"]] = torch.from_numpy(number).bfloat16() if half else number
    return found


def _drawn_cotangents(live: Live, rough: Mapping[str, np.ndarray]) -> list[Any]:
    """Those that the whole run's outputs are given: of a loss, 1."""
    draw = live.case.cotangent()
    return [draw(what, y.shape) for what, y in rough.items() if what.startswith("output") and is_float(y)]


def _by_output(query: Query, found: Judged) -> list[Any]:
    """The cotangents of all outputs in order, None for those without one."""
    dys = iter(query.dys or ())
    outputs = [y for what, y in found.rough.items() if what.startswith("output")]
    return [next(dys, None) if is_float(y) else None for y in outputs]


def _of_layer(values: dict[str, Any], layer: str) -> dict[str, Any]:
    """Those of one layer, by their names in it."""
    if not layer:
        return values
    return {name[len(layer) + 1 :]: value for name, value in values.items() if name.startswith(f"{layer}.")}


def _encoded(vector: Vector, nest: Any, name: str) -> Json:
    """Arguments as JSON. What is no nest of numbers in lists and dicts cannot be read in another language."""
    for value in leaves(nest):
        if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "fiub":
            raise NotPortable(f"its {name} is {value.dtype}")
        if isinstance(value, torch.Tensor) and not held_by_torch(value):
            raise NotPortable(f"its {name} is a tensor of {value.dtype}")
    _check_nest(nest, name)
    return vector.encode(nest, name)


def _check_nest(nest: Any, name: str) -> None:
    if isinstance(nest, PACKED):
        raise NotPortable(f"its {name} is a PackedSequence")
    parts: Iterator[Any] = iter(())
    if isinstance(nest, dict):
        if RESERVED & set(nest) or not all(isinstance(key, str) for key in nest):
            raise NotPortable(f"its {name} is a dictionary with keys that JSON cannot hold")
        parts = iter(nest.values())
    elif type(nest) in (list, tuple):
        parts = iter(nest)
    elif not (nest is None or isinstance(nest, bool | int | float | str | np.ndarray | np.generic | torch.Tensor)):
        raise NotPortable(f"its {name} is a {type(nest).__name__}")
    for part in parts:
        _check_nest(part, name)


# --- options of torch's own layers ------------------------------------------------------------------------------------


def _class_name(module: Any, known: dict[str, Any] | None) -> str:
    kind = type(module)
    return f"nn.{kind.__name__}" if known is not None else kind.__qualname__.rpartition("<locals>.")[2]


def options_of(module: Any) -> dict[str, Any] | None:
    """The options with which a layer of torch.nn, or of scratch.nn, was built; None where they cannot be known.

    They are the attributes of the same names. A layer built from them must have the same parameters and buffers.
    """
    name = type(module).__name__
    kind, ours = getattr(torch.nn, name, None), getattr(scratch.nn, name, None)
    if kind is None or ours is None or type(module) not in (kind, ours):
        return None
    found = {}
    for parameter in inspect.signature(kind).parameters.values():
        if parameter.name in ("device", "dtype", "size_average", "reduce"):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or not hasattr(module, parameter.name):
            return None
        value = getattr(module, parameter.name)
        if parameter.name == "bias":
            value = value is not None and value is not False
        if not _plain(value):
            return None
        found[parameter.name] = value
    try:
        with torch.device("meta"):
            twin = kind(**found)
    except Exception:
        return None
    same = {n: tuple(v.shape) for n, v in twin.state_dict().items()} == _shapes(module)
    return found if same else None


def _shapes(module: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(np.shape(value)) for name, value in module.state_dict().items()}


def _plain(value: Any) -> bool:
    """Whether JSON can hold an option, and means the same by it."""
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
