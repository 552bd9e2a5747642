"""Names, order and defaults of arguments are exactly torch's, except those listed here."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from scratch.nn.inputs import TORCHS_NAMES

# Arguments of torch that say how to execute, not what to compute. scratch leaves them out, or accepts and ignores them.
LEFT_OUT = {
    "device": "NumPy computes on the CPU",
    "inplace": "accepted and ignored where torch has it: scratch never overwrites its input",
    "foreach": "the optimizers work on flat buffers, which is what foreach approximates",
    "fused": "the same",
    "capturable": "about CUDA graphs",
    "differentiable": "about autograd through the optimizer",
    "size_average": "deprecated in torch since 0.4 in favor of reduction",
    "reduce": "deprecated in torch since 0.4 in favor of reduction",
    "verbose": "deprecated in torch's schedulers",
    "options": "accepted and ignored: how LinearCrossEntropyLoss trades time for memory",
}

# torch shows (*args, **kwargs) for these, a wrapper around overloads or a deprecation; these are as documented.
_RECURRENT = "num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False"
DOCUMENTED = {
    "nn.GRU": f"input_size, hidden_size, {_RECURRENT}",
    "nn.LSTM": f"input_size, hidden_size, {_RECURRENT}, proj_size=0",
    "nn.RNN": "input_size, hidden_size, " + _RECURRENT.replace("bias", "nonlinearity='tanh', bias"),
    "nn.NLLLoss2d": "weight=None, ignore_index=-100, reduction='mean'",
}

# Arguments of scratch that torch does not have, or that torch reads from a global.
ADDED = {
    "dtype": "torch's, with float32 as the visible default instead of a global one",
    "generator": "None means the global one; torch's layers always draw from the global one",
}


def arguments(function: Any) -> list[tuple[str, Any]]:
    """(name, default) of every argument that counts, in order. torch writes (*args, **kwargs) for no arguments."""
    skipped = LEFT_OUT.keys() | ADDED.keys() | {"self"}
    return [
        (name, None if parameter.default is inspect.Parameter.empty else (_plain(parameter.default),))
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in skipped and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _plain(default: Any) -> Any:
    """Torch's Transformer has the function relu as a default, scratch its name."""
    return getattr(default, "__name__", default)


def difference(name: str, ours: Any, theirs: Any, absent: Collection[str] = ()) -> str:
    """What differs between the two signatures of a component, or an empty string. This torch lacks what is `absent`."""
    mine = _text([argument for argument in arguments(ours) if argument[0] not in absent])
    torchs = DOCUMENTED.get(name) or _text(arguments(theirs))
    return "" if mine == torchs else f"scratch has {mine}; torch has {torchs}"


# Modules without a forward of their own: torch shows that of Module.
NO_FORWARD = ("Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "RNNBase", "RNNCellBase")


def forward_difference(ours: Any, theirs: Any) -> str:
    """What differs between the names of what two forwards take; torch's names of inputs are scratch's too."""
    own = list(inspect.signature(ours.forward).parameters)[1:]
    torchs = list(inspect.signature(theirs.forward).parameters)[1:]
    taken = [name if name in own else TORCHS_NAMES.get(name, name) for name in torchs]
    return "" if own == taken else f"forward takes {', '.join(own)}; torch's takes {', '.join(torchs)}"


def _text(arguments: list[tuple[str, Any]]) -> str:
    return ", ".join(name if default is None else f"{name}={default[0]!r}" for name, default in arguments)
