"""torch.nn: layers, their initial values, orders of gates, masks and modes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from parity_tests.conventions.statement import Table, raises, which

TABLE = Table("torch")
shows = TABLE.shows
BATCH_NORMS, CONVOLUTIONS = "nn.BatchNorm?d", "nn.Conv?d nn.ConvTranspose?d"


# --- weights ----------------------------------------------------------------------------------------------------------


@shows(
    "Linear's weight is (out, in), Conv2d's (out, in, height, width).",
    [[3, 2], [5, 4, 3, 3]],
    f"nn.Linear {CONVOLUTIONS}",
)
def weight_shapes() -> Any:
    return [list(nn.Linear(2, 3).weight.shape), list(nn.Conv2d(4, 5, 3).weight.shape)]


@shows("Linear's weight and bias start uniform within 1/√(fan-in).", [0.1, 0.1], "nn.Linear nn.Conv?d")
def initial_linear() -> Any:
    layer = nn.Linear(100, 20000)
    return [round(p.abs().max().item(), 4) for p in layer.parameters()]


@shows(
    "LSTM and GRU start uniform within 1/√(hidden size), all parameters.",
    [0.1, 0.1],
    "nn.LSTM nn.GRU nn.RNN nn.LSTMCell nn.GRUCell nn.RNNCell",
)
def initial_recurrent() -> Any:
    return [round(max(p.abs().max().item() for p in kind(100, 100).parameters()), 3) for kind in (nn.LSTM, nn.GRU)]


@shows("A convolution is a correlation: the kernel is not turned around.", [1.0, 2.0, 3.0], CONVOLUTIONS)
def correlation() -> Any:
    kernel = torch.tensor([[[1.0, 2.0, 3.0]]])
    return [F.conv1d(torch.eye(3)[i].view(1, 1, 3), kernel).item() for i in range(3)]


# --- normalization ----------------------------------------------------------------------------------------------------


@shows("BatchNorm: momentum 0.1 weights the new value.", 0.1, BATCH_NORMS)
def momentum_weights_the_new() -> Any:
    norm = nn.BatchNorm1d(1)
    norm(torch.tensor([[0.0], [2.0]]))
    return norm.running_mean.item() if norm.running_mean is not None else None


@shows(
    "BatchNorm: the output uses the biased variance, running_var the unbiased one.", ["biased", "unbiased"], BATCH_NORMS
)
def variances_of_batch_norm() -> Any:
    norm, x = (
        nn.BatchNorm1d(1, momentum=1.0, eps=1e-14, dtype=torch.float64),
        torch.tensor([[0.0], [1.0], [5.0]], dtype=torch.float64),
    )
    y = norm(x)
    biased, unbiased = x.var(unbiased=False), x.var(unbiased=True)
    scaled = (x[2] - x.mean()) / y[2]
    return [which(v, biased=biased, unbiased=unbiased) for v in (scaled**2, norm.running_var)]


@shows("BatchNorm: momentum None is the mean of all batches.", [1.0, 1.5], BATCH_NORMS)
def cumulative_mean() -> Any:
    norm, found = nn.BatchNorm1d(1, momentum=None), []
    for mean in (1.0, 2.0):
        norm(torch.tensor([[mean - 1], [mean + 1]]))
        found.append(norm.running_mean.item() if norm.running_mean is not None else math.nan)
    return found


@shows("BatchNorm: one value per channel raises in training.", "ValueError", BATCH_NORMS)
def one_value_per_channel() -> Any:
    return raises(lambda: nn.BatchNorm1d(2)(torch.ones(1, 2)))


@shows("BatchNorm's and LayerNorm's eps is 1e-5.", [1e-5, 1e-5], f"nn.LayerNorm {BATCH_NORMS}")
def epsilons() -> Any:
    return [nn.BatchNorm1d(1).eps, nn.LayerNorm(1).eps]


@shows(
    "RMSNorm's eps None is the machine epsilon of the input's dtype, so that .double() is another function.",
    [0.7071, 1.0],
    "nn.RMSNorm",
)
def epsilon_of_rms_norm() -> Any:
    norm, x = nn.RMSNorm(4), torch.full((4,), torch.finfo(torch.float32).eps ** 0.5)
    return [round(norm(x)[0].item(), 4), round(norm.double()(x.double())[0].item(), 4)]


@shows(
    "InstanceNorm has neither scale and shift nor running statistics by default.", [False, False], "nn.InstanceNorm?d"
)
def instance_norm_defaults() -> Any:
    norm = nn.InstanceNorm1d(2)
    return [norm.affine, norm.track_running_stats]


@shows("batch_norm changes running_mean without raising its version counter.", [True, 0], BATCH_NORMS)
def version_counter() -> Any:
    mean, var = torch.zeros(2), torch.ones(2)
    F.batch_norm(torch.randn(8, 2) + 1, mean, var, training=True)
    return [bool(mean.abs().max() > 0), mean._version]


@shows(
    "batch_norm's backward reads a weight that is not contiguous as if it were: the input's gradient is wrong, its "
    "output right. The largest |g| with a strided weight, over that with the same weight contiguous.",
    [1.0, True],
    BATCH_NORMS,
    before="2.14",
)
def strided_weight_of_batch_norm() -> Any:
    weight = torch.tensor([1.0, 100.0, 3.0, 100.0], dtype=torch.float64)[::2]
    x = torch.randn(16, 2, dtype=torch.float64)
    outputs, gradients = [], []
    for w in (weight, weight.contiguous()):
        leaf = x.clone().requires_grad_()
        y = F.batch_norm(leaf, None, None, w, None, True)
        (y * torch.arange(32, dtype=torch.float64).view(16, 2).sin()).sum().backward()
        outputs.append(y.abs().max().item())
        gradients.append(leaf.grad.abs().max().item() if leaf.grad is not None else math.nan)
    return [outputs[0] / outputs[1], gradients[0] / gradients[1] > 2]


# --- recurrent layers -------------------------------------------------------------------------------------------------


@shows(
    "LSTM: the gates stand in the order i, f, g, o, and there are two biases.",
    ["i", "f", "g", "o"],
    "nn.LSTM nn.LSTMCell",
)
def order_of_lstm_gates() -> Any:
    """Each block's bias is driven far up alone; c starts at 0.5, and the others stay at their middle."""
    found = []
    for block in range(4):
        cell = nn.LSTMCell(1, 1, dtype=torch.float64)
        for p in cell.parameters():
            nn.init.zeros_(p)
        cell.bias_ih.data[block] = 50.0
        h, c = cell(
            torch.zeros(1, 1, dtype=torch.float64),
            (torch.zeros(1, 1, dtype=torch.float64), torch.full((1, 1), 0.5, dtype=torch.float64)),
        )
        half = math.tanh(0.25) / 2
        found.append(
            which(
                [c.item(), h.item()],
                i=[0.25, half],
                f=[0.5, math.tanh(0.5) / 2],
                g=[0.75, math.tanh(0.75) / 2],
                o=[0.25, math.tanh(0.25)],
            )
        )
    return found


