"""Rows: torch.nn.utils without clipping, each function in a few lines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from parity_tests.table.recipe import single
from parity_tests.table.row import Program, Row

if TYPE_CHECKING:
    from parity_tests.engine import Engine

Layers = Callable[[Any, dict[str, Any]], tuple[Any, Any]]


# --- a layer and the normalization behind it as one layer -------------------------------------------------------------


def fused(name: str, make: Layers, shape: tuple[int, ...], options: Any, engine: Engine, dtype: str, rng: Any) -> Any:
    """The fused layer's parameters, and its output."""
    layer, norm = with_statistics(make, engine, dtype, rng)
    one = engine.find(f"nn.utils.{name}")(layer, norm, **options)
    with engine.no_grad():
        y = one(engine.native(single(rng.normal(size=shape)).astype(dtype)))
    return {"weight": one.weight, "bias": one.bias, "output": y}


def fused_weights(name: str, make: Layers, options: Any, engine: Engine, dtype: str, rng: Any) -> Any:
    """Weight and bias of the fused layer, from arrays."""
    layer, norm = with_statistics(make, engine, dtype, rng)
    parameters = [engine.native(engine.array(p)) for p in (layer.weight, layer.bias, norm.weight, norm.bias)]
    weight, bias, scale, shift = parameters
    return engine.find(f"nn.utils.{name}")(
        weight, bias, norm.running_mean, norm.running_var, norm.eps, scale, shift, **options
    )


def with_statistics(make: Layers, engine: Engine, dtype: str, rng: np.random.Generator) -> tuple[Any, Any]:
    """Both layers in eval mode, with drawn parameters and statistics."""
    layers = make(engine.lib.nn, engine.factory(dtype))
    for layer in layers:
        layer.eval()
        fill(engine, dtype, rng, layer)
    return layers


def fill(engine: Engine, dtype: str, rng: np.random.Generator, module: Any) -> None:
    """Load numbers into all parameters and buffers; variances are positive."""
    state = {}
    for name, value in module.state_dict().items():
        drawn = single(np.asarray(rng.uniform(0.5, 2, tuple(value.shape))))
        state[name] = engine.native(drawn.astype(engine.array(value).dtype))
    module.load_state_dict(state)


# --- parameters as one vector, modules without drawing ----------------------------------------------------------------


