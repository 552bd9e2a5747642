"""What was only read: code without a release to install, formulas of standards, and advice."""

from __future__ import annotations

from parity_tests.conventions.statement import Statement

SCRATCH = "https://github.com/eriklindernoren/ML-From-Scratch"
NUMPY_ML = "https://github.com/ddbourgin/numpy-ml"
JOELNET = "https://github.com/joelgrus/joelnet"


def read(name: str, text: str, source: str, about: str = "", *causes: str) -> Statement:
    return Statement("other code", name, text, about=tuple(about.split()), causes=causes, source=source)


STATEMENTS: list[Statement] = [
    read(
        "ML-From-Scratch momentum",
        "ML-From-Scratch scales the gradient by 1 - momentum: a running mean.",
        SCRATCH,
        "optim.SGD",
    ),
    read(
        "ML-From-Scratch Nesterov",
        "ML-From-Scratch's Nesterov evaluates the gradient ahead of the present point and clips it to [-1, 1]: another "
        "algorithm, not another notation.",
        SCRATCH,
        "optim.SGD",
    ),
    read(
        "ML-From-Scratch constants",
        "ML-From-Scratch: LeakyReLU 0.2, ELU 0.1, the gradient of relu at 0 is 1.",
        SCRATCH,
        "nn.LeakyReLU nn.ELU nn.ReLU",
    ),
    read(
        "ML-From-Scratch dropout", "ML-From-Scratch scales at test time instead of in training.", SCRATCH, "nn.Dropout*"
    ),
    read("ML-From-Scratch batch norm", "ML-From-Scratch's BatchNormalization has eps 0.01.", SCRATCH, "nn.BatchNorm?d"),
    read(
        "ML-From-Scratch softmax",
        "ML-From-Scratch's softmax gradient is the diagonal of the Jacobian alone; gradients of a sum cannot tell, "
        "since the true ones are all zero.",
        SCRATCH,
        "nn.Softmax nn.Softmin nn.Softmax2d",
    ),
    read(
        "ML-From-Scratch squares",
        "ML-From-Scratch's squared loss has a factor 1/2, joelnet's is a sum.",
        f"{SCRATCH}, {JOELNET}",
        "nn.MSELoss",
    ),
    read(
        "joelnet weights", "joelnet's weights are (in, out) and start as N(0, 1).", JOELNET, "nn.Linear nn.init.normal_"
    ),
    read("numpy-ml Adam", "numpy-ml's Adam has eps 1e-7 outside the corrected root.", NUMPY_ML, "optim.Adam"),
    read(
        "numpy-ml hard sigmoid",
        "numpy-ml's hard sigmoid is 0.2 x + 0.5.",
        NUMPY_ML,
        "nn.Hardsigmoid nn.Hardswish",
    ),
    read("numpy-ml batch norm", "numpy-ml's running variance is the biased one.", NUMPY_ML, "nn.BatchNorm?d"),
    read(
        "TensorFlow's Bessel",
        "TensorFlow's fused batch normalization keeps the unbiased variance, the unfused the biased one.",
        "https://github.com/tensorflow/tensorflow/issues/55545",
        "nn.BatchNorm?d",
    ),
    read(
        "TensorFlow's padding",
        "TensorFlow pads SAME at the end first, and does not count padding in average pooling.",
        "https://github.com/apache/tvm/issues/1144",
        "nn.AvgPool?d nn.Conv?d",
    ),
    read(
        "Transformers' Adafactor",
        "The Transformers library's Adafactor scales lr by rms(θ) only with scale_parameter.",
        "https://huggingface.co/docs/transformers/main_classes/optimizer_schedules",
        "optim.Adafactor",
    ),
    read(
        "SciPy's L-BFGS-B",
        "SciPy's L-BFGS-B always searches along the line; LBFGS does with line_search_fn alone.",
        "https://docs.scipy.org/doc/scipy/reference/optimize.minimize-lbfgsb.html",
        "optim.LBFGS",
    ),
    read(
        "GPT-2's GELU",
        "Code copied from GPT-2 has the tanh form of GELU.",
        "https://github.com/openai/gpt-2/blob/master/src/model.py",
        "nn.GELU",
        "gelu-tanh",
    ),
    read(
        "pairs of square matrices",
        "A comparer that transposes whenever the shapes then fit pairs square matrices wrongly: say which is which.",
        "https://github.com/PaddlePaddle/models (reprod_log)",
        "nn.Linear",
    ),
    read(
        "TF32 on GPUs",
        "On recent GPUs torch computes convolutions and recurrent layers in TF32, errors near 1e-3, unless that is "
        "switched off.",
        "https://docs.pytorch.org/docs/stable/notes/cuda.html",
        "nn.Conv?d nn.ConvTranspose?d nn.LSTM nn.GRU nn.RNN",
    ),
]