@shows("GRU: h = (1 - z) n + z h, and z is the second of the gates r, z, n.", [0.5, 0.0], "nn.GRU nn.GRUCell")
def gru_update_gate() -> Any:
    cell = nn.GRUCell(1, 1, dtype=torch.float64)
    found = []
    for z in (50.0, -50.0):
        for p in cell.parameters():
            nn.init.zeros_(p)
        cell.bias_ih.data[1] = z
        found.append(cell(torch.zeros(1, 1, dtype=torch.float64), torch.full((1, 1), 0.5, dtype=torch.float64)).item())
    return [round(value, 6) for value in found]


@shows("GRU: the reset gate acts after the product, so it scales the hidden bias too.", "after", "nn.GRU nn.GRUCell")
def gru_reset_gate() -> Any:
    cell = nn.GRUCell(1, 1, dtype=torch.float64)
    for p in cell.parameters():
        nn.init.zeros_(p)
    cell.bias_ih.data[1], cell.bias_hh.data[2] = -50.0, 1.0
    h = cell(torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
    return which(h, after=[[math.tanh(0.5)]], before=[[math.tanh(1.0)]])


# --- pooling, dropout, padding ----------------------------------------------------------------------------------------


@shows("AvgPool counts padding by default.", [0.5, 1.0], "nn.AvgPool?d")
def average_counts_padding() -> Any:
    return F.avg_pool1d(torch.ones(1, 1, 4), 2, padding=1)[0, 0, :2].tolist()


@shows("AvgPool with ceil_mode does not count what hangs over the end.", [1.0, 1.0], "nn.AvgPool?d")
def average_of_an_overhang() -> Any:
    return F.avg_pool1d(torch.ones(1, 1, 3), 2, ceil_mode=True)[0, 0].tolist()


@shows(
    "Dropout scales what is kept by 1 / (1 - p) in training and changes nothing in eval mode.",
    [[0.0, 4.0], [1.0]],
    "nn.Dropout*",
)
def inverted_dropout() -> Any:
    layer, x = nn.Dropout(0.75), torch.ones(1000)
    return [sorted(set(layer(x).tolist())), sorted(set(layer.eval()(x).tolist()))]


@shows(
    "interpolate(mode='nearest') takes the pixels 0, 1, 2 of 5 for an output of 3 at 0, 1.67, 3.33.",
    [0.0, 1.0, 3.0],
    "nn.Upsample nn.UpsamplingNearest2d",
)
def nearest_pixels() -> Any:
    return F.interpolate(torch.arange(5.0).view(1, 1, 5), 3, mode="nearest").flatten().tolist()


# --- attention --------------------------------------------------------------------------------------------------------


def attended(mask: torch.Tensor, *, module: bool) -> list[float]:
    """The weights of two values, 0 and 1, under a boolean mask (1, 2)."""
    x = torch.tensor([[[0.0], [1.0]]])
    if not module:
        return F.scaled_dot_product_attention(torch.zeros(1, 1, 1), torch.zeros_like(x), x, mask).flatten().tolist()
    attention = nn.MultiheadAttention(1, 1, batch_first=True)
    return attention(torch.zeros(1, 1, 1), torch.zeros_like(x), x, attn_mask=mask)[1].flatten().tolist()


@shows(
    "A true mask entry attends in scaled_dot_product_attention and blocks in MultiheadAttention.",
    [[1.0], [1.0, 0.0]],
    "nn.MultiheadAttention nn.ScaledDotProductAttention nn.Transformer*",
    causes=("mask-polarity",),
)
def meaning_of_a_mask() -> Any:
    mask = torch.tensor([[False, True]])
    return [attended(mask, module=False), attended(mask, module=True)]


@shows(
    "A row that may attend to nothing gives zeros in scaled_dot_product_attention.",
    [0.0],
    "nn.ScaledDotProductAttention",
    causes=("masked-rows: zero",),
)
def forbidden_row() -> Any:
    return attended(torch.tensor([[False, False]]), module=False)


@shows(
    "MultiheadAttention on a wholly padded sequence: numbers in training without weights, NaN with weights, and NaN in "
    "eval mode without gradients, which takes another path.",
    ["numbers", "NaN", "NaN"],
    "nn.MultiheadAttention nn.Transformer*",
)
def wholly_padded() -> Any:
    attention, x = nn.MultiheadAttention(4, 2, batch_first=True), torch.randn(1, 3, 4)
    padding = torch.ones(1, 3, dtype=torch.bool)

    def kind(weights: bool) -> str:
        y = attention(x, x, x, key_padding_mask=padding, need_weights=weights)[0]
        return "NaN" if y.isnan().any() else "numbers"

    found = [kind(False), kind(True)]
    attention.eval()
    with torch.no_grad():
        return [*found, kind(False)]


@shows(
    "MultiheadAttention on a wholly padded sequence in eval mode: frozen parameters turn numbers into NaN.",
    ["numbers", "NaN"],
    "nn.MultiheadAttention nn.Transformer*",
)
def frozen_parameters() -> Any:
    attention, x = nn.MultiheadAttention(4, 2, batch_first=True).eval(), torch.randn(1, 3, 4)
    padding, found = torch.ones(1, 3, dtype=torch.bool), []
    for frozen in (False, True):
        attention.requires_grad_(not frozen)
        y = attention(x, x, x, key_padding_mask=padding, need_weights=False)[0]
        found.append("NaN" if y.isnan().any() else "numbers")
    return found


@shows(
    "TransformerEncoder in eval mode without gradients gives zeros at padded places; with gradients it gives numbers.",
    [True, False],
    "nn.TransformerEncoder nn.Transformer",
)
def zeros_at_padded_places() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1).eval()
        x, padding = torch.randn(2, 3, 4), torch.tensor([[False, False, True], [False, False, False]])
        found = []
        for grad in (False, True):
            with torch.set_grad_enabled(grad):
                y = encoder(x, src_key_padding_mask=padding)
            found.append(bool((y[0, 2] == 0).all()))
    return found
