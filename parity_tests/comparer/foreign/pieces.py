"""How layers are stored outside torch: for each of a layer's parameters, torch's names and the moves to its own.

Kernels of Flax and Keras are (kernel..., in, out), where torch has (out, in, kernel...). The names besides torch's are
those that a class of the user's own may have on the right.
"""

from __future__ import annotations

from collections.abc import Mapping

from parity_tests.comparer.foreign.matching import NORMS, Piece, Way

WEIGHTS, BIASES = ("weight", "kernel", "w", "W"), ("bias", "b")
PARTS = {
    "weight": ("weight", "scale", "gamma", "w", "g"), "bias": ("bias", "beta", "b", "shift"),
    "running_mean": ("running_mean",), "running_var": ("running_var",),
}  # fmt: skip
PROJECTIONS = {"q": ("q_proj", "query", "q", "wq"), "k": ("k_proj", "key", "k", "wk"),
               "v": ("v_proj", "value", "v", "wv"),
               "out": ("out_proj", "o_proj", "proj", "out", "wo", "output", "c_proj", "output.dense")}  # fmt: skip
FUSED = ("c_attn", "qkv", "in_proj", "qkv_proj")
GATES = {"lstm": "ifgo", "gru": "rzn", "rnn": "n"}
RECURRENT = {"lstm": ("LSTM", "LSTMCell"), "gru": ("GRU", "GRUCell"), "rnn": ("RNN", "RNNCell")}


def ways(names: tuple[str, ...], *moves: tuple[str, ...]) -> list[Way]:
    """Each of these names, with the first of these moves that fits."""
    return [((name,), one) for one in moves or ((),) for name in names]


def linear(name: str, weight: str, bias: str, *moves: tuple[str, ...]) -> Piece:
    """`weight` and `bias` are its own names, "" if it has no bias; transposed if nothing else is said."""
    parameters = {weight: ways(WEIGHTS, *moves or (("transpose",),))} | _bias(bias)
    return Piece(name, ("Linear", "Conv1D"), parameters)


def _bias(bias: str) -> dict[str, list[Way]]:
    return {bias: ways(BIASES, (), ("reshape",))} if bias else {}


def kernel_moves(axes: int) -> tuple[str, ...]:
    """(kernel..., in, out) from (out, in, kernel...)."""
    return (f"permute {' '.join(map(str, (axes - 1, axes - 2, *range(axes - 2))))}",)


def conv(name: str, axes: int, weight: str, bias: str, *moves: tuple[str, ...], kind: str = "Conv") -> Piece:
    return Piece(name, (f"{kind}{axes - 2}d",), {weight: ways(("weight",), *moves)} | _bias(bias))


def norm(name: str, kinds: tuple[str, ...], own: Mapping[str, str]) -> Piece:
    """`own` says which part of torch's each of its own arrays is: {"norm.scale": "weight"}."""
    found = {array: ways(PARTS[part], (), ("reshape",)) for array, part in own.items()}
    return Piece(name, kinds or NORMS, found)


def attention(
    name: str, own: Mapping[str, tuple[str, str]], width: int, turned: bool, apart: Mapping[str, str]
) -> Piece:
    """`own` says of each of its arrays which projection it belongs to, and whether it is the weight or the bias.

    width   of all heads
    turned  whether weights are (in, out), or (in, heads, d) and (heads, d, out)
    apart   the names of its projections as layers, for a right side that has them so
    """
    found: dict[str, list[Way]] = {}
    for array, (part, kind) in own.items():
        turn = ("transpose",) if turned and kind == "weight" else ()
        if part == "out":
            whole = [f"{other}.{kind}" for other in PROJECTIONS["out"]]
            found[array] = ways(tuple(whole), turn, (*turn, "reshape"))
            continue
        i = "qkv".index(part)
        rows = f"rows {i * width}:{(i + 1) * width}"
        others = [f"{prefix}{other}.{kind}" for prefix in ("", "self.") for other in PROJECTIONS[part]]
        others += [f"{part}_proj_weight"] * (kind == "weight")  # torch's, where keys or values have another width
        fused = [f"{other}.{kind}" for other in FUSED]
        found[array] = [
            *ways((f"in_proj_{kind}",), (rows, *turn), (rows, *turn, "reshape")),
            *ways(tuple(others), turn, (*turn, "reshape")),
            *ways(tuple(fused), (rows, *turn), (rows, *turn, "reshape")),
        ]
    parts = []
    for part, layer in apart.items():
        mine = {array: ways((kind,), *_forms(kind, turned)) for array, (p, kind) in own.items() if p == part}
        parts.append(Piece(layer, ("Linear",), mine))
    return Piece(name, ("MultiheadAttention",), found, tuple(parts))


def _forms(kind: str, turned: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    turn = ("transpose",) if turned and kind == "weight" else ()
    return turn, (*turn, "reshape")


def recurrent(name: str, kind: str, own: Mapping[str, str], size: int, turned: bool, layer: str | None) -> Piece:
    """`own` says which part of torch's each array is: weight_ih, or weight_ih.i of a gate alone; one bias is both's.

    size    of the state
    layer   as of a Piece: the loop around a cell
    """
    return Piece(name, RECURRENT[kind], {a: [_part(kind, part, size, turned)] for a, part in own.items()}, (), layer)


def _part(kind: str, part: str, size: int, turned: bool) -> Way:
    """Gates fused or apart; one bias for two, of which a GRU keeps the recurrent one of n apart."""
    array, _, gate = part.partition(".")
    place = GATES[kind].index(gate) if gate else 0
    rows = (f"rows {place * size}:{(place + 1) * size}",) if gate else ()
    both = ("bias_ih", "bias_hh")
    if array.startswith("weight"):
        return (array,), (*rows, *(("transpose",) if turned else ()))
    if array == "bias_hh" or (array == "bias_ih" and gate):
        return (array,), rows
    if kind == "gru" and not gate:
        return both, (f"sum rows 0:{2 * size}",)
    return both, ("sum", *rows)


def below(names: Mapping[str, object], path: str) -> dict[str, str]:
    """The arrays of a layer: their names within it, and in the whole."""
    dot = f"{path}." if path else ""
    return {name.removeprefix(dot): name for name in names if name.startswith(dot)}
