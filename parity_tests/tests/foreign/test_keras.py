"""Models of Keras beside torch's, without glue and without a map: correct ports, and what is said of mistakes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch
from keras import layers as K
from torch import nn

from parity_tests.comparer.comparison import compare
from parity_tests.comparer.findings import CompareError
from parity_tests.comparer.side import Given
from parity_tests.comparer.sides import side_of
from parity_tests.tests.foreign.keras_blocks import MLP, TorchMLP

X = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)


def test_layers_gradients_and_names_are_keras_own():
    report = compare(MLP(), TorchMLP(), X)
    assert report.ok, str(report)
    assert report.left == "MLP (keras)"
    assert {line.name for line in report.layers} >= {"fc1", "norm", "fc2"}
    judged = {m.what for m in report.measurements if m.where == "fc1"}
    assert {"output", "grad input", "grad weight", "grad bias"} <= judged


def test_a_model_of_functions_is_paired_by_order_and_shape():
    x = inputs = keras.Input((8,))
    for width in (16, 16, 16):
        x = K.Dense(width, activation="tanh")(x)
    model = keras.Model(inputs, K.Dense(3)(x))

    def right() -> nn.Module:
        torch.manual_seed(0)
        parts = [part for size in (8, 16, 16) for part in (nn.Linear(size, 16), nn.Tanh())]
        return nn.Sequential(*parts, nn.Linear(16, 3))

    report = compare(model, right, X)
    assert report.ok, str(report)
    assert any("paired by kind, shape and order: dense" in note for note in report.notes)


IMAGES = np.random.default_rng(1).normal(size=(2, 3, 5, 5)).astype(np.float32)


def up(kernel: int, padding: str) -> Any:
    return keras.Sequential([keras.Input((5, 5, 3)), K.Conv2DTranspose(4, kernel, 2, padding)])


@pytest.mark.parametrize(("kernel", "padding", "crop"), [(4, "same", 1), (3, "valid", 0)])
def test_a_transposed_convolution_agrees(kernel, padding, crop):
    report = compare(up(kernel, padding), nn.Sequential(nn.ConvTranspose2d(3, 4, kernel, 2, crop)), IMAGES)
    assert report.ok, str(report)
    assert report.layers[0].kind == "ConvTranspose2d"


def test_sames_odd_crop_is_named():
    report = compare(up(3, "same"), nn.Sequential(nn.ConvTranspose2d(3, 4, 3, 2, 1, 1)), IMAGES)
    assert report.first_divergence.where == "0", str(report)
    assert report.cause.name == "padding-side", str(report)


def test_a_report_speaks_of_keras_parameters():
    """Batch normalization on the tape of torch's, under the names of Keras."""
    model = keras.Sequential([keras.Input((8,)), K.Dense(6), K.BatchNormalization(momentum=0.9)])
    right = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6, eps=1e-3))
    report = compare(model, right, X, mode="train")
    name = model.layers[-1].name
    assert f"{name} (1 on the right, BatchNorm1d), train mode: buffer moving_variance (running_var on" in str(report)
    assert f"with the biased variance in moving_variance of {name} (running_var of 1 on the right)" in str(report)
    report = compare(model, nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6)), X, mode="eval")
    assert "with epsilon=0.001" in str(report)


def test_two_layers_of_both_directions():
    """Each direction of each layer is one of the right's module."""

    class Left(keras.Model):
        def __init__(self, merge: str = "concat") -> None:
            super().__init__()
            make = lambda: K.Bidirectional(K.LSTM(5, return_sequences=True), merge_mode=merge)  # noqa: E731
            self.first, self.second, self.head = make(), make(), K.Dense(3)

        def call(self, x: Any) -> Any:
            return self.head(self.second(self.first(x)))

    class Right(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(8, 5, 2, bidirectional=True, batch_first=True)
            self.head = nn.Linear(10, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.rnn(x)[0])

    x = np.random.default_rng(2).normal(size=(2, 4, 8)).astype(np.float32)
    report = compare(Left(), Right(), x)
    assert report.ok, str(report)
    moved = {pair.left: pair for pair in report.pairs}
    assert sum("rnn.weight_hh_l1_reverse" in pair.right for pair in moved.values()) == 1


def test_a_model_of_keras_as_the_right():
    """Where each array is one of torch's it may be the reference; a sum of two biases cannot be divided."""
    report = compare(TorchMLP(), MLP(), X)
    assert report.ok, str(report)
    x = np.random.default_rng(2).normal(size=(2, 4, 8)).astype(np.float32)
    with pytest.raises(CompareError, match="give the model of keras as the left, or a map"):
        compare(nn.LSTM(8, 5, batch_first=True), keras.Sequential([K.LSTM(5, return_sequences=True)]), x)


def test_two_layers_swapped_in_a_port_are_not_paired_into_agreement():
    """Layers of one shape go by order: a port that calls them in another order diverges."""

    class Swapped(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = K.Dense(8), K.Dense(8)

        def call(self, x):
            return self.a(keras.ops.tanh(self.b(x)))

    class Right(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return self.b(torch.tanh(self.a(x)))

    assert not compare(Swapped(), Right(), X).ok


def test_a_run_leaves_the_model_as_it_was():
    model = keras.Sequential([keras.Input((8,)), K.Dense(4), K.BatchNormalization(name="norm"), K.Dropout(0.5)])
    side = side_of(model, Given((X,)))
    before, call = side.snapshot(), keras.layers.Layer.__call__
    side.run(Given((X,)), None, True, 0, lambda name, shape: np.ones(shape, np.float32), wanted=side.parameter_names())
    assert side.state()["norm.moving_mean"].any()
    side.restore(before)
    assert not side.state()["norm.moving_mean"].any()
    assert keras.layers.Layer.__call__ is call


def test_a_functional_model_of_several_inputs():
    x, mask = keras.Input((5, 8)), keras.Input((5, 5), dtype="bool")
    model = keras.Model([x, mask], K.MultiHeadAttention(2, 4, name="attention")(x, x, attention_mask=mask))

    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x, mask):
            return self.attention(x, x, x, attn_mask=~mask.repeat_interleave(2, 0), need_weights=False)[0]

    rng = np.random.default_rng(0)
    seen = rng.random((3, 5, 5)) < 0.6
    seen[:, :, 0] = True
    sequences = rng.normal(size=(3, 5, 8)).astype(np.float32)
    report = compare(model, Attends(), (sequences, seen))
    assert report.ok, str(report)
    seen[1, 2] = False
    report = compare(model, Attends(), (sequences, seen), mode="train")
    assert report.cause is not None, str(report)
    assert report.cause.name == "masked-rows"
    assert any(text.startswith("as Keras ") for text in report.seen)
