"""Keras 3 on torch: layers, initial values and losses, as far as they differ from torch's."""

from __future__ import annotations

import math
import tempfile
from typing import Any

import numpy as np
import torch

from parity_tests.conventions.statement import Late, Table, plain, raises, which

TABLE = Table("Keras")
shows = TABLE.shows
keras = Late("keras")
layers, ops = Late("keras.layers"), Late("keras.ops")
BATCH_NORMS, CONVOLUTIONS = "nn.BatchNorm?d", "nn.Conv?d nn.ConvTranspose?d"
RECURRENT = "nn.LSTM nn.LSTMCell nn.GRU nn.GRUCell nn.RNN nn.RNNCell"


def array(value: Any) -> np.ndarray:
    return np.asarray(plain(value))


# --- layouts and initial values ---------------------------------------------------------------------------------------


@shows(
    "A Dense kernel is (in, out), a Conv2D kernel (height, width, in, out).",
    [[2, 3], [3, 3, 4, 5]],
    f"nn.Linear {CONVOLUTIONS}",
)
def kernel_shapes() -> Any:
    dense, conv = layers.Dense(3), layers.Conv2D(5, 3)
    dense.build((None, 2))
    conv.build((None, 8, 8, 4))
    return [list(dense.kernel.shape), list(conv.kernel.shape)]


@shows(
    "Images are channels last: Flatten before Dense lists features in another order.",
    "channels_last",
    f"nn.Flatten {CONVOLUTIONS}",
)
def channels_last() -> Any:
    return keras.config.image_data_format()


@shows("Dense starts Glorot uniform, with zero bias.", [0.1732, 0.0], "nn.Linear nn.init.xavier_*")
def initial_dense() -> Any:
    dense = layers.Dense(100)
    dense.build((None, 100))
    return [round(float(np.abs(array(dense.kernel)).max()), 4), float(np.abs(array(dense.bias)).max())]


@shows(
    "TruncatedNormal is cut at two deviations and not scaled up again: its deviation is 0.88 of the stddev asked for.",
    [0.88, True],
    "nn.init.trunc_normal_ nn.init.normal_",
)
def truncated_normal() -> Any:
    x = np.abs(array(keras.initializers.TruncatedNormal(stddev=1.0, seed=0)((400, 400))))
    return [round(float(np.sqrt((x**2).mean())), 2), bool(np.mean(x > 2) < 1e-4)]


@shows(
    "On torch a truncated normal number is the first of four that lies within two deviations, and the first of all if "
    "none does: one in 230,000 is not truncated.",
    [160000, 2.677],
    "nn.init.trunc_normal_",
)
def truncated_normal_escapes() -> Any:
    x = np.abs(array(keras.initializers.TruncatedNormal(stddev=1.0, seed=0)((400, 400))))
    return [x.size, round(float(x.max()), 3)]


@shows("RandomNormal is not truncated.", True, "nn.init.normal_ nn.init.kaiming_normal_")
def random_normal() -> Any:
    return bool(np.abs(array(keras.initializers.RandomNormal(stddev=1.0, seed=0)((400, 400)))).max() > 3)


@shows(
    "HeNormal and GlorotNormal are truncated and scaled up again, so that the deviation is that of the formula.",
    [1.0, True],
    "nn.init.kaiming_normal_ nn.init.xavier_normal_",
)
def he_normal() -> Any:
    x = np.abs(array(keras.initializers.HeNormal(seed=0)((400, 400)))) / math.sqrt(2 / 400)
    return [round(float(np.sqrt((x**2).mean())), 2), bool(np.mean(x > 2 / 0.8796) < 1e-4)]


@shows(
    "LSTM: a kernel is (in, 4 x hidden), and one bias, which starts at 1 for the second gate, the forget gate.",
    [[2, 12], [0.0] * 3 + [1.0] * 3 + [0.0] * 6],
    "nn.LSTM nn.LSTMCell",
)
def lstm_layout() -> Any:
    cell = layers.LSTMCell(3)
    cell.build((None, 2))
    return [list(cell.kernel.shape), array(cell.bias).tolist()]


@shows("LSTM: the gates stand in the order i, f, c, o.", ["i", "f", "c", "o"], "nn.LSTM nn.LSTMCell")
def order_of_lstm_gates() -> Any:
    found = []
    for block in range(4):
        cell = layers.LSTMCell(1)
        cell.build((None, 1))
        bias = np.zeros(4)
        bias[block] = 50
        cell.set_weights([np.zeros((1, 4)), np.zeros((1, 4)), bias])
        zero, half = torch.zeros((1, 1)), torch.full((1, 1), 0.5)
        h, (_, c) = cell(zero, [zero, half])
        values = [float(array(x)[0, 0]) for x in (c, h)]
        middle = math.tanh(0.25) / 2
        found.append(
            which(
                values,
                i=[0.25, middle],
                f=[0.5, math.tanh(0.5) / 2],
                c=[0.75, math.tanh(0.75) / 2],
                o=[0.25, math.tanh(0.25)],
            )
        )
    return found


