"""Which torch layer made which nodes of an ONNX graph, and parts of the graph that can be run by themselves.

torch's exporters write it down: the new one in a node's metadata (`pkg.torch.onnx.name_scopes`), the old one in its
name (`/encoder/norm/Add`). The nodes of one innermost layer are a block; what lies between layers are blocks without a
name. A layer that the exporter has folded into another one, or whose nodes lie apart, has none.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime

SCOPES, CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
SHAPES = ("Shape", "Size")  # their outputs depend on the shapes alone
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
RECURRENT = ("LSTM", "GRU", "RNN")


@dataclass
class Block:
    """Nodes in a row: those of one call of a layer, or those between two (`name` is '').

    `inputs` are values of others that depend on the numbers that the model is given, `fixed` those that do not;
    `outputs` and `aside` are what others read of it, again apart.
    """

    name: str
    nodes: list[Any] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)


class Graph:
    """An ONNX model in blocks."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.nodes = model, list(model.graph.node)
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.given = [value.name for value in model.graph.input if value.name not in self.weights]
        self.results = [value.name for value in model.graph.output]
        self._sessions: dict[int, Any] = {}
        self._data = self._depends_on_numbers()
        self.blocks = self._blocks()

    def parameters(self) -> dict[str, np.ndarray]:
        """The floating initializers whose names are those of a state_dict."""
        named = {n: t for n, t in self.weights.items() if not n.startswith(("onnx::", "val_", "_"))}
        return {n: onnx.numpy_helper.to_array(t) for n, t in named.items()
                if t.data_type in FLOATS}  # fmt: skip

    def precision(self) -> str:
        """float32, float16, or int8 where the graph computes with quantized numbers."""
        kinds = {node.op_type for node in self.nodes}
        if any(kind.startswith(("QLinear", "Quantize", "DynamicQuantize", "MatMulInteger")) for kind in kinds):
            return "int8"
        halves = [t for t in self.weights.values() if t.data_type == onnx.TensorProto.FLOAT16]
        return "float16" if halves else "float32"

    def run(self, block: Block, values: dict[str, Any]) -> dict[str, np.ndarray]:
        """The outputs of a block, by onnxruntime."""
        wanted = [*block.outputs, *block.aside]
        if not wanted:
            return {}
        names = [*block.inputs, *block.fixed]
        feeds = {name: values[name] for name in names}
        if id(block) not in self._sessions:
            self._sessions[id(block)] = self._session(block, feeds)
        return dict(zip(wanted, self._sessions[id(block)].run(wanted, feeds), strict=True))

    def _session(self, block: Block, feeds: dict[str, Any]) -> Any:
        kinds = {name: onnx.helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype) for name, value in feeds.items()}
        inputs = [onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
        outputs = [onnx.ValueInfoProto(name=name) for name in (*block.outputs, *block.aside)]
        read = {name for node in block.nodes for name in _reads(node)}
        weights = [tensor for name, tensor in self.weights.items() if name in read]
        graph = onnx.helper.make_graph(block.nodes, "part", inputs, outputs, weights)
        part = onnx.helper.make_model(graph, opset_imports=self.model.opset_import, functions=self.model.functions)
        part.ir_version = self.model.ir_version
        return onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])

    # --- from nodes to blocks -----------------------------------------------------------------------------------------

    def _depends_on_numbers(self) -> set[str]:
        """The values that depend on the numbers given, not on their shapes alone."""
        found = set(self.given)
        for node in self.nodes:
            if node.op_type not in SHAPES and found.intersection(_reads(node)):
                found.update(node.output)
        return found

    def _blocks(self) -> list[Block]:
        names = self._names()
        leaves = {n for n in names if n and not any(other.startswith(f"{n}.") for other in names)}
        blocks: list[Block] = [Block("")]
        for node, name in zip(self.nodes, names, strict=True):
            if not self._data.intersection(node.output):  # a constant or a shape: wherever it stands
                blocks[-1].nodes.append(node)
                continue
            name = name if name in leaves else ""
            if name != blocks[-1].name:
                blocks.append(Block(name))
            blocks[-1].nodes.append(node)
        self._wire(blocks)
        often = Counter(block.name for block in blocks)
        for block in blocks:
            if block.name and (often[block.name] > 1 or not self._is_the_layer(block)):
                block.name = ""
        return blocks

    def _names(self) -> list[str]:
        """The layer of each node."""
        found = []
        for node in self.nodes:
            said = {prop.key: prop.value for prop in node.metadata_props}
            scopes = ast.literal_eval(said[SCOPES]) if SCOPES in said else []
            old = node.name.strip("/").split("/")[:-1] if node.name.startswith("/") else []
            found.append(list(scopes)[-2] if len(scopes) > 1 else _joined(old))
        return found

    def _wire(self, blocks: Sequence[Block]) -> None:
        """What each block reads of others, and what others read of it."""
        made = {name: block for block in blocks for node in block.nodes for name in node.output}
        for block in blocks:
            for name in dict.fromkeys(name for node in block.nodes for name in _reads(node)):
                source = made.get(name)
                if source is block or (source is None and name not in self.given):
                    continue
                (block.inputs if name in self._data else block.fixed).append(name)
        read = {name for block in blocks for name in (*block.inputs, *block.fixed)} | set(self.results)
        for block in blocks:
            found = [name for node in block.nodes for name in node.output if name in read]
            block.outputs = [name for name in found if name in self._data]
            block.aside = [name for name in found if name not in self._data]

    def _is_the_layer(self, block: Block) -> bool:
        """Whether the block computes what the layer of its name does, and nothing that is folded into it."""
        if not block.inputs or not block.outputs:
            return False
        kinds = {node.op_type for node in block.nodes}
        said = {prop.key: prop.value for node in block.nodes for prop in node.metadata_props}
        if "BatchNorm" in said.get(CLASSES, "").rpartition("torch.nn")[2] and kinds.intersection(PRODUCTS):
            return False  # the convolution before it is in it
        if any(node.op_type.startswith("Conv") and node.input[1].startswith("onnx::") for node in block.nodes):
            return False  # the normalization after it is in its weights
        last = [node for node in block.nodes if node.op_type in RECURRENT]
        return not any(block.outputs[0] in node.output[1:] for node in last)  # the last state alone


def _reads(node: Any) -> Iterator[str]:
    """What a node reads; the bodies of loops and branches read values from around them."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs] if attribute.HasField("g") or attribute.graphs else []:
            own = {name for inner in graph.node for name in inner.output} | {value.name for value in graph.input}
            for inner in graph.node:
                yield from (name for name in _reads(inner) if name not in own)


def _joined(scopes: Sequence[str]) -> str:
    """`seq`, `seq.0` is the layer seq.0; `layers.0`, `norm` is layers.0.norm."""
    name = ""
    for scope in scopes:
        last = name.rpartition(".")[2]
        name += scope[len(last) :] if last and scope.startswith(f"{last}.") else f".{scope}" if name else scope
    return name
