"""tinygrad, MyGrad, autograd, safetensors and pytorch-optimizer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity_tests.conventions.statement import Late, Table, raises, which

TINYGRAD, MYGRAD, AUTOGRAD, SAFETENSORS = Table("tinygrad"), Table("MyGrad"), Table("autograd"), Table("safetensors")
tinygrad, mygrad, autograd = Late("tinygrad"), Late("mygrad"), Late("autograd")
tinygrad_nn, tinygrad_optim = Late("tinygrad.nn"), Late("tinygrad.nn.optim")
safetensors = Late("safetensors.numpy")
PYTORCH_OPTIMIZER = Table("pytorch-optimizer")


# --- tinygrad ---------------------------------------------------------------------------------------------------------


def tensor(*values: float) -> Any:
    return tinygrad.Tensor(list(values))


@TINYGRAD.shows("leaky_relu's slope is 0.01, elu's alpha 1.", [-0.01, math.expm1(-1)], "nn.LeakyReLU nn.ELU")
def slopes() -> Any:
    return [tensor(-1.0).leaky_relu().item(), tensor(-1.0).elu().item()]


@TINYGRAD.shows("gelu is the tanh form.", "tanh", "nn.GELU", causes=("gelu-tanh",))
def gelu() -> Any:
    import torch.nn.functional as F
    from torch import ones

    return which([tensor(1.0).gelu().item()], erf=F.gelu(ones(1)), tanh=F.gelu(ones(1), approximate="tanh"))


@TINYGRAD.shows("The gradients of relu and |x| at 0 are 0.", [0.0, 0.0], "nn.ReLU nn.L1Loss")
def kinks() -> Any:
    found = []
    for form in (lambda x: x.relu(), lambda x: x.abs()):
        x = tensor(0.0)
        (slope,) = form(x).sum().gradient(x)
        found.append(slope.item())
    return found


@TINYGRAD.shows("max shares the gradient among ties.", [0.5, 0.5], "nn.MaxPool?d")
def ties_of_the_maximum() -> Any:
    x = tensor(1.0, 1.0)
    (slope,) = x.max().gradient(x)
    return slope.tolist()


@TINYGRAD.shows(
    "LayerNorm's eps is 1e-5, RMSNorm's 1e-6, BatchNorm's 1e-5 with momentum 0.1.",
    [1e-5, 1e-6, 1e-5, 0.1],
    "nn.LayerNorm nn.RMSNorm nn.BatchNorm?d",
    causes=("eps-value: eps=1e-06",),
)
def epsilons() -> Any:
    norm = tinygrad_nn.BatchNorm(2)
    return [tinygrad_nn.LayerNorm(2).eps, tinygrad_nn.RMSNorm(2).eps, norm.eps, norm.momentum]


@TINYGRAD.shows("Linear and Conv2d start uniform within 1/√(fan-in), as torch.", 0.1, "nn.Linear nn.Conv?d")
def initial_linear() -> Any:
    tinygrad.Tensor.manual_seed(0)
    return round(float(np.abs(tinygrad_nn.Linear(100, 2000).weight.numpy()).max()), 3)


@TINYGRAD.shows("SGD keeps lr outside the velocity unless classic=True.", ["outside", "inside"], "optim.SGD")
def classic() -> Any:
    found = []
    for classic in (False, True):
        with tinygrad.Context(TRAINING=1):
            p = tensor(0.0)
            optimizer = tinygrad_optim.SGD([p], lr=1.0, momentum=0.9, classic=classic)
            for rate in (1.0, 0.1):
                optimizer.lr.assign(tensor(rate)).realize()
                p.grad = tensor(1.0)
                optimizer.step()
        found.append(which([p.item()], outside=[-1.19], inside=[-2.0]))
    return found


@TINYGRAD.shows(
    "Adam's eps is outside the corrected root, 1e-8; 1 - β2^t is a product in float32.",
    ["outside", True],
    "optim.Adam",
    causes=("float32-correction: product",),
)
def adam_epsilon() -> Any:
    found = []
    for eps, g in ((1e-4, 1e-4), (0.0, 1.0)):
        with tinygrad.Context(TRAINING=1):
            p = tensor(0.0)
            optimizer = tinygrad_optim.Adam([p], lr=1.0, eps=eps)
            p.grad = tensor(g)
            optimizer.step()
        found.append(p.item())
    g, root = 1e-4, math.sqrt(1 - 0.999)
    return [
        which([found[0]], 1e-4, outside=[-g / (g + 1e-4)], hat=[-g / (g + 1e-4 / root)]),
        1e-6 < abs(found[1] + 1) < 1e-5,
    ]


@TINYGRAD.shows(
    "sparse_categorical_crossentropy: a row with the given ignore_index leaves the denominator, one with the default "
    "-1 stays in it.",
    ["kept rows", "all rows"],
    "nn.CrossEntropyLoss",
    causes=("ignored-rows: counted in the mean",),
)
def ignored_rows() -> Any:
    x = tinygrad.Tensor([[1.0, 2.0, 0.5], [0.3, -1.0, 2.0]])
    one = x[:1].sparse_categorical_crossentropy(tinygrad.Tensor([0])).item()
    given = x.sparse_categorical_crossentropy(tinygrad.Tensor([0, 1]), ignore_index=1).item()
    default = x.sparse_categorical_crossentropy(tinygrad.Tensor([0, -1])).item()
    return [
        "all rows" if abs(loss - one / 2) < 1e-6 else "kept rows" if abs(loss - one) < 1e-6 else loss
        for loss in (given, default)
    ]


@TINYGRAD.shows(
    "Dropout is on only inside Context(TRAINING=1): assigning Tensor.training has no effect.",
    [True, False],
    "nn.Dropout*",
)
def training_mode() -> Any:
    tinygrad.Tensor.training = True
    outside = bool((tinygrad.Tensor.ones(100).dropout(0.5).numpy() == 1).all())
    with tinygrad.Context(TRAINING=1):
        inside = bool((tinygrad.Tensor.ones(100).dropout(0.5).numpy() == 1).all())
    return [outside, inside]


@TINYGRAD.shows("avg_pool2d counts padding by default, as torch.", [0.25, 0.25], "nn.AvgPool?d")
def average_counts_padding() -> Any:
    return tinygrad.Tensor.ones(1, 1, 2, 2).avg_pool2d(2, padding=1).numpy()[0, 0, 0, [0, -1]].tolist()


@TINYGRAD.shows(
    "A true entry of a Boolean mask attends in scaled_dot_product_attention.",
    1.0,
    "nn.ScaledDotProductAttention",
    causes=("mask-polarity: read as 'attend'",),
)
def meaning_of_a_mask() -> Any:
    v = tinygrad.Tensor([[[[0.0], [1.0]]]])
    mask = tinygrad.Tensor([[[[False, True]]]])
    return tinygrad.Tensor.zeros(1, 1, 1, 1).scaled_dot_product_attention(v * 0, v, attn_mask=mask).item()


# --- MyGrad and autograd ----------------------------------------------------------------------------------------------


@MYGRAD.shows("The gradients of relu and |x| at 0 are 0.", [0.0, 0.0], "nn.ReLU nn.L1Loss")
def mygrad_kinks() -> Any:
    found = []
    for form in (Late("mygrad.nnet.activations").relu, mygrad.abs):
        x = mygrad.tensor(0.0)
        form(x).backward()
        found.append(float(x.grad))
    return found


@MYGRAD.shows("The gradient of the norm at 0 is NaN.", "nan", "nn.utils.clip_grad_norm_",
              causes=("kink: NaN of a norm at 0",))  # fmt: skip
def mygrad_norm_at_0() -> Any:
    x = mygrad.tensor([0.0, 0.0])
    mygrad.linalg.norm(x).backward()
    return str(float(x.grad[0]))


@MYGRAD.shows("var is biased by default, as NumPy's.", 2 / 3, "nn.BatchNorm?d nn.LayerNorm")
def mygrad_variance() -> Any:
    return float(mygrad.var(mygrad.tensor([0.0, 1.0, 2.0])).data)


@AUTOGRAD.shows("The gradient of |x| at 0 is 0; maximum halves it at a tie.", [0.0, 0.5], "nn.L1Loss")
def autograd_kinks() -> Any:
    wrapped = Late("autograd.numpy")
    return [float(autograd.grad(form)(x)) for form, x in ((wrapped.abs, 0.0), (lambda x: wrapped.maximum(x, 1.0), 1.0))]


@AUTOGRAD.shows("The gradient of the standard deviation of a constant is NaN.", "nan", "nn.LayerNorm",
                causes=("kink: NaN where all values are equal",))  # fmt: skip
def deviation_of_a_constant() -> Any:
    wrapped = Late("autograd.numpy")
    return str(float(autograd.grad(lambda x: wrapped.std(x))(np.ones(2))[0]))


@AUTOGRAD.shows(
    "rmsprop's mean of squares starts at 1.", True, "optim.RMSprop", causes=("accumulator-start: starting at 1",)
)
def mean_starts_at_1() -> Any:
    optimizers = Late("autograd.misc.optimizers")
    x = optimizers.rmsprop(lambda x, i: np.ones(1), np.zeros(1), num_iters=1, step_size=1.0, gamma=0.9)
    return bool(np.isclose(x[0], -1 / (math.sqrt(0.9 + 0.1) + 1e-8)))


@AUTOGRAD.shows("sgd's velocity is a running mean, v = m v - (1 - m) g.", "mean", "optim.SGD", causes=("sgd-ema",))
def velocity_is_a_mean() -> Any:
    optimizers = Late("autograd.misc.optimizers")
    x = optimizers.sgd(lambda x, i: np.ones(1), np.zeros(1), num_iters=2, step_size=1.0, mass=0.9)
    return which(x, mean=[-(0.1 + 0.19)], sum=[-(1 + 1.9)])


# --- safetensors ------------------------------------------------------------------------------------------------------


@SAFETENSORS.shows(
    "The NumPy writer stores a transposed array in memory order: it comes back as other numbers.",
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    since="0.8.0",
)
def transposed_array() -> Any:
    x = np.arange(6, dtype=np.float32).reshape(2, 3).T
    return safetensors.load(safetensors.save({"x": x}))["x"].ravel().tolist()


@SAFETENSORS.shows(
    "safetensors.numpy.load(bytes) does not know bfloat16, safetensors.torch does.",
    ["KeyError", [1.5]],
    since="0.8.0",
)
def bfloat16_from_bytes() -> Any:
    torch, files = Late("torch"), Late("safetensors.torch")
    data = files.save({"x": torch.tensor([1.5], dtype=torch.bfloat16)})
    return [raises(lambda: safetensors.load(data)), files.load(data)["x"].tolist()]


# --- pytorch-optimizer ------------------------------------------------------------------------------------------------


@PYTORCH_OPTIMIZER.shows(
    "RAdam's first steps are 0, where torch's are those of a corrected momentum. Two steps of a gradient of 1 at a "
    "rate of 1, and torch's first.",
    [0.0, 0.0, -1.0],
    "optim.RAdam",
    causes=("radam-early: pytorch-optimizer",),
)
def first_steps_of_radam() -> Any:
    torch, found = Late("torch"), []
    for kind, count in ((Late("pytorch_optimizer").RAdam, 2), (torch.optim.RAdam, 1)):
        theta = torch.nn.Parameter(torch.zeros(1))
        optimizer = kind([theta], lr=1.0)
        for _ in range(count):
            before = theta.item()
            theta.grad = torch.ones(1)
            optimizer.step()
            found.append(theta.item() - before)
    return found