@shows("Recurrent kernels start orthogonal.", True, RECURRENT + " nn.init.orthogonal_")
def orthogonal_start() -> Any:
    cell = layers.SimpleRNNCell(4)
    cell.build((None, 2))
    w = array(cell.recurrent_kernel)
    return bool(np.allclose(w @ w.T, np.eye(4), atol=1e-5))


@shows(
    "GRU: gates z, r, h, two biases with reset_after=True, the default.", [[2, 9], True, [2, 9]], "nn.GRU nn.GRUCell"
)
def gru_layout() -> Any:
    cell = layers.GRUCell(3)
    cell.build((None, 2))
    return [list(cell.kernel.shape), cell.reset_after, list(cell.bias.shape)]


@shows(
    "GRU: the first block of gates is the update gate z, with h = z h + (1 - z) n.",
    [0.5, 0.0],
    "nn.GRU nn.GRUCell",
)
def gru_update_gate() -> Any:
    found = []
    for z in (50.0, -50.0):
        cell = layers.GRUCell(1)
        cell.build((None, 1))
        cell.set_weights([np.zeros((1, 3)), np.zeros((1, 3)), np.array([[z, 0.0, 0.0], [0.0, 0.0, 0.0]])])
        h, _ = cell(np.zeros((1, 1), np.float32), [torch.full((1, 1), 0.5)])
        found.append(round(float(array(h)[0, 0]), 6))
    return found


# --- normalization ----------------------------------------------------------------------------------------------------


@shows(
    "BatchNormalization: momentum 0.99 weights the old value, eps is 1e-3.",
    [0.99, 1e-3],
    BATCH_NORMS,
    causes=("eps-value: eps=0.001",),
)
def batch_norm_defaults() -> Any:
    norm = layers.BatchNormalization()
    return [norm.momentum, norm.epsilon]


@shows(
    "BatchNormalization: the running variance is the biased one.",
    "biased",
    BATCH_NORMS,
    causes=("running-var-biased",),
)
def running_variance() -> Any:
    norm, x = layers.BatchNormalization(momentum=0.0), np.array([[0.0], [1.0], [5.0]], np.float32)
    norm(x, training=True)
    return which(norm.moving_variance, biased=[x.var()], unbiased=[x.var(ddof=1)])


@shows(
    "LayerNormalization's eps is 1e-3, RMSNormalization's 1e-6.",
    [1e-3, 1e-6],
    "nn.LayerNorm nn.RMSNorm",
    causes=("eps-value: eps=0.001", "eps-value: eps=1e-06"),
)
def epsilons() -> Any:
    return [layers.LayerNormalization().epsilon, layers.RMSNormalization().epsilon]


@shows(
    "On torch BatchNormalization computes the variance as E[x²] - E[x]² in float32: at mean 10^4 one draw gives NaN, "
    "another an output of 80 for 3; LayerNormalization takes two passes. The largest outputs.",
    [math.nan, 80.3, True],
    BATCH_NORMS,
    causes=("variance-cancelled",),
)
def cancelled_variance() -> Any:
    found = []
    for seed in (0, 2):
        x = (np.random.RandomState(seed).randn(64, 4) + 1e4).astype(np.float32)
        found.append(round(float(np.abs(array(layers.BatchNormalization()(x, training=True))).max()), 1))
    return [*found, float(np.abs(array(layers.LayerNormalization()(x))).max()) < 3]


@shows(
    "On torch a Sequential registers each tensor under two names.",
    [2, 4],
    "nn.Sequential",
)
def names_of_a_sequential() -> Any:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    return [len(list(model.parameters())), len(model.state_dict())]


@shows("BatchNormalization's statistics are torch parameters of the module, without gradients.", [4, 2], BATCH_NORMS)
def statistics_are_parameters() -> Any:
    norm = layers.BatchNormalization()
    norm.build((None, 3))
    parameters = list(norm.parameters())
    return [len(parameters), sum(p.requires_grad for p in parameters)]


@shows("A model's .train() does not switch Dropout on: only the argument training does.", [True, False], "nn.Dropout*")
def train_does_nothing() -> Any:
    model = keras.Sequential([keras.Input((100,)), layers.Dropout(0.5)])
    x = np.ones((4, 100), np.float32)
    model.train()
    return [bool((array(model(x)) == 1).all()), bool((array(model(x, training=True)) == 1).all())]


# --- activations and losses -------------------------------------------------------------------------------------------


