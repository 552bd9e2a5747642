"""The layers of Flax, NNX and Linen, as torch stores them."""

from __future__ import annotations

from typing import Any

from parity_tests.comparer.foreign import pieces
from parity_tests.comparer.foreign.matching import Piece
from parity_tests.comparer.values import Numbers

KINDS = {
    "Linear": "linear", "LinearGeneral": "linear", "Dense": "linear", "DenseGeneral": "linear", "Conv": "conv",
    "ConvTranspose": "transposed", "Embed": "embedding", "LayerNorm": "norm", "BatchNorm": "norm", "GroupNorm": "norm",
    "RMSNorm": "norm", "InstanceNorm": "norm", "PReLU": "prelu", "MultiHeadAttention": "attention",
    "MultiHeadDotProductAttention": "attention", "SelfAttention": "attention", "LSTMCell": "lstm",
    "OptimizedLSTMCell": "lstm", "GRUCell": "gru", "SimpleCell": "rnn",
}  # fmt: skip
NORMS = {kind: tuple(f"{kind}{n}d" for n in (1, 2, 3)) for kind in ("BatchNorm", "InstanceNorm")}
PARTS = {"scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
PROJECTIONS = {"query": "q", "key": "k", "value": "v", "out": "out"}


def flax_piece(path: str, layer: Any, values: Numbers) -> Piece | None:
    """A layer by the name of its class, the nearest first; None for one without parameters of its own."""
    name = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in KINDS), "")
    own = pieces.below(values, path)
    if not name or not own:
        return None
    kind, kernel, bias = KINDS[name], own.get("kernel", ""), own.get("bias", "")
    if kind == "linear":
        turn: tuple[str, ...] = ("transpose",) if values[kernel].ndim == 2 else ("transpose", "reshape")
        return pieces.linear(path, kernel, bias, turn)
    if kind == "conv":
        return pieces.conv(path, values[kernel].ndim, kernel, bias, pieces.kernel_moves(values[kernel].ndim))
    if kind == "transposed":
        moves = _transposed(layer, values[kernel].ndim)
        return pieces.conv(path, values[kernel].ndim, kernel, bias, moves, kind="ConvTranspose")
    if kind == "embedding":
        return Piece(path, ("Embedding",), {own["embedding"]: pieces.ways(("weight",))})
    if kind == "prelu":
        return Piece(path, ("PReLU",), {own["negative_slope"]: pieces.ways(("weight",), (), ("reshape",))})
    if kind == "norm":
        return pieces.norm(path, NORMS.get(name, (name,)), {own[a]: part for a, part in PARTS.items() if a in own})
    return _attention(path, own, values) if kind == "attention" else _recurrent(path, kind, own, values)


def _transposed(layer: Any, axes: int) -> tuple[str, ...]:
    """(kernel..., in, out), not turned over; or with transpose_kernel as torch computes it, (kernel..., out, in)."""
    if layer.transpose_kernel:
        return pieces.kernel_moves(axes)
    spatial = [*range(2, axes)]
    return (
        f"flip {' '.join(map(str, spatial))}",
        f"permute {' '.join(map(str, (axes - 2, axes - 1, *range(axes - 2))))}",
    )


def _attention(path: str, own: dict[str, str], values: Numbers) -> Piece | None:
    arrays = {"kernel": "weight", "bias": "bias"}
    parts = {name: (PROJECTIONS[which], arrays[array]) for below, name in own.items()
             for which, _, array in [below.partition(".")] if which in PROJECTIONS and array in arrays}  # fmt: skip
    if "query.kernel" not in own:
        return None
    width = values[own["query.kernel"]][0].size
    apart = {part: f"{path}.{which}".lstrip(".") for which, part in PROJECTIONS.items()}
    return pieces.attention(path, parts, width, True, apart)


def _recurrent(path: str, kind: str, own: dict[str, str], values: Numbers) -> Piece | None:
    parts = {name: part for below, name in own.items() if (part := _part(kind, below))}
    states = [values[name].shape[0] for name, part in parts.items() if part.startswith("weight_hh")]
    loop = path.removesuffix(".cell")
    return pieces.recurrent(path, kind, parts, states[0], True, loop if loop != path else "") if states else None


def _part(kind: str, name: str) -> str:
    """dense_i.kernel, dense_h.kernel and one bias; or ii, if, hi, hf: a layer for each gate."""
    layer, _, array = name.rpartition(".")
    fused = {"dense_i": "ih", "dense_h": "hh", "i": "ih", "h": "hh"}
    if layer in fused:
        return f"weight_{fused[layer]}" if array == "kernel" else "bias"
    if len(layer.strip("_")) != 2 or layer[0] not in "ih":
        return ""
    where, gate = {"i": "ih", "h": "hh"}[layer[0]], layer.strip("_")[1]
    if array == "kernel":
        return f"weight_{where}.{gate}"
    if kind == "gru" and gate == "n":
        return f"bias_{where}.n"
    return f"bias.{gate}"
