"""scratch used like another language: answers computed only from the files of a vectors folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from parity_tests.built import Built
from parity_tests.checks import optimizer
from parity_tests.checks.sides import Numbers, ScratchSide
from parity_tests.engine import SCRATCH
from parity_tests.nests import map_nest, numbered
from parity_tests.table import TABLE
from parity_tests.table.recipe import Recipe
from parity_tests.table.row import Layer
from parity_tests.vectors.files import ANSWERS, SAFE_NAME, open_tensors, read_manifest, write_bytes
from parity_tests.vectors.vector import PRECISIONS, VectorsError

COMPONENTS = {row.name for row in TABLE}


def answer(folder: Path, name: str) -> Numbers:
    """Write the answer of one row, a layer's or an optimizer's, in both precisions, and return it."""
    manifest, tensors = _read(folder, name)
    compute: Callable[[Any, Numbers, str], Numbers] = {"layer": run_layer, "optimizer": run_optimizer}[manifest["kind"]]
    numbers = {}
    for precision in PRECISIONS:
        for what, value in compute(manifest, tensors, precision).items():
            numbers[f"{precision}/{what}"] = np.array(value, order="C")
    (folder / ANSWERS).mkdir(exist_ok=True)
    if (folder / ANSWERS).is_symlink():
        raise VectorsError(f"answer: {folder / ANSWERS} is a link. Answers must stay in {folder}.")
    write_bytes(folder / ANSWERS / f"{name}.safetensors", save(numbers))
    return numbers


def _read(folder: Path, name: str) -> tuple[Any, Numbers]:
    if not SAFE_NAME.fullmatch(name):
        raise VectorsError(f"answer: {name!r} is not the name of a row.")
    with open_tensors(folder / f"{name}.safetensors") as file:
        return read_manifest(folder / f"{name}.json"), {each: file.read(each) for each in file.kinds}


def decoded(value: Any, array: Callable[[np.ndarray], Any], tensors: Numbers) -> Any:
    """An option: the objects of FORMAT.md are replaced by what they represent, lists become tuples."""
    if isinstance(value, list):
        return tuple(decoded(part, array, tensors) for part in value)
    if not isinstance(value, dict):
        return value
    if "component" in value:
        args, kwargs = decoded([value["args"], value["kwargs"]], array, tensors)
        return Built(_listed(value["component"]), *args, **kwargs)
    if "tensor" in value:
        return array(tensors[value["tensor"]])
    return (
        float(value["number"])
        if "number" in value
        else {key: decoded(part, array, tensors) for key, part in value.items()}
    )


def _listed(name: Any) -> str:
    """A component of the table. Any other dotted name could lead through scratch to Python's own functions."""
    if name not in COMPONENTS:
        raise VectorsError(f"answer: {name!r} is not a component of the table.")
    return name


def run_layer(manifest: Any, tensors: Numbers, precision: str) -> Numbers:
    side = LayerSide(manifest, tensors, precision)
    numbers = {}
    for case, facts in manifest["cases"].items():
        inputs, call = decoded([manifest["inputs"], manifest["call"]], side.cast, tensors)
        for what, value in side.run(inputs, call, case == "train", facts["seed"]).items():
            numbers[f"{case}/{what}"] = value
    return numbers


class LayerSide(ScratchSide):
    """The component, its parameters, buffers and cotangents, from the files."""

    def __init__(self, manifest: Any, tensors: Numbers, precision: str) -> None:
        self.manifest, self.tensors = manifest, tensors
        asked = {entry["what"] for entry in manifest["expected"]}
        wanted = (Recipe(np.asarray, numbered("grad input", i) in asked) for i in range(99))
        inputs = map_nest(lambda _: next(wanted), decoded(manifest["inputs"], np.array, tensors))
        cast = lambda x: Recipe(lambda rng: x, False)  # noqa: E731 - ScratchSide draws its options
        args, kwargs = (decoded(manifest[key], cast, tensors) for key in ("args", "kwargs"))
        super().__init__(Layer(_listed(manifest["component"]), args, inputs, kwargs=kwargs), precision)
        for name, parameter in self.module.named_parameters():
            parameter.data[...] = tensors[manifest["parameters"][name]]
        for name, buffer in self.module.named_buffers():
            buffer[...] = tensors[manifest["buffers"][name]]

    def cast(self, x: np.ndarray) -> np.ndarray:
        return x.astype(self.dtype) if x.dtype.kind == "f" else x

    def cotangents(self, output: Any, more: tuple[int, ...] = ()) -> Any:
        names = iter(self.manifest["cotangents"])
        given = lambda y: None if y is None else next(names)  # noqa: E731 - one a tensor, in order
        return map_nest(lambda name: None if name is None else self.cast(self.tensors[name]), map_nest(given, output))


def run_optimizer(manifest: Any, tensors: Numbers, precision: str) -> Numbers:
    side = OptimizerSide(manifest, tensors, precision)
    trajectory = []
    for step in range(manifest["steps"]):
        if step == manifest["rates"]["step"]:
            side.scale_rates(manifest["rates"]["factor"])
        side.step(0, step)
        trajectory.append(side.numbers())
    numbers = {}
    for what in trajectory[-1]:
        parts = [values[what] for values in trajectory if what in values]
        even = len({part.shape for part in parts}) == 1
        numbers[f"run/{what}"] = np.stack(parts) if even else np.concatenate([part.ravel() for part in parts])
    return numbers


class OptimizerSide(optimizer.Side):
    """The optimizer, its groups and gradients, from the files."""

    def __init__(self, manifest: Any, tensors: Numbers, precision: str) -> None:
        self.manifest, self.tensors, self.engine, self.dtype = manifest, tensors, SCRATCH, precision
        starts = {name: tensors[tensor].astype(precision) for name, tensor in manifest["parameters"].items()}
        self.parameters = {name: SCRATCH.parameter(start) for name, start in starts.items()}
        args, kwargs = (decoded(manifest[key], np.array, tensors) for key in ("args", "kwargs"))
        groups = [
            {
                "params": [self.parameters[name] for name in group["parameters"]],
                **decoded(group["options"], np.array, tensors),
            }
            for group in manifest["groups"]
        ]
        self.optimizer = SCRATCH.find(_listed(manifest["component"]))(groups, *args, **kwargs)

    def step(self, number: int, step: int) -> None:
        if "objective" in self.manifest:
            self.optimizer.step(self.objective)
            return
        self.optimizer.zero_grad()
        for name, given in self.manifest["gradients"].items():
            if step in given["steps"]:
                gradient = self.tensors[given["tensor"]][given["steps"].index(step)]
                self.parameters[name].grad = np.array(gradient, self.dtype)
        self.optimizer.step()
