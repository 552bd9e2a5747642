"""Forward and backward of every component of the parity table, on the sizes of sizes.py.

Both engines get the same numbers. Gradients are asked for the same inputs and all parameters; clearing the gradients of
the run before is not timed. The optimizers are a separate group.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from experiments.bench.case import Case, Limit, Timed, Unavailable, Work, library
from experiments.bench.cases.sizes import ACTIVATIONS, ELEMENTWISE_LOSSES, POOLING, SIZES, first_rows
from experiments.bench.traffic import counted, counting, touched
from parity_tests.table.row import Averaging, Clipping, Initialiser, Layer, Scheduler

MOST = 10.0  # times torch, for anything
CLOSER = {
    **{row.name: 2.0 for row in (*ACTIVATIONS, *ELEMENTWISE_LOSSES)},
    **dict.fromkeys(("nn.NLLLoss", "nn.CrossEntropyLoss"), 2.0),
    **{row.name: 3.0 for row in POOLING},
    "nn.Conv2d": 3.0,
    **dict.fromkeys(("nn.LSTM", "nn.LayerNorm", "nn.MultiheadAttention"), 2.0),
    **{f"nn.BatchNorm{axes}d": 2.0 for axes in (1, 2, 3)},
}
STEPS = 50  # of a schedule

# Why a component exceeds its limit, or what its ratio measures.
STREAM = "most of it is torch's own random stream, bit for bit, one Mersenne Twister in NumPy"
LAYER_NORM = "statement by statement NumPy moves its arrays between cache and core; a fused loop moves them once"
REASONS: dict[str, str] = {
    **dict.fromkeys(("nn.Dropout", "nn.AlphaDropout", "nn.RReLU"), STREAM),
    **dict.fromkeys(("nn.init.uniform_", "nn.init.xavier_uniform_", "nn.init.kaiming_uniform_"), STREAM),
    **dict.fromkeys(("nn.init.normal_", "nn.init.xavier_normal_", "nn.init.kaiming_normal_"), STREAM),
    "nn.init.sparse_": "a permutation of every column, drawn one by one as torch draws it",
    "nn.GELU": "26 passes keep every digit on the far left, where torch keeps none",
    "nn.Hardswish": "13 passes over the array, where a fused loop needs 2",
    "nn.LayerNorm": LAYER_NORM,
    "nn.GroupNorm": LAYER_NORM,
}


def cases(quick: bool) -> list[Case]:
    return [
        Case(
            name,
            "components",
            setting={"name": name},
            limits=(Limit(CLOSER.get(name, MOST), "torch"),),
            rounds=3 if quick else 7,
            seconds=0.002 if quick else 0.02,
            reason=REASONS.get(name, ""),
        )
        for name in components()
    ]


def components() -> list[str]:
    """In the order of the table."""
    return [name for name in reversed(first_rows()) if not _is_optimizer(name)]


def _is_optimizer(name: str) -> bool:
    return name.startswith("optim.") and name.count(".") == 1


def prepare(engine: str, name: str) -> Work:
    row = SIZES.get(name) or first_rows()[name]
    work: dict[type[Any], Any] = {
        Layer: layer,
        Scheduler: schedule,
        Averaging: averaging,
        Initialiser: initialiser,
        Clipping: clipping,
    }
    prepared: Work = work[type(row)](engine, row)
    return prepared


def layer(engine: str, row: Layer) -> Timed:
    from parity_tests.checks.sides import ScratchSide, TorchSide, draw, generator
    from parity_tests.engine import TORCH, find

    try:
        find(library("torch"), row.name)
    except AttributeError:
        raise Unavailable(f"this torch has no {row.name}.") from None
    inputs, call = draw((row.inputs, row.call), generator(row, 0, 0), np.dtype(np.float32))
    if engine == "scratch":
        return scratch_layer(ScratchSide(row, np.float32), inputs, call)
    return torch_layer(TorchSide(row, np.float32, engine=TORCH), inputs, call)


def scratch_layer(side: Any, inputs: Any, call: Any) -> Timed:
    module = side.module
    output = module(*inputs, **call)
    cotangents = side.cotangents(output)

    def forward() -> None:
        module(*inputs, **call)

    def backward() -> None:
        side.backward(cotangents)

    def notes() -> dict[str, Any]:
        return traffic_of(side, inputs, call, cotangents)

    return Timed({"forward": forward, "backward": backward}, module.zero_grad, notes)


def traffic_of(side: Any, inputs: Any, call: Any, cotangents: Any) -> dict[str, Any]:
    """The bytes that forward and backward move, and the least possible: every input and result once, both ways.

    Parameters are read in both directions and their gradients written once; inputs and what backward needs of them are
    read in both.
    """
    from parity_tests.nests import leaves

    module = side.module
    module.zero_grad()
    parameters = [parameter.data for parameter in module.parameters()]
    outputs = [dy for dy in leaves(cotangents) if dy is not None]
    arrays = [x for x in leaves(inputs) if isinstance(x, np.ndarray)]
    least = 3 * touched(parameters) + 2 * touched(outputs) + sum(3 * touched(x) for x in arrays)
    try:
        with counted() as traffic:
            module(*counting(inputs), **counting(call))
            side.backward(counting(cotangents))
    except Exception as error:
        return {"bytes": f"not counted: {type(error).__name__}"}
    return {"MB moved": round(traffic.bytes / 1e6, 2), "MB at least": round(least / 1e6, 2)}


def torch_layer(side: Any, inputs: Any, call: Any) -> Timed:
    import torch

    from parity_tests.checks.sides import differentiable
    from parity_tests.nests import leaves, map_nest

    tensors, options = map_nest(side._tensor, inputs), map_nest(side._tensor, call)
    flat = list(leaves(tensors))
    for tensor, wanted in zip(flat, differentiable(side.row), strict=True):
        if wanted:
            tensor.requires_grad_()
    module = side.module
    followed = [*(x for x in flat if isinstance(x, torch.Tensor)), *module.parameters()]
    outputs: list[Any] = []
    cotangents: list[Any] = []

    def forward() -> None:
        output = module(*tensors, **options)
        outputs[:] = [y for y in leaves(output) if isinstance(y, torch.Tensor) and y.requires_grad]

    def backward() -> None:
        torch.autograd.backward(outputs, cotangents)

    def reset() -> None:
        for tensor in followed:
            tensor.grad = None

    forward()
    cotangents += [side._cotangent(i, y) for i, y in enumerate(outputs)]
    return Timed({"forward": forward, "backward": backward}, reset)


def initialiser(engine: str, row: Initialiser) -> Timed:
    from parity_tests.checks.sides import draw, generator
    from parity_tests.engine import find

    lib = library(engine)
    (array,) = draw(row.arrays, generator(row, 0), np.dtype(np.float32))
    target = array if engine == "scratch" else _tensors([array])[0]
    fill = find(lib, row.name)
    return Timed({"fill": lambda: fill(target, *row.args, **row.kwargs)})


def clipping(engine: str, row: Clipping) -> Timed:
    """Clipping of the gradients of 784-128-10, which are drawn again before each call."""
    from parity_tests.checks.sides import draw, generator
    from parity_tests.engine import find

    lib = library(engine)
    arrays = draw(row.gradients, generator(row, 0), np.dtype(np.float32))
    gradients = list(arrays) if engine == "scratch" else _tensors(arrays)
    parameters = [lib.nn.Parameter(gradient * 0) for gradient in gradients]
    function = find(lib, row.name)
    norm = _scalar(engine, row.kwargs.get("total_norm", 1.0))

    def reset() -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient + 0

    def clip() -> None:
        if row.name.endswith("get_total_norm"):
            function([parameter.grad for parameter in parameters], **row.kwargs)
        elif row.name.endswith("clip_grads_with_norm_"):
            function(parameters, row.kwargs["max_norm"], norm)
        else:
            function(parameters, **row.kwargs)

    return Timed({"clip": clip}, reset)


def schedule(engine: str, row: Scheduler) -> Timed:
    """Many steps of the schedule alone, on an optimizer with two groups."""
    from parity_tests.checks.scheduler import Side
    from parity_tests.engine import ENGINES

    warnings.simplefilter("ignore", UserWarning)
    metric = (1.0,) if row.name.endswith("ReduceLROnPlateau") else ()
    sides: list[Side] = []

    def reset() -> None:
        sides[:] = [Side(row, ENGINES[engine])]
        sides[0].optimizer.step()

    def steps() -> None:
        for _ in range(STEPS):
            sides[0].scheduler.step(*metric)

    return Timed({f"{STEPS} steps": steps}, reset)


def averaging(engine: str, row: Averaging) -> Timed:
    from parity_tests.engine import find

    lib = library(engine)
    model = lib.nn.Sequential(lib.nn.Linear(784, 128), lib.nn.BatchNorm1d(128), lib.nn.Linear(128, 10))
    if row.name.endswith("update_bn"):
        x = np.random.default_rng(0).normal(size=(4, 128, 784)).astype(np.float32)
        batches = list(x) if engine == "scratch" else _tensors(x)
        update = find(lib, row.name)
        return Timed({"update": lambda: update(batches, model)})
    averaged = find(lib, row.name)(model)
    return Timed({"update": lambda: averaged.update_parameters(model)})


def _tensors(arrays: Any) -> list[Any]:
    import torch

    return [torch.tensor(array) for array in arrays]


def _scalar(engine: str, number: float) -> Any:
    return np.float32(number) if engine == "scratch" else _tensors([np.float32(number)])[0]
