"""A folder of a model's vectors and of answers to them, read as untrusted data: nothing in it is run or followed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.side import ROOT, Given, Side
from parity_tests.comparer.values import Numbers, array
from parity_tests.recordings.query import Query, Stand
from parity_tests.recordings.steps import ROW, Course
from parity_tests.table import TABLE
from parity_tests.vectors.files import ANSWERS, Asked, Tensors, _is_text, open_tensors, read_asked, read_index
from parity_tests.vectors.files import read_manifest as read_json
from parity_tests.vectors.judge import belongs, has_answer, read_answer
from parity_tests.vectors.vector import Json, VectorsError

COMPONENTS = {row.name for row in TABLE}
MODES = ("train", "eval")
LARGEST_OPTION = 2**31


class AnswerError(Exception):
    """An answer that cannot be read. That is its author's mistake, as a wrong number is."""


class FileSide(Side):
    """The parameters, buffers and layers that a folder tells of. It answers nothing by itself."""

    engine = "files"

    def __init__(self, parameters: dict[str, Any], buffers: dict[str, Any], kinds: dict[str, str]) -> None:
        super().__init__(None)
        self.parameters, self.buffers = parameters, buffers
        self.modules = {name: type(kind, (), {})() for name, kind in kinds.items()}

    def state(self) -> Numbers:
        return {name: np.asarray(array(value)) for name, value in {**self.parameters, **self.buffers}.items()}

    def parameter_names(self) -> list[str]:
        return list(self.parameters)

    def can_backward(self) -> bool:
        return True


