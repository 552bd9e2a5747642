"""The layers of Flax, NNX and Linen: which of their arrays plays which part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parity_tests.comparer.foreign.units import Unit, kind_of_layer, simple, walk_names

KINDS = {
    "Linear": "linear", "LinearGeneral": "linear", "Dense": "linear", "DenseGeneral": "linear", "Conv": "conv",
    "Embed": "embedding", "LayerNorm": "norm", "BatchNorm": "norm", "GroupNorm": "norm", "RMSNorm": "norm",
    "InstanceNorm": "norm", "PReLU": "prelu", "MultiHeadAttention": "attention",
    "MultiHeadDotProductAttention": "attention", "SelfAttention": "attention", "LSTMCell": "lstm",
    "OptimizedLSTMCell": "lstm", "GRUCell": "gru", "SimpleCell": "rnn",
}  # fmt: skip
PARTS = {
    "kernel": "weight", "bias": "bias", "scale": "weight", "embedding": "weight", "mean": "running_mean",
    "var": "running_var", "negative_slope": "weight",
}  # fmt: skip
ATTENTION = {"query": "q", "key": "k", "value": "v", "out": "out"}


def flax_unit(path: str, layer: Any, names: Iterable[str]) -> Unit | None:
    """A layer of Flax by the name of its class; None for one without parameters of its own."""
    kind = kind_of_layer(layer, KINDS)
    if not kind:
        return None
    if kind == "attention":
        own = dict(walk_names(names, path))
        parts = {
            f"{ATTENTION[which]}.{PARTS[array]}": name
            for which, array, name in ((*below.rpartition(".")[::2], name) for below, name in own.items())
            if which in ATTENTION and array in PARTS
        }
        return Unit(kind, path, parts, path) if parts else None
    if kind in ("lstm", "gru", "rnn"):
        parts = {_part(kind, below): name for below, name in walk_names(names, path)}
        loop = path.removesuffix(".cell")
        return Unit(kind, path, {part: name for part, name in parts.items() if part}, loop if loop != path else "")
    unit = simple(kind, path, PARTS, names)
    return unit if unit.names else None


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
