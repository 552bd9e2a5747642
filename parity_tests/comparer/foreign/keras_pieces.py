"""The layers of Keras, as torch stores them: names, layouts, orders of gates."""

from __future__ import annotations

from typing import Any

from parity_tests.comparer.foreign import pieces
from parity_tests.comparer.foreign.matching import Piece, Way

CONV = {f"Conv{d}D{t}": (f"Conv{t}", d) for d in "123" for t in ("", "Transpose")}
POOLS = {f"{k}Pooling{d}D": (f"{t}Pool{d}d",) for d in "123" for k, t in (("Max", "Max"), ("Average", "Avg"))}
PLAIN = {"ReLU": ("ReLU",), "LeakyReLU": ("LeakyReLU",), "ELU": ("ELU",), "Dropout": ("Dropout",),
         "Softmax": ("Softmax",), **POOLS}  # fmt: skip
PARTS = {"gamma": "weight", "beta": "bias", "scale": "weight", "moving_mean": "running_mean",
         "moving_variance": "running_var"}  # fmt: skip
NORMS = {
    "BatchNormalization": ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
    "LayerNormalization": ("LayerNorm",),
    "RMSNormalization": ("RMSNorm",),
    "GroupNormalization": ("GroupNorm",),
}
RECURRENT = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn"}
PROJECTIONS = {"query": "q", "key": "k", "value": "v", "attention_output": "out"}
ACTIVATIONS = {"relu": ("ReLU",), "gelu": ("GELU",), "silu": ("SiLU",), "tanh": ("Tanh",), "sigmoid": ("Sigmoid",),
               "softmax": ("Softmax",), "elu": ("ELU",), "selu": ("SELU",), "softplus": ("Softplus",)}  # fmt: skip


def piece_of(name: str, layer: Any) -> Piece | None:
    """The piece of a layer; None for one that Keras does not define, whose own layers are pieces."""
    kind = next((k.__name__ for k in type(layer).__mro__ if k.__module__.partition(".")[0] == "keras"), "")
    kernel, bias = _own(name, "kernel"), _own(name, "bias")
    if kind == "Dense":
        return pieces.linear(name, kernel, bias)
    if kind == "EinsumDense":  # to heads (C, H, d), or from them (H, d, C)
        return pieces.linear(name, kernel, bias, ("transpose", "reshape"))
    if kind in CONV:
        axes = len(layer.kernel.shape)
        return pieces.conv(name, axes, kernel, bias, pieces.kernel_moves(axes), kind=CONV[kind][0])
    if kind.startswith("DepthwiseConv"):  # (kernel..., in, multiplier), in the order of torch's output channels
        axes = len(layer.kernel.shape)
        order = " ".join(map(str, (axes - 2, axes - 1, *range(axes - 2))))
        return pieces.conv(name, axes, kernel, bias, (f"permute {order}",))
    if kind in ("Embedding", "ReversibleEmbedding"):
        return Piece(name, ("Embedding",), {_own(name, "embeddings"): pieces.ways(("weight",))})
    if kind in NORMS:
        return pieces.norm(name, NORMS[kind], {_own(name, own): part for own, part in PARTS.items()})
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


def _own(name: str, own: str) -> str:
    return f"{name}.{own}" if name else own


def _recurrent(name: str, kind: str, layer: str | None = None) -> Piece:
    """A GRU has its gates as z, r, n, and both biases as rows of one array if the reset comes after the product."""
    order = ("gates zrn",) if kind == "GRU" else ()
    biases = ("bias_ih", "bias_hh")
    own: dict[str, list[Way]] = {
        "kernel": [(("weight_ih",), (*order, "transpose"))],
        "recurrent_kernel": [(("weight_hh",), (*order, "transpose"))],
        "bias": [(biases, (*order, "concat", "reshape")), (biases, (*order, "sum"))]
        if kind == "GRU"
        else [(biases, (*order, "sum")), ((biases[0],), order)],
    }
    kinds = pieces.RECURRENT[RECURRENT[kind]]
    return Piece(name, kinds, {_own(name, array): ways for array, ways in own.items()}, (), layer)


def _both_ways(name: str, layer: Any) -> Piece | None:
    """Two layers, one for each direction."""
    kind = type(layer.forward_layer).__name__
    if kind not in RECURRENT:
        return None
    both = (layer.forward_layer, layer.backward_layer)
    return Piece(name, (), {}, tuple(_recurrent(_own(name, one.name), kind, "") for one in both))


def _attention(name: str, layer: Any) -> Piece:
    arrays = {"kernel": "weight", "bias": "bias"}
    own = {_own(name, f"{which}.{array}"): (part, kind) for which, part in PROJECTIONS.items()
           for array, kind in arrays.items()}  # fmt: skip
    apart = {part: _own(name, which) for which, part in PROJECTIONS.items()}
    return pieces.attention(name, own, layer._num_heads * layer._key_dim, True, apart)