class Folder:
    """A complete folder of a model. `read_*` give one row's parts, each checked."""

    def __init__(self, path: Path) -> None:
        if path.name == ANSWERS and not (path / "vectors.json").exists():
            path = path.parent
        self.path, self.index = path, read_index(path)
        if self.index.get("complete") is not True:
            raise CompareError(f"compare: the export to {path} was interrupted. Export or record again.")
        model = self.index.get("model")
        if not isinstance(model, dict):
            raise CompareError(
                f"compare: {path} holds vectors of the table, not of a model: `nn-parity vectors check {path}` judges "
                "the answers to them."
            )
        self.model = model
        self.rows = [row["name"] for row in self.index["rows"] if row["name"] != ROW]
        self.has_steps = len(self.rows) < len(self.index["rows"])
        self.environment = self._texts(self.index.get("environment"))
        self.label = f"{path.name or path} (files)"
        self._side: FileSide | None = None

    @staticmethod
    def _texts(found: Any) -> dict[str, str]:
        if not isinstance(found, dict):
            return {}
        return {name: text for name, text in found.items() if _is_text(name) and _is_text(text)}

    def made_with(self) -> str:
        """Its versions and device in words."""
        return ", ".join(f"{name} {text}" for name, text in self.environment.items()) or "unknown versions"

    # --- questions ----------------------------------------------------------------------------------------------------

    def query(self, row: str) -> Query:
        manifest, tensors = self.manifest(row)
        with tensors() as file:
            args, kwargs, target = (self._decoded(row, manifest.get(k), file) for k in ("inputs", "call", "target"))
            dys = [None if name is None else self._tensor(row, name, file) for name in self._list(manifest, row)]
            stands = self._stands(row, manifest, file) if manifest.get("kind") == "between" else []
        cases = manifest["cases"]
        if len(cases) != 1 or set(cases) - set(MODES):
            raise CompareError(f"compare: {self._file(row)}: a row of a model has one case, train or eval.")
        if not isinstance(args, tuple) or not (kwargs is None or isinstance(kwargs, dict)):
            raise CompareError(f"compare: {self._file(row)}: `inputs` must be a list and `call` an object.")
        layer, kind, number = manifest.get("layer"), self._kind(manifest), manifest.get("call_number", 0)
        if not isinstance(layer, str) or (layer and not _is_text(layer)) or type(number) is not int:
            raise CompareError(f"compare: {self._file(row)}: `layer` must be a name and `call_number` a number.")
        unasked, inside = manifest.get("without_gradient", []), manifest.get("inside", [])
        if not _all(unasked, int) or not _all(inside, str):
            raise CompareError(f"compare: {self._file(row)}: `without_gradient` and `inside` must be lists.")
        about = {"without_gradient": unasked, "inside": inside}
        used = dys if any(dy is not None for dy in dys) or self._asks_gradients(manifest) else None
        return Query(row, layer, number, next(iter(cases)), kind, args, kwargs or {}, used, target,
                     manifest.get("kinks") is True, about, stands)  # fmt: skip

    def _stands(self, row: str, manifest: dict[str, Json], file: Tensors) -> list[Stand]:
        """The calls that are replaced, in a question about the code between layers."""
        found = manifest.get("stands")
        if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
            raise CompareError(f"compare: {self._file(row)}: `stands` must be a list of objects, and not empty.")
        stands = []
        for one in found:
            layer, number, inside, given = (one.get(k) for k in ("layer", "call_number", "inside", "gradients"))
            if not _is_text(layer) or type(number) is not int or not _all(inside, str) or not isinstance(given, list):
                raise CompareError(f"compare: {self._file(row)}: `stands` must name calls and gradients.")
            gradients = [None if name is None else self._tensor(row, name, file) for name in given]
            output = self._decoded(row, one.get("output"), file)
            stands.append(Stand(layer, number, output, gradients, inside))
        return stands

    @staticmethod
    def _asks_gradients(manifest: dict[str, Json]) -> bool:
        return any(
            str(entry.get("what")).startswith("grad ") for entry in manifest["expected"] if isinstance(entry, dict)
        )

    def seed(self) -> int:
        seed = self.model.get("seed")
        return seed if type(seed) is int and 0 <= seed < 2**32 else 0

    def manifest(self, row: str) -> tuple[dict[str, Json], Callable[[], Any]]:
        """A row's JSON, and what opens its tensors."""
        manifest = read_json(self.path / f"{row}.json")
        for key, kind in (("expected", list), ("cases", dict), ("parameters", dict), ("buffers", dict)):
            if not isinstance(manifest.get(key), kind):
                raise CompareError(f"compare: {self._file(row)}: `{key}` is missing, or is not {kind.__name__}.")
        return manifest, lambda: open_tensors(self.path / f"{row}.safetensors")

    def asked(self, row: str) -> Asked:
        return read_asked(self.path, row)

    def side(self) -> FileSide:
        """Parameters and buffers of all rows; the whole has them all."""
        if self._side is None:
            found: tuple[dict[str, Any], dict[str, Any]] = {}, {}
            kinds: dict[str, str] = {}
            for row in self.rows:
                manifest, tensors = self.manifest(row)
                layer = manifest.get("layer")
                if not isinstance(layer, str):
                    continue
                kinds[layer] = self._kind(manifest)
                with tensors() as file:
                    for key, values in zip(("parameters", "buffers"), found, strict=True):
                        for name, tensor in manifest[key].items():
                            full = f"{layer}.{name}" if layer else name
                            if full not in values and _is_text(full):
                                values[full] = self._tensor(row, tensor, file)
            self._side = FileSide(*found, kinds)
        return self._side

    def whole(self) -> Query:
        """The call of the whole model, which is the same in both modes."""
        for row in self.rows[::-1]:
            query = self.query(row)
            if query.layer == ROOT and not query.stands:
                return query
        raise CompareError(f"compare: {self.path} does not hold what the model was called with.")

    def given(self) -> Given:
        whole = self.whole()
        return Given(whole.args, whole.kwargs)

    def target(self) -> Any:
        return self.whole().target

    def course(self) -> Course | None:
        """Where an optimizer starts, and its gradients; None if there is no row of one."""
        if not self.has_steps:
            return None
        manifest = read_json(self.path / f"{ROW}.json")
        parts: list[Any] = [manifest.get(k) for k in ("steps", "rates", "parameters", "gradients")]
        steps, rates, held, given = parts
        right = type(steps) is int and 0 < steps < 10**6 and isinstance(held, dict) and isinstance(given, dict)
        if not right or not isinstance(rates, dict) or type(rates.get("step")) is not int:
            raise CompareError(f"compare: {self._file(ROW)} is not the row of an optimizer.")
        gradients: list[Numbers] = [{} for _ in range(steps)]
        with open_tensors(self.path / f"{ROW}.safetensors") as file:
            starts = {name: np.asarray(self._tensor(ROW, tensor, file)) for name, tensor in held.items()}
            for name, one in given.items():
                if not isinstance(one, dict) or name not in starts or not _all(one.get("steps"), int):
                    raise CompareError(f"compare: {self._file(ROW)}: `gradients` must name tensors and their steps.")
                values = np.asarray(self._tensor(ROW, one.get("tensor"), file))
                if values.shape != (len(one["steps"]), *starts[name].shape):
                    raise CompareError(f"compare: {self._file(ROW)}: the gradients of {name!r:.80} do not fit it.")
                for step, value in zip(one["steps"], values, strict=True):
                    if not 0 <= step < steps:
                        raise CompareError(f"compare: {self._file(ROW)}: there is no step {step}.")
                    gradients[step][name] = value
        return Course(starts, gradients, max(0, min(rates["step"], steps)))

    # --- answers ------------------------------------------------------------------------------------------------------

    def answers(self, row: str, query: Query | None = None) -> dict[str, dict[str, tuple[np.ndarray, str]]]:
        """By precision and name (a comparison's), each answer and its dtype. Empty if there is none."""
        if not has_answer(self.path, row):
            return {}
        expected = {entry["name"]: entry for entry in self.asked(row).expected}
        found: dict[str, dict[str, tuple[np.ndarray, str]]] = {}
        try:
            with open_tensors(self.path / ANSWERS / f"{row}.safetensors") as file:
                for name in file.kinds:
                    if name in expected:
                        entry = expected[name]
                        number = read_answer(file, name), file.kinds[name][0]
                        found.setdefault(entry["precision"], {})[entry["what"]] = number
        except VectorsError as error:
            raise AnswerError(str(error)) from None
        return found if query is None else {p: query.from_file(numbers) for p, numbers in found.items()}

    def unknown(self, row: str) -> list[str]:
        """Names in an answer that nobody asked for."""
        if not has_answer(self.path, row):
            return []
        expected = {entry["name"] for entry in self.asked(row).expected}
        with open_tensors(self.path / ANSWERS / f"{row}.safetensors") as file:
            return [name for name in file.kinds if name not in expected and not belongs(name, expected)]

    # --- parts of a manifest ------------------------------------------------------------------------------------------

    def torch_layer(self, row: str) -> torch.nn.Module | None:
        """The layer of torch.nn that a row describes, with its parameters; None for a class of the user's own."""
        manifest, tensors = self.manifest(row)
        name, options = manifest.get("component"), manifest.get("kwargs")
        if name not in COMPONENTS or not str(name).startswith("nn.") or not isinstance(options, dict):
            return None
        with tensors() as file:
            options = {k: self._decoded(row, v, file) for k, v in options.items()}
            held = {**manifest["parameters"], **manifest["buffers"]}
            values = {own: torch.as_tensor(self._tensor(row, tensor, file)) for own, tensor in held.items()}
        return rebuilt(str(name)[3:], options, values)

    def _file(self, row: str) -> Path:
        return self.path / f"{row}.json"

    def _kind(self, manifest: dict[str, Json]) -> str:
        name = str(manifest.get("component")).rpartition(".")[2]
        return name if name.isidentifier() else "Layer"

    def _list(self, manifest: dict[str, Json], row: str) -> list[Any]:
        found = manifest.get("cotangents", [])
        if not isinstance(found, list):
            raise CompareError(f"compare: {self._file(row)}: `cotangents` must be a list.")
        return found

    def _tensor(self, row: str, name: Any, file: Tensors) -> Any:
        if not isinstance(name, str) or name not in file.kinds:
            raise CompareError(
                f"compare: {self._file(row)} names the tensor {name!r:.80}, which its file does not hold."
            )
        return file.given(name)

    def _decoded(self, row: str, value: Any, file: Tensors) -> Any:
        """Lists become tuples, as in answer.py; a component would be code, and none is expected here."""
        if isinstance(value, list):
            return tuple(self._decoded(row, part, file) for part in value)
        if not isinstance(value, dict):
            return value
        if set(value) == {"tensor"}:
            return self._tensor(row, value["tensor"], file)
        if set(value) == {"number"} and value["number"] in ("inf", "-inf", "nan"):
            return float(value["number"])
        if "component" in value:
            raise CompareError(f"compare: {self._file(row)} has a component among its inputs.")
        return {key: self._decoded(row, part, file) for key, part in value.items()}


def rebuilt(name: str, options: dict[str, Any], values: dict[str, torch.Tensor]) -> torch.nn.Module | None:
    """A layer of torch.nn from a stranger's options: made without memory, it takes the tensors that are there."""
    whole = list(_numbers(options))
    if any(abs(n) > LARGEST_OPTION or not math.isfinite(n) for n in whole) or len(options) > 64:
        return None
    layers = options.get("num_layers", 1)
    if type(layers) is not int or layers > max(len(values), 1):
        return None
    try:
        with torch.device("meta"):
            made: torch.nn.Module = getattr(torch.nn, name)(**options)
        made.load_state_dict(values, strict=True, assign=True)
    except Exception:  # options that no such layer takes, or other parameters
        return None
    tensors = [*made.parameters(), *made.buffers()]
    return None if any(t.is_meta for t in tensors) else made


def _numbers(nest: Any) -> Iterator[float]:
    if isinstance(nest, dict | tuple):
        for part in nest.values() if isinstance(nest, dict) else nest:
            yield from _numbers(part)
    elif isinstance(nest, int | float) and not isinstance(nest, bool):
        yield nest


def _all(found: Any, kind: type) -> bool:
    return isinstance(found, list) and all(type(part) is kind for part in found)