@shows(
    "The layer LeakyReLU has slope 0.3, the function leaky_relu 0.2.",
    [-0.3, -0.2],
    "nn.LeakyReLU",
    causes=("leaky-slope: negative_slope=0.3", "leaky-slope: negative_slope=0.2"),
)
def leaky_slopes() -> Any:
    x = np.array([-1.0], np.float32)
    return [float(array(layers.LeakyReLU()(x))[0]), float(array(ops.leaky_relu(x))[0])]


@shows("PReLU's slopes start at 0, one for each number of a sample.", [0.0, [2, 3]], "nn.PReLU")
def prelu_start() -> Any:
    layer = layers.PReLU()
    layer.build((None, 2, 3))
    return [float(np.abs(array(layer.alpha)).max()), list(layer.alpha.shape)]


@shows("hard_sigmoid is relu6(x + 3) / 6, as in torch.", 2 / 3, "nn.Hardsigmoid")
def hard_sigmoid() -> Any:
    return float(array(ops.hard_sigmoid(np.array([1.0], np.float32)))[0])


@shows(
    "The function gelu has the tanh form by default, the activation named 'gelu' the error function.",
    ["tanh", "erf"],
    "nn.GELU",
    causes=("gelu-tanh",),
)
def gelu_forms() -> Any:
    x = torch.tensor([1.0])
    erf, tanh = torch.nn.functional.gelu(x), torch.nn.functional.gelu(x, approximate="tanh")
    return [which(form(x), erf=erf, tanh=tanh) for form in (ops.gelu, keras.activations.get("gelu"))]


@shows(
    "binary_crossentropy clips probabilities to [1e-7, 1 - 1e-7]: the loss of 0 for 1 is 16.1.", 16.118, "nn.BCELoss"
)
def clipped_probabilities() -> Any:
    return round(
        float(array(keras.losses.binary_crossentropy(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)))[0]), 3
    )


@shows(
    "AveragePooling with padding='same' does not count padding.",
    [1.0, 1.0],
    "nn.AvgPool?d",
    causes=("count-include-pad: count_include_pad=False",),
)
def average_of_same_padding() -> Any:
    return array(layers.AveragePooling1D(2, strides=2, padding="same")(np.ones((1, 3, 1), np.float32)))[
        0, :, 0
    ].tolist()


@shows(
    "Resizing with interpolation 'nearest' picks pixels 0, 2, 4 of 5 for an output of 3, where torch picks 0, 1, 3.",
    [0.0, 2.0, 4.0],
    "nn.Upsample nn.UpsamplingNearest2d",
    causes=("nearest-exact: nearest-exact",),
)
def nearest_pixels() -> Any:
    x = np.tile(np.arange(5, dtype=np.float32), (5, 1))[None, :, :, None]
    return array(ops.image.resize(x, (3, 3), interpolation="nearest"))[0, 0, :, 0].tolist()


@shows(
    "On torch MultiHeadAttention of a row that may attend to nothing gives the mean of the values, and zeros if the "
    "scores are asked for too.",
    [0.5, 0.0],
    "nn.MultiheadAttention nn.ScaledDotProductAttention",
    causes=("masked-rows: the mean", "masked-rows: zeros"),
)
def forbidden_row() -> Any:
    layer = layers.MultiHeadAttention(1, 1, use_bias=False)
    q, kv, mask = np.zeros((1, 1, 1), np.float32), np.array([[[0.0], [1.0]]], np.float32), np.zeros((1, 1, 2), bool)
    layer.build((1, 1, 1), (1, 2, 1))
    layer.set_weights([np.ones(w.shape) for w in layer.weights])
    scored = layer(q, kv, attention_mask=mask, return_attention_scores=True)[0]
    return [float(array(y).ravel()[0]) for y in (layer(q, kv, attention_mask=mask), scored)]


@shows(
    "MultiHeadAttention takes the mask that its inputs carry, such as that of Embedding(mask_zero=True), without being "
    "given one. Whether its output is that for the same numbers without a mask.",
    False,
    "nn.MultiheadAttention nn.Embedding",
)
def mask_of_the_inputs() -> Any:
    x, attention = layers.Embedding(5, 4, mask_zero=True)(np.array([[1, 2, 0, 0]])), layers.MultiHeadAttention(1, 4)
    plain_x = torch.tensor(array(x), dtype=torch.float32)
    return bool(np.allclose(array(attention(x, x)), array(attention(plain_x, plain_x)), atol=1e-6))


@shows(
    "A model's export for torch (.pt2) is fixed at a batch of 1. What it does with 1 and with 4 rows.",
    [[1, 2], "AssertionError"],
)
def exported_batch() -> Any:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/model.pt2"
        model.export(file, format="torch", verbose=False)
        exported = torch.export.load(file).module()
    return [list(exported(torch.ones(1, 3)).shape), raises(lambda: exported(torch.ones(4, 3)))]
