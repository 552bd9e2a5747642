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
ROUNDED = ("QuantizeLinear", "DequantizeLinear")
WHOLE = ("DynamicQuantize", "MatMulInteger", "ConvInteger", "QLinear", "QGemm")  # computes with whole numbers
UNNAMED = ("onnx::", "val_", "_")
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
        self._sessions: dict[Any, Any] = {}
        self._data = self._depends_on_numbers()
        self._types = _element_types(model)
        self.blocks = self._blocks()

    def parameters(self) -> dict[str, np.ndarray]:
        """The floating initializers by the names of a state_dict. A weight that was turned round has lost its own."""
        floats = {n: tensor for n, tensor in self.weights.items() if tensor.data_type in FLOATS}
        found = {n: onnx.numpy_helper.to_array(t) for n, t in floats.items() if not n.startswith(UNNAMED)}
        for block in (block for block in self.blocks if block.name and f"{block.name}.weight" not in found):
            read = [node.input[1] for node in block.nodes if node.op_type == "MatMul"]
            turned = [floats[n] for n in read if n in floats and n.startswith(UNNAMED)]
            if len(turned) == 1:
                found[f"{block.name}.weight"] = onnx.numpy_helper.to_array(turned[0]).T
        return found

    def coarse(self) -> str:
        """float16, or int8 where the graph computes with quantized numbers; '' for float32."""
        kinds = {node.op_type for node in self.nodes}
        if any(kind.startswith((*WHOLE, *ROUNDED)) for kind in kinds):
            return "int8"
        halves = [t for t in self.weights.values() if t.data_type == onnx.TensorProto.FLOAT16]
        return "float16" if halves else ""

    def run(self, block: Block, values: dict[str, Any]) -> dict[str, np.ndarray]:
        """The outputs of a block, by onnxruntime."""
        wanted = [*block.outputs, *block.aside]
        if not wanted:
            return {}
        names = [*block.inputs, *block.fixed]
        feeds = {name: np.asarray(values[name]) for name in names}
        key = id(block), *(x.shape for x in feeds.values())
        if key not in self._sessions:
            self._sessions[key] = self._session(block, feeds)
        return dict(zip(wanted, self._sessions[key].run(wanted, feeds), strict=True))

    def _session(self, block: Block, feeds: dict[str, Any]) -> Any:
        """Inputs with their shapes: without a rank onnxruntime 1.32 crashes on an attention in float16."""
        kinds = {n: (onnx.helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in feeds.items()}
        inputs = [onnx.helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()]
        outputs = [self._typed(name) for name in (*block.outputs, *block.aside)]
        read = {name for node in block.nodes for name in _reads(node)}
        weights = [tensor for name, tensor in self.weights.items() if name in read]
        graph = onnx.helper.make_graph(block.nodes, "part", inputs, outputs, weights)
        part = onnx.helper.make_model(graph, opset_imports=self.model.opset_import, functions=self.model.functions)
        part.ir_version = self.model.ir_version
        return onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])

    def _typed(self, name: str) -> Any:
        """A value with its element type, where it is known."""
        if name not in self._types:
            return onnx.ValueInfoProto(name=name)
        return onnx.helper.make_tensor_value_info(name, self._types[name], None)

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
        inside = {name for block in blocks if block.name for name in block.outputs[:-1]}  # another layer's own values
        for block in blocks:
            apart = often[block.name] > 1 or inside.intersection((*block.inputs, *block.outputs))
            if block.name and (apart or not self._is_the_layer(block)):
                block.name = ""
        return blocks

    def _names(self) -> list[str]:
        """The layer of each node; one that a quantization has put in belongs to the layer that reads it."""
        found: list[str] = []
        for node in self.nodes:
            said = {prop.key: prop.value for prop in node.metadata_props}
            scopes = ast.literal_eval(said[SCOPES]) if SCOPES in said else []
            old = node.name.strip("/").split("/")[:-1] if node.name.startswith("/") else []
            found.append(list(scopes)[-2] if len(scopes) > 1 else _joined(old))
        self._name_what_quantization_added(found)
        return found

    def _name_what_quantization_added(self, names: list[str]) -> None:
        """What computes with whole numbers goes with the layer that reads it; a rounding only within one layer.

        A rounding to whole numbers from 0 on is also the ReLU before it, which is then gone.
        """
        readers: dict[str, set[str]] = {}
        before: dict[str, str] = {}
        makers = []
        for node, name in zip(self.nodes, names, strict=True):
            makers.append(before.get(node.input[0], "") if node.input else "")
            before.update(dict.fromkeys(node.output, makers[-1] if node.op_type in ROUNDED else name))
        for i, node in reversed([*enumerate(self.nodes)]):
            reading = set().union(*(readers.get(name, set()) for name in node.output))
            reader = reading.pop() if len(reading) == 1 else ""
            if node.op_type in ROUNDED:
                names[i] = reader if reader == makers[i] else ""
            elif node.op_type.startswith(WHOLE) or (node.op_type in ("Cast", "Mul") and not names[i]):
                names[i] = reader
            for name in _reads(node):
                readers.setdefault(name, set()).add(reader if node.op_type in ROUNDED else names[i])

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
        makers = {name: node.op_type for node in self.nodes for name in node.output}
        first = [node for node in block.nodes if set(block.inputs).intersection(node.input)]
        if any(node.op_type == "Reshape" and makers.get(node.input[0]) in ("Reshape", "Transpose") for node in first):
            return False  # its own reshape has taken in the one before it
        said = [prop.value for node in block.nodes for prop in node.metadata_props if prop.key == CLASSES]
        if any("BatchNorm" in classes for classes in said) and kinds.intersection(PRODUCTS):
            return False  # the convolution before it is in it
        if any(node.op_type.startswith("Conv") and node.input[1].startswith("onnx::") for node in block.nodes):
            return False  # the normalization after it is in its weights
        last = [node for node in block.nodes if node.op_type in RECURRENT]
        return not any(block.outputs[0] in node.output[1:] for node in last)  # the last state alone


def _element_types(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values if value.type.tensor_type.elem_type}


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
