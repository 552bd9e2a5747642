"""Functions of autograd and objects of MyGrad: which parameter is which, and what they cannot hide."""

from __future__ import annotations

import functools

import autograd.numpy as anp
import mygrad
import numpy as np
import torch

from parity_tests.comparer.comparison import compare

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 8)).astype(np.float32)


def drawn(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def affine(parameters, x):
    return anp.dot(x, parameters["w"]) + parameters["b"]


class Dense:
    """MyGrad's tensors as attributes, with numbers in their names."""

    def __init__(self):
        self.W1, self.b1 = mygrad.tensor(drawn(8, 4)), mygrad.tensor(drawn(4))

    def __call__(self, x):
        return mygrad.matmul(x, self.W1) + self.b1


def test_a_function_of_autograd_agrees():
    report = compare(functools.partial(affine, {"w": drawn(8, 4), "b": drawn(4)}), torch.nn.Linear(8, 4), X)
    assert report.ok, str(report)
    assert report.verdict() == "PARITY  affine (autograd) and Linear (torch) agree"
    assert {"grad weight", "grad bias", "grad input"} <= {m.what for m in report.measurements}


def test_an_object_of_mygrad_agrees_and_keeps_its_tensors():
    model = Dense()
    before = model.W1
    report = compare(model, torch.nn.Linear(8, 4), X)
    assert report.ok, str(report)
    assert "(mygrad)" in report.verdict()
    assert model.W1 is before


def test_several_outputs():
    class Two(torch.nn.Linear):
        def forward(self, x):
            y = super().forward(x)
            return y, torch.tanh(y)

    def two(parameters, x):
        y = affine(parameters, x)
        return y, anp.tanh(y)

    report = compare(functools.partial(two, {"w": drawn(8, 4), "b": drawn(4)}), Two(8, 4), X)
    assert report.ok, str(report)


def test_a_constant_in_the_place_of_an_input_is_found():
    def cut(parameters, x):
        return affine(parameters, np.array(X))

    report = compare(functools.partial(cut, {"w": drawn(8, 4), "b": drawn(4)}), torch.nn.Linear(8, 4), X)
    assert not report.ok
    assert report.first_divergence.what == "grad input", str(report)


def test_parameters_in_two_arguments():
    def apart(w, b, x):
        return anp.dot(x, w["kernel"]) + b["bias"]

    names = {"0.kernel": ("weight", "transpose"), "1.bias": "bias"}
    function = functools.partial(apart, {"kernel": drawn(8, 4)}, {"bias": drawn(4)})
    report = compare(function, torch.nn.Linear(8, 4), X, parameters=names)
    assert report.ok, str(report)


def test_the_slopes_of_another_framework_are_named():
    class Of(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x)

    x = np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0], [1.0, -1.0, 0.5]], np.float32)
    for left, right, text in (
        (lambda x: mygrad.linalg.norm(x, axis=1), lambda x: torch.linalg.norm(x, dim=1), "NaN of a norm at 0"),
        (lambda x: anp.std(x, 1), lambda x: x.std(1, unbiased=False), "NaN where all values are equal"),
    ):
        report = compare(left, Of(right), x)
        assert report.cause is not None, str(report)
        assert text in report.cause.text
