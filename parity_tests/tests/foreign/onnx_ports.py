"""ONNX files of the six blocks, exported by torch from the right module, and from others."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from parity_tests.tests.foreign import blocks
from parity_tests.tests.foreign.matrix import INPUTS, Framework, Port


def exported(block: str, make: Callable[[], nn.Module], change: Callable[[Any], Any] | None = None) -> Any:
    """The file of a module, once something in it is changed; read back."""
    import onnx

    module = make().eval()
    if change is not None:
        module = change(module) or module
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = str(Path(folder) / f"{block}.onnx")
            if block == "transformer":  # the older exporter cannot trace it by itself
                options: dict[str, Any] = {"dynamo": True, "external_data": False, "verbose": False}
            else:
                options = {"dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
            torch.onnx.export(module, (torch.from_numpy(INPUTS[block]),), path, **options)
            return onnx.load(path)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def called(method: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """The module with another forward."""
    return lambda module: setattr(module, "forward", lambda x: method(module, x))


def ports() -> Iterator[Port]:
    def port(block: str, right: Callable[[], nn.Module], mistake: str, where: Any, causes: Any, change: Any) -> Port:
        places, names = ((part,) if isinstance(part, str) else part for part in (where, causes))
        return Port(block, lambda: exported(block, right, change), right, mistake, places, names, "eval")

    def attribute(path: str, name: str, value: Any) -> Callable[[Any], None]:
        return lambda module: setattr(module.get_submodule(path), name, value)

    def without_bias(module: Any) -> None:
        nn.init.zeros_(module.get_parameter("fc.bias"))

    F = nn.functional
    for block in blocks.INPUTS:
        right = getattr(blocks, block)
        yield Port(block, partial(exported, block, right), right, mode="eval")
    eps = "another epsilon"
    yield port("mlp", blocks.mlp, eps, "norm", "eps-value", attribute("norm", "eps", 1e-3))
    tanh = called(lambda m, x: x + m.fc2(F.gelu(m.norm(m.fc1(x)), approximate="tanh")))
    yield port("mlp", blocks.mlp, "GELU by tanh", "→ fc2", "gelu-tanh", tanh)
    no = called(lambda m, x: m.fc2(F.gelu(m.norm(m.fc1(x)))))
    yield port("mlp", blocks.mlp, "no residual", "", "residual-missing", no)
    yield port("cnn", blocks.cnn, eps, "bn", "eps-value", attribute("bn", "eps", 1e-2))
    yield port("cnn", blocks.cnn, "a model of another day: other weights", "fc", "other-parameters", without_bias)
    mean = called(lambda m, x: m.fc(F.relu(m.conv2(F.avg_pool2d(F.relu(m.bn(m.conv1(x))), 2))).flatten(1)))
    yield port("cnn", blocks.cnn, "average for maximum", "→ conv2", "pool-kind", mean)
    for block, right in (("lstm", blocks.lstm), ("gru", blocks.gru)):
        yield port(block, right, eps, "norm", "eps-value", attribute("norm", "eps", 1e-3))
        first = called(lambda m, x: m.head(m.norm(m.rnn(x)[0])[:, 0]))
        yield port(block, right, "the first step", "→ head", "position", first)
        turned = called(lambda m, x: m.head(m.norm(m.rnn(x.flip(1))[0])[:, -1]))
        yield port(block, right, "time reversed", ("→ rnn", "→ norm"), ("reversed", "order", "flipped"), turned)
    yield port("attention", blocks.attention, eps, "norm", "eps-value", attribute("norm", "eps", 1e-3))
    four = attribute("attn", "num_heads", 4)

    def heads(module: Any) -> None:
        four(module)
        module.attn.head_dim = 4

    yield port("attention", blocks.attention, "four heads for two", "attn", "heads", heads)
    no = called(lambda m, x: m.attn(*[m.norm(x)] * 3, need_weights=False)[0])
    yield port("attention", blocks.attention, "no residual", "", "residual-missing", no)
    yield port("transformer", blocks.transformer, eps, "norm2", "eps-value", attribute("norm2", "eps", 1e-3))
    relu = attribute("", "activation", F.relu)
    yield port("transformer", blocks.transformer, "ReLU for GELU", ("→ linear2", "→ dropout"), "other-activation", relu)
    pre = attribute("", "norm_first", True)
    yield port("transformer", blocks.transformer, "pre-norm", ("→ self_attn", "→ norm1"),
               ("wiring", "residual-alone"), pre)  # fmt: skip


FRAMEWORK = Framework("ONNX", ("onnx", "onnxruntime"), ports)
