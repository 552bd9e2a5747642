"""How the parameters of Keras' layers are stored in torch's: names, layouts, orders of gates."""

from __future__ import annotations

from typing import Any

from parity_tests.comparer.foreign.matching import Piece, Way

CONV = {"Conv1D": "Conv1d", "Conv2D": "Conv2d", "Conv3D": "Conv3d", "Conv1DTranspose": "ConvTranspose1d",
        "Conv2DTranspose": "ConvTranspose2d", "Conv3DTranspose": "ConvTranspose3d"}  # fmt: skip
POOLS = {f"{k}Pooling{d}D": (f"{t}Pool{d}d",) for d in "123" for k, t in (("Max", "Max"), ("Average", "Avg"))}
PLAIN = {"ReLU": ("ReLU",), "LeakyReLU": ("LeakyReLU",), "ELU": ("ELU",), "Dropout": ("Dropout",),
         "Softmax": ("Softmax",), **POOLS}  # fmt: skip
FIRST_AXES = {
    3: "permute 2 1 0",
    4: "permute 3 2 0 1",
    5: "permute 4 3 0 1 2",
}  # (kernel ..., in, out) -> (out, in, ...)
AFFINE: dict[str, list[Way]] = {
    "gamma": [((name,), ()) for name in ("weight", "scale", "gamma", "w", "g")],
    "beta": [((name,), ()) for name in ("bias", "beta", "b", "shift")],
    "moving_mean": [(("running_mean",), ())],
    "moving_variance": [(("running_var",), ())],
}
NORMS = {
    "BatchNormalization": ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
    "LayerNormalization": ("LayerNorm",),
    "RMSNormalization": ("RMSNorm",),
    "GroupNormalization": ("GroupNorm",),
}
RECURRENT = {"LSTM": ("LSTM", ""), "GRU": ("GRU", "gates zrn"), "SimpleRNN": ("RNN", "")}
PROJECTIONS = {"query": ("q_proj", "query", "q", "wq"), "key": ("k_proj", "key", "k", "wk"),
               "value": ("v_proj", "value", "v", "wv"),
               "attention_output": ("out_proj", "o_proj", "proj", "out", "wo", "output")}  # fmt: skip


def piece_of(name: str, layer: Any) -> Piece | None:
    """The piece of a layer; None for one that Keras does not define, whose own layers are pieces."""
    kind = next((k.__name__ for k in type(layer).__mro__ if k.__module__.partition(".")[0] == "keras"), "")
    if kind == "Dense":
        # GPT-2's Conv1D keeps (in, out) itself; of a class of torch's own the kernel is transposed
        return Piece(name, ("Linear", "Conv1D"), {"kernel": _kernel(layer), "bias": _bias()})
    if kind == "EinsumDense":
        return Piece(name, ("Linear",), _projection(""))
    if kind in CONV:
        moved = FIRST_AXES[len(layer.kernel.shape)]
        return Piece(name, (CONV[kind],), {"kernel": [(("weight",), (moved,))], "bias": _bias()})
    if kind.startswith("DepthwiseConv"):
        moved = {3: "permute 1 2 0", 4: "permute 2 3 0 1"}[len(layer.kernel.shape)]
        return Piece(name, ("Conv1d", "Conv2d"), {"kernel": [(("weight",), (moved,))], "bias": _bias()})
    if kind == "Embedding":
        return Piece(name, ("Embedding",), {"embeddings": [(("weight",), ())]})
    if kind in NORMS:
        own = {"scale": AFFINE["gamma"]} if kind == "RMSNormalization" else AFFINE
        return Piece(name, NORMS[kind], own)
    if kind in RECURRENT:
        return _recurrent(name, kind)
    if kind == "Bidirectional":
        return _both_ways(name, layer)
    if kind == "MultiHeadAttention":
        return _attention(name, layer)
    if kind in PLAIN:
        return Piece(name, PLAIN[kind])
    if kind == "Activation":
        return Piece(name, ACTIVATIONS.get(getattr(layer.activation, "__name__", ""), ()))
    return None


