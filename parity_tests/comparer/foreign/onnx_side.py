"""An ONNX file as a side: layer by layer where an exporter of torch has written down which nodes are whose.

It computes in eval mode, has no backward, and its numbers are its own: its initializers are compared with the right's
parameters. The whole is run by onnxruntime as it is; the layers are run one by one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.nests import leaves, map_nest
from parity_tests.comparer.side import ROOT, Given, Probe, Side
from parity_tests.comparer.values import Numbers, array, arrays, is_float, named_outputs


def side(model: Any, given: Given, loss: Any = None) -> Side | None:
    """The side of an ONNX file, or None where the package onnx, which reads its layers, is not installed."""
    try:
        import onnx

        from parity_tests.comparer.foreign.onnx_graph import Graph
    except ImportError:
        return None
    proto = model if isinstance(model, onnx.ModelProto) else onnx.load(str(model.path))
    return OnnxSide(model, Graph(proto), given, loss)


class OnnxSide(Side):
    framework = "onnx"
    frozen = True

    def __init__(self, model: Any, graph: Any, given: Given, loss: Any = None) -> None:
        super().__init__(model, loss)
        self.graph = graph
        self._check(given)
        self._session = _session(graph.model)
        self.blocks = {block.name: block for block in graph.blocks if block.name}
        self.modules = {ROOT: model, **self.blocks}
        opset = next((one.version for one in graph.model.opset_import if not one.domain), None)
        self.title = graph.model.graph.name + (f", opset {opset}" if opset else "")  # masks differ by it
        self._fixed: dict[str, Any] = {}
        self._kinds: dict[str, np.dtype] = {}
        self._given = given
        self.coarse = graph.coarse()
        self.noise = NOISE.get(self.coarse)

    # --- a side that nothing can be written to ------------------------------------------------------------------------

    def state(self) -> Numbers:
        return self.graph.parameters()

    def load(self, name: str, value: np.ndarray) -> None:
        """Nothing: the numbers of a file are its own."""

    def parameter_names(self) -> list[str]:
        return list(self.state())

    def has_gradient(self, name: str) -> bool:
        return False

    def fixed_mode(self) -> bool:
        return True

    def can_backward(self) -> bool:
        return False

    def half(self) -> bool:
        return False

    def snapshot(self) -> Any:
        return None

    def restore(self, snapshot: Any) -> None:
        """Nothing has changed."""

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self, given, target, training, seed, cotangent, probe=None, wanted=(), sink=None):
        feeds = self._feeds(given)
        if probe is None:
            outputs = self._session.run(None, feeds)
        else:
            outputs = self._by_blocks(feeds, given, probe)
        output = _wide(outputs[0] if len(outputs) == 1 else tuple(outputs))
        if self.loss is None:
            return named_outputs(output)
        value = self.loss.forward(output, arrays(target))
        return named_outputs(output, "prediction") | named_outputs(np.asarray(value))

    def local(self, name, args, kwargs, dys, training, seed):
        if name == ROOT:
            return self.run(Given(args, kwargs), None, training, seed, None)
        if not self._kinds:
            with suppress(Exception):  # a block after this one may not run
                self._by_blocks(self._feeds(self._given), self._given, Probe())
        block = self.modules[name]
        given = [np.asarray(array(x)) for x in leaves((args, kwargs)) if hasattr(x, "dtype")]
        if len(given) < len(block.inputs):
            raise ValueError(f"{name} reads {len(block.inputs)} values in the file, and is given {len(given)}")
        kinds = self._kinds
        own = {n: x.astype(kinds[n], copy=False) for n, x in zip(block.inputs, given, strict=False)}
        found = self.graph.run(block, self._fixed | own)
        outputs = [found[n] for n in block.outputs]
        return named_outputs(_wide(outputs[0] if len(outputs) == 1 else tuple(outputs)))

    def _by_blocks(self, feeds: dict[str, Any], given: Given, probe: Probe) -> list[Any]:
        """Every block after the other; the probe hears of those that are layers."""
        values = dict(feeds)
        names = {id(block): name for name, block in self.modules.items()}
        probe.enter((ROOT, 0))
        probe.stand_in((ROOT, 0), given.args, given.kwargs)
        try:
            for block in self.graph.blocks:
                self._run_block(block, names.get(id(block)), values, probe)
        finally:
            self._kinds = {name: np.asarray(value).dtype for name, value in values.items()}
            self._fixed = {n: values[n] for block in self.graph.blocks for n in block.fixed if n in values}
        outputs = [values[name] for name in self.graph.results]
        probe.forward((ROOT, 0), given.args, given.kwargs, _wide(outputs[0] if len(outputs) == 1 else tuple(outputs)))
        return outputs

    def _run_block(self, block: Any, name: str | None, values: dict[str, Any], probe: Probe) -> None:
        """One block on the values so far, to which its own are added."""
        if name is None:
            values |= self.graph.run(block, values)
            return
        key = name, 0
        args = tuple(_wide(values[n]) for n in block.inputs)
        probe.enter(key)
        given_back = probe.stand_in(key, args, {})
        if given_back is not None:
            values |= self._given_back(block, given_back, values)
            return
        values |= (made := self.graph.run(block, values))
        output = tuple(_wide(made[n]) for n in block.outputs)
        probe.forward(key, args, {}, output[0] if len(output) == 1 else output)

    def _given_back(self, block: Any, outputs: Any, values: dict[str, Any]) -> dict[str, np.ndarray]:
        """The outputs of a replaced layer, in the file's precision."""
        own = self.graph.run(block, values)
        found = [np.asarray(array(y)) for y in leaves(outputs) if hasattr(y, "dtype")]
        return own | {n: y.astype(own[n].dtype, copy=False) for n, y in zip(block.outputs, found, strict=False)}

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _inputs(self) -> dict[str, Any]:
        known = set(self.graph.given)
        return {value.name: value.type.tensor_type for value in self.graph.model.graph.input if value.name in known}

    def _feeds(self, given: Given) -> dict[str, np.ndarray]:
        import onnx

        wanted = self._inputs()
        named = {name: np.asarray(array(x)) for name, x in given.kwargs.items()}
        rest = [name for name in wanted if name not in named]
        found = [np.asarray(array(x)) for x in leaves(given.args)]
        if not set(named) <= set(wanted) or len(found) != len(rest):
            got = f"{len(found)}" + (f" and {', '.join(named)} by name" if named else "")
            raise CompareError(f"compare: the ONNX model takes {len(wanted)} inputs ({', '.join(wanted)}), got {got}.")
        feeds = named | dict(zip(rest, found, strict=True))
        kinds = {name: onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type) for name, kind in wanted.items()}
        return {name: np.asarray(x).astype(kinds[name], copy=False) for name, x in feeds.items()}

    def _check(self, given: Given) -> None:
        """CompareError where a shape is fixed in the file and another one is given."""
        for name, x in self._feeds(given).items():
            fixed = [d.dim_value if d.HasField("dim_value") else None for d in self._inputs()[name].shape.dim]
            if len(fixed) == x.ndim and all(n is None or n == m for n, m in zip(fixed, x.shape, strict=True)):
                continue
            shown = ["any" if n is None else n for n in fixed]
            raise CompareError(
                f"compare: the ONNX file was exported for {name} of shape {shown}, got {list(x.shape)}: give an input "
                "of that shape, or export it with dynamic_shapes (dynamic_axes in the older exporter)."
            )


# The root mean square of a layer's noise as a share of its signal, in ulp. A float16 rounding is at most 2^-11 of a
# number, and a layer has a few: 48 dB leaves 18 dB for sums that cancel. int8 has 254 steps over a range of some 7
# deviations: 7 / 254 / sqrt(12), 0.8 %, in each operand, 42 dB; 24 dB leaves as much.
NOISE = {"float16": 2.0**-8 * 2**23, "int8": 2.0**-4 * 2**23}


def _session(model: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def _wide(nest: Any) -> Any:
    """float16 as float32, which the right computes in."""
    return map_nest(lambda x: x.astype(np.float32) if is_float(x) and x.dtype == np.float16 else x, nest)
