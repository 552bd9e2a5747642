"""The layers of Equinox, as torch stores them: kernels as in torch, one bias for two, projections apart."""

from __future__ import annotations

from typing import Any

from parity_tests.comparer.foreign import pieces
from parity_tests.comparer.foreign.matching import Piece
from parity_tests.comparer.values import Numbers

KINDS = ("Linear", "ConvTranspose", "Conv", "Embedding", "LayerNorm", "GroupNorm", "RMSNorm", "BatchNorm", "PReLU",
         "MultiheadAttention", "LSTMCell", "GRUCell")  # fmt: skip
ATTENTION = {"query_proj": "q", "key_proj": "k", "value_proj": "v", "output_proj": "out"}
RECURRENT = {"weight_ih": "weight_ih", "weight_hh": "weight_hh", "bias": "bias", "bias_n": "bias_hh.n"}
NORM = {"weight": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def equinox_piece(path: str, layer: Any, values: Numbers) -> Piece | None:
    """A layer by the name of its class, the nearest first; None for one without parameters of its own."""
    kind = next((c.__name__ for c in type(layer).__mro__ if c.__name__ in KINDS), "")
    own = pieces.below(values, path)
    if not kind or not own:
        return None
    weight, bias = own.get("weight", ""), own.get("bias", "")
    if kind == "Linear":
        return pieces.linear(path, weight, bias, ())
    if kind == "Conv":
        return pieces.conv(path, values[weight].ndim, weight, bias, ())
    if kind == "ConvTranspose":
        return pieces.conv(path, values[weight].ndim, weight, bias, _transposed(values[weight].ndim), kind=kind)
    if kind == "Embedding":
        return Piece(path, (kind,), {weight: pieces.ways(("weight",))})
    if kind == "PReLU":
        return Piece(path, (kind,), {own["negative_slope"]: pieces.ways(("weight",), (), ("reshape",))})
    if kind in ("LSTMCell", "GRUCell"):
        parts = {own[name]: part for name, part in RECURRENT.items() if name in own}
        size = values[own["weight_hh"]].shape[1]
        return pieces.recurrent(path, kind.removesuffix("Cell").lower(), parts, size, False, "")
    if kind == "MultiheadAttention":
        return _attention(path, own, values)
    kinds = tuple(f"{kind}{n}d" for n in (1, 2, 3)) if kind == "BatchNorm" else (kind,)
    return pieces.norm(path, kinds, {name: NORM[below] for below, name in own.items() if below in NORM})


def _transposed(axes: int) -> tuple[str, ...]:
    """(out, in, kernel...), not turned over."""
    spatial = [*range(2, axes)]
    return f"flip {' '.join(map(str, spatial))}", f"permute {' '.join(map(str, (1, 0, *spatial)))}"


def _attention(path: str, own: dict[str, str], values: Numbers) -> Piece:
    parts = {name: (ATTENTION[which], array) for below, name in own.items()
             for which, _, array in [below.rpartition(".")] if which in ATTENTION}  # fmt: skip
    apart = {part: f"{path}.{which}".lstrip(".") for which, part in ATTENTION.items()}
    return pieces.attention(path, parts, len(values[own["query_proj.weight"]]), False, apart)