ACTIVATIONS = {"relu": ("ReLU",), "gelu": ("GELU",), "silu": ("SiLU",), "tanh": ("Tanh",), "sigmoid": ("Sigmoid",),
               "softmax": ("Softmax",), "elu": ("ELU",), "selu": ("SELU",), "softplus": ("Softplus",)}  # fmt: skip


def _kernel(layer: Any) -> list[Way]:
    names = ("weight", "kernel", "w", "W")
    return [((n,), ("transpose",)) for n in names]


def _bias() -> list[Way]:
    return [((n,), ()) for n in ("bias", "b")]


def _recurrent(name: str, kind: str, suffix: str = "_l0", inner: str = "") -> Piece:
    torch_kind, gates = RECURRENT[kind]
    order = (gates,) if gates else ()
    ih, hh = ((f"{{}}_{part}{suffix}") for part in ("ih", "hh"))
    biases = (ih.format("bias"), hh.format("bias"))
    own: dict[str, list[Way]] = {
        "kernel": [((ih.format("weight"),), (*order, "transpose"))],
        "recurrent_kernel": [((hh.format("weight"),), (*order, "transpose"))],
        "bias": [(biases, (*order, "concat", "reshape")), (biases, (*order, "sum"))]
        if kind == "GRU"
        else [(biases, (*order, "sum")), ((biases[0],), order)],
    }
    return Piece(name, (torch_kind,), {f"{inner}{n}": ways for n, ways in own.items()})


def _both_ways(name: str, layer: Any) -> Piece | None:
    kind = type(layer.forward_layer).__name__
    if kind not in RECURRENT:
        return None
    ahead = _recurrent(name, kind, "_l0", f"{layer.forward_layer.name}.")
    back = _recurrent(name, kind, "_l0_reverse", f"{layer.backward_layer.name}.")
    return Piece(name, ahead.kinds, {**ahead.parameters, **back.parameters})


def _projection(path: str) -> dict[str, list[Way]]:
    """A projection to heads, (C, H, d), or from them, (H, d, C)."""
    dot = f"{path}." if path else ""
    return {f"{dot}kernel": [(("weight",), ("transpose", "reshape"))], f"{dot}bias": [(("bias",), ("reshape",))]}


def _attention(name: str, layer: Any) -> Piece:
    width = layer._num_heads * layer._key_dim
    own: dict[str, list[Way]] = {}
    for i, part in enumerate(("query", "key", "value")):
        rows = f"rows {i * width}:{(i + 1) * width}"
        apart = [(f"{p}.{{}}",) for p in PROJECTIONS[part]] + [(f"self.{p}.{{}}",) for p in PROJECTIONS[part]]
        fused = [(f"{p}.{{}}",) for p in ("c_attn", "qkv", "in_proj", "qkv_proj")]
        own[f"{part}.kernel"] = [
            (("in_proj_weight",), (rows, "transpose", "reshape")),
            *(((p.format("weight"),), ("transpose", "reshape")) for (p,) in apart),
            *(((p.format("weight"),), (rows, "transpose", "reshape")) for (p,) in fused),
        ]
        own[f"{part}.bias"] = [
            (("in_proj_bias",), (rows, "reshape")),
            *(((p.format("bias"),), ("reshape",)) for (p,) in apart),
            *(((p.format("bias"),), (rows, "reshape")) for (p,) in fused),
        ]
    outs = [f"{p}.{{}}" for p in (*PROJECTIONS["attention_output"], "c_proj", "output.dense")]
    own["attention_output.kernel"] = [((p.format("weight"),), ("transpose", "reshape")) for p in outs]
    own["attention_output.bias"] = [((p.format("bias"),), ()) for p in outs]
    parts = tuple(Piece(f"{name}.{part}", ("Linear",), _projection("")) for part in PROJECTIONS)
    return Piece(name, ("MultiheadAttention",), own, parts)