def network(engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    nn, factory = engine.lib.nn, engine.factory(dtype)
    net = nn.Sequential(nn.Linear(5, 3, **factory), nn.BatchNorm1d(3, **factory), nn.Linear(3, 2, False, **factory))
    fill(engine, dtype, rng, net)
    return net


def to_vector(engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    return engine.lib.nn.utils.parameters_to_vector(network(engine, dtype, rng).parameters())


def from_vector(engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """The state_dict afterwards, and after a step of an optimizer that was made before; three numbers remain."""
    net = network(engine, dtype, rng)
    optimizer = engine.lib.optim.SGD(net.parameters(), lr=0.1)
    for parameter in net.parameters():
        parameter.grad = engine.native(single(rng.normal(size=tuple(parameter.shape))).astype(dtype))
    size = sum(engine.array(parameter).size for parameter in net.parameters())
    vector = engine.native(single(rng.normal(size=size + 3)).astype(dtype))
    engine.lib.nn.utils.vector_to_parameters(vector, net.parameters())
    loaded = {name: engine.array(value) for name, value in net.state_dict().items()}
    optimizer.step()
    return loaded, dict(net.state_dict())


def without_drawing(engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """The names, shapes and dtypes; the state of the stream is compared too."""
    layer = engine.lib.nn.utils.skip_init(engine.lib.nn.Linear, 5, 3, bias=False, **engine.factory(dtype))
    return {name: (tuple(value.shape), str(engine.array(value).dtype)) for name, value in layer.state_dict().items()}


# --- sequences of different lengths -----------------------------------------------------------------------------------


def sequences(engine: Engine, dtype: str, rng: np.random.Generator, lengths: list[int]) -> list[Any]:
    return [engine.native(single(rng.normal(size=(length, 3))).astype(dtype)) for length in lengths]


def padded(options: dict[str, Any], engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    return engine.lib.nn.utils.rnn.pad_sequence(sequences(engine, dtype, rng, [2, 5, 1]), **options)


def packed(lengths: list[int], options: dict[str, Any], engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    """Packed one by one and padded; and back both ways."""
    rnn = engine.lib.nn.utils.rnn
    one = rnn.pack_sequence(sequences(engine, dtype, rng, lengths), **options)
    array, sizes = rnn.pad_packed_sequence(one, batch_first=True, padding_value=-1.0, total_length=7)
    again = rnn.pack_padded_sequence(array, sizes, batch_first=True, **options)
    return {
        "packed": tuple(one),
        "padded": (array, sizes),
        "again": tuple(again),
        "unpadded": rnn.unpad_sequence(array, sizes, batch_first=True),
        "unpacked": rnn.unpack_sequence(one),
    }


def inverted(engine: Engine, dtype: str, rng: np.random.Generator) -> Any:
    return engine.lib.nn.utils.rnn.invert_permutation(engine.native(rng.permutation(7)))


LAYERS: dict[str, tuple[Layers, tuple[int, ...], dict[str, Any]]] = {
    "1d": (lambda nn, k: (nn.Conv1d(2, 3, 2, **k), nn.BatchNorm1d(3, **k)), (4, 2, 7), {}),
    "2d": (lambda nn, k: (nn.Conv2d(2, 3, 2, **k), nn.BatchNorm2d(3, **k)), (4, 2, 5, 6), {}),
    "grouped": (lambda nn, k: (nn.Conv2d(2, 4, 2, groups=2, **k), nn.BatchNorm2d(4, 1e-3, **k)), (4, 2, 5, 6), {}),
    "no bias": (lambda nn, k: (nn.Conv2d(2, 3, 2, bias=False, **k), nn.BatchNorm2d(3, **k)), (4, 2, 5, 6), {}),
    "not affine": (lambda nn, k: (nn.Conv2d(2, 3, 2, **k), nn.BatchNorm2d(3, affine=False, **k)), (4, 2, 5, 6), {}),
    "transposed": (
        lambda nn, k: (nn.ConvTranspose2d(2, 3, 2, **k), nn.BatchNorm2d(3, **k)),
        (4, 2, 5, 6),
        {"transpose": True},
    ),
}
LINEAR: Layers = lambda nn, k: (nn.Linear(5, 3, **k), nn.BatchNorm1d(3, **k))  # noqa: E731
WITHOUT: Layers = lambda nn, k: (nn.Linear(5, 3, bias=False, **k), nn.BatchNorm1d(3, **k))  # noqa: E731
LENGTHS: dict[str, tuple[list[int], dict[str, Any]]] = {
    "": ([5, 3, 3, 1], {}),
    "unsorted": ([2, 5, 1, 4], {"enforce_sorted": False}),
}
PADDING: dict[str, dict[str, Any]] = {
    "": {},
    "batch first": {"batch_first": True, "padding_value": 7.0},
    "left": {"padding_side": "left"},
}
PACKING = ("pack_sequence", "pack_padded_sequence", "pad_packed_sequence", "unpad_sequence", "unpack_sequence")

ROWS: list[Row] = [
    *(
        Program("nn.utils.fuse_conv_bn_eval", partial(fused, "fuse_conv_bn_eval", make, shape, options), case)
        for case, (make, shape, options) in LAYERS.items()
    ),
    *(
        Program("nn.utils.fuse_conv_bn_weights", partial(fused_weights, "fuse_conv_bn_weights", make, options), case)
        for case, (make, _, options) in LAYERS.items()
        if case in ("2d", "transposed")
    ),
    Program("nn.utils.fuse_linear_bn_eval", partial(fused, "fuse_linear_bn_eval", LINEAR, (9, 5), {})),
    Program("nn.utils.fuse_linear_bn_eval", partial(fused, "fuse_linear_bn_eval", WITHOUT, (9, 5), {}), "no bias"),
    Program("nn.utils.fuse_linear_bn_weights", partial(fused_weights, "fuse_linear_bn_weights", LINEAR, {})),
    Program("nn.utils.parameters_to_vector", to_vector),
    Program("nn.utils.vector_to_parameters", from_vector),
    Program("nn.utils.skip_init", without_drawing),
    *(Program("nn.utils.rnn.pad_sequence", partial(padded, options), case) for case, options in PADDING.items()),
    *(
        Program(f"nn.utils.rnn.{name}", partial(packed, *how), case)
        for name in PACKING
        for case, how in LENGTHS.items()
    ),
    Program("nn.utils.rnn.PackedSequence", partial(packed, *LENGTHS["unsorted"])),
    Program("nn.utils.rnn.invert_permutation", inverted),
]
