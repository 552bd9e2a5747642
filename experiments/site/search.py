"""search-index.js: what the search box of every page finds: components, traps, articles and the other pages."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase

import scratch
from experiments.site.conventions import PAGE, anchor_of
from experiments.site.pages import Site
from parity_tests.conventions.statements import STATEMENTS
from parity_tests.engine import find
from torch_impl.files import write_text

SYNONYMS: dict[str, str] = {  # pattern of names -> what people call it, by commas
    "nn.Linear": "dense, fully connected, affine, perceptron, matrix multiplication",
    "nn.Bilinear": "bilinear form",
    "nn.Identity": "no operation, passthrough",
    "nn.ReLU": "rectifier, rectified linear unit, ramp",
    "nn.LeakyReLU": "leaky rectifier",
    "nn.SiLU": "swish",
    "nn.Hardswish": "hard swish",
    "nn.GELU": "gaussian error linear unit",
    "nn.Sigmoid": "logistic, expit",
    "nn.Softmax": "softargmax, probabilities, normalized exponential",
    "nn.Tanh": "hyperbolic tangent",
    "nn.CrossEntropyLoss": "xent, cross entropy, softmax loss, log loss, categorical crossentropy",
    "nn.NLLLoss": "negative log likelihood",
    "nn.BCELoss": "binary cross entropy, binary crossentropy, log loss",
    "nn.BCEWithLogitsLoss": "binary cross entropy, sigmoid cross entropy, binary xent",
    "nn.MSELoss": "mean squared error, mse, l2 loss, quadratic cost",
    "nn.L1Loss": "mean absolute error, mae",
    "nn.SmoothL1Loss": "huber",
    "nn.KLDivLoss": "kullback leibler, kl divergence, relative entropy",
    "nn.CTCLoss": "connectionist temporal classification, speech",
    "nn.Triplet*": "contrastive, metric learning",
    "nn.*Dropout*": "regularization",
    "nn.Conv?d": "convolution, cross correlation, cnn, filter, kernel",
    "nn.ConvTranspose?d": "deconvolution, transposed convolution, upconvolution",
    "nn.Unfold": "im2col",
    "nn.Fold": "col2im",
    "nn.*MaxPool*": "max pooling, subsampling",
    "nn.*AvgPool*": "average pooling, mean pooling",
    "nn.BatchNorm?d": "batch normalization, bn",
    "nn.LayerNorm": "layer normalization, ln",
    "nn.RMSNorm": "root mean square normalization",
    "nn.LSTM": "long short term memory, rnn, recurrent",
    "nn.GRU": "gated recurrent unit, rnn, recurrent",
    "nn.RNN": "elman, recurrent, backpropagation through time, bptt",
    "nn.Embedding": "lookup table, word vectors",
    "nn.MultiheadAttention": "self attention, mha, multi head attention",
    "nn.ScaledDotProductAttention": "sdpa, attention, dot product attention",
    "nn.Transformer*": "attention is all you need, encoder, decoder",
    "nn.Upsample": "interpolate, resize",
    "nn.init.xavier_*": "glorot",
    "nn.init.kaiming_*": "he, he initialization, msra",
    "nn.init.*": "initialization, initializer, weights",
    "nn.utils.clip_*": "gradient clipping, exploding gradients",
    "optim.SGD": "nesterov, momentum, stochastic gradient descent, gradient descent, weight decay",
    "optim.Adam": "adaptive moments",
    "optim.AdamW": "weight decay, decoupled weight decay",
    "optim.NAdam": "nesterov",
    "optim.LBFGS": "quasi newton, bfgs",
    "optim.lr_scheduler.*": "learning rate schedule",
    "optim.lr_scheduler.Cosine*": "warm restarts, sgdr",
    "optim.swa_utils.*": "stochastic weight averaging, ema",
}


def write(site: Site) -> None:
    entries = list(index(site))
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    write_text(site.output / "search-index.js", f"var SEARCH = {text};\n")


def index(site: Site) -> Iterator[dict[str, str]]:
    """name, url, kind, words (synonyms, by commas), text of everything that can be found."""
    for one in site.components:
        words = ", ".join(said for pattern, said in SYNONYMS.items() if fnmatchcase(one.name, pattern))
        about = (inspect.getdoc(find(scratch, one.name)) or "").partition("\n\n")[0].replace("\n", " ")
        yield _entry(one.name, one.page, one.family, words, about)
    for statement in STATEMENTS:
        said = f"{statement.library} {statement.text}"
        yield _entry(f"{statement.library}: {statement.name}", f"{PAGE}#{anchor_of(statement)}", "trap", "", said)
    for page, name in site.parts:
        yield _entry(name, page, "page", {"exercises.html": "exercise, backprop, practice"}.get(page, ""), "")
    if any(page == "replays.html" for page, _ in site.parts):
        from experiments.articles import ARTICLES, article

        for name in ARTICLES:
            text = article(name)
            yield _entry(text.title, f"replays/{name}.html", "article", name.replace("-", " "), text.claim)


def _entry(name: str, url: str, kind: str, words: str, text: str) -> dict[str, str]:
    return {"name": name, "url": url, "kind": kind, "words": words, "text": text}
