"""What the table cannot say of losses: calls beside forward, default cotangents, refusals that torch does not share."""

import numpy as np
import pytest
import torch

from parity_tests.rule import distance, float64_limit
from scratch import nn

RNG = np.random.default_rng(7)
CLOSE = float64_limit(4)


def normal(*shape):
    return RNG.normal(size=shape)


class Siamese(nn.Module):
    """A distance with a parameter: both vectors go through one linear layer."""

    def __init__(self, weight):
        self.linear = nn.Linear(5, 3, bias=False, dtype=np.float64)
        self.linear.weight.data[...] = weight
        self.norm = nn.PairwiseDistance()

    def forward(self, x1, x2):
        y1, y2 = np.split(self.linear(np.concatenate([x1, x2])), 2)
        return self.save(self.norm(y1, y2), None)

    def backward(self, dy):
        self.take(dy)
        return tuple(np.split(self.linear.backward(np.concatenate(self.norm.backward(dy))), 2))


def test_a_distance_with_parameters_is_used_three_times_in_one_loss():
    weight, triple = normal(3, 5), [normal(7, 5) for _ in range(3)]
    loss = nn.TripletMarginWithDistanceLoss(distance_function=Siamese(weight), swap=True)
    y = loss(*triple)
    gradients = loss.backward()

    w = torch.tensor(weight, requires_grad=True)
    inputs = [torch.tensor(x, requires_grad=True) for x in triple]
    siamese = lambda a, b: torch.nn.functional.pairwise_distance(a @ w.T, b @ w.T)  # noqa: E731
    theirs = torch.nn.TripletMarginWithDistanceLoss(distance_function=siamese, swap=True)(*inputs)
    assert distance(y, theirs.item(), np.float64) <= CLOSE
    gradients = (*gradients, loss.distance_function.linear.weight.grad)
    for ours, gradient in zip(gradients, torch.autograd.grad(theirs, [*inputs, w]), strict=True):
        assert distance(ours, gradient.numpy()) <= CLOSE


def test_a_distance_without_a_backward_is_refused():
    with pytest.raises(TypeError, match="scratch Module with a backward"):
        nn.TripletMarginWithDistanceLoss(distance_function=lambda a, b: abs(a - b).sum(-1))


def adaptive_pair(bias):
    ours = nn.AdaptiveLogSoftmaxWithLoss(17, 23, [5, 11], 2.0, bias, dtype=np.float64)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(17, 23, [5, 11], 2.0, bias, dtype=torch.float64)
    theirs.load_state_dict({name: torch.tensor(value) for name, value in ours.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("bias", [False, True])
def test_adaptive_softmax_predicts_as_torch_does(bias):
    ours, theirs = adaptive_pair(bias)
    x = normal(101, 17) * 3
    assert distance(ours.log_prob(x), theirs.log_prob(torch.tensor(x)).detach().numpy()) <= CLOSE
    predicted = ours.predict(x)
    assert len(np.unique(predicted)) > 5
    assert np.array_equal(predicted, theirs.predict(torch.tensor(x)).numpy())


def test_adaptive_softmax_may_predict_between_forward_and_backward():
    layer, _ = adaptive_pair(False)
    x, labels = normal(7, 17), RNG.integers(0, 23, 7)
    layer(x, labels)
    expected = layer.backward(None, np.float64(1))
    layer(x, labels)
    layer.predict(normal(3, 17))
    assert np.array_equal(layer.backward(), expected)


def test_the_cotangent_of_a_scalar_loss_is_1_by_default():
    x, target = normal(7, 5), RNG.integers(0, 5, 7)
    loss = nn.CrossEntropyLoss()
    loss(x, target)
    expected = loss.backward(np.float64(1))
    loss(x, target)
    assert np.array_equal(loss.backward(), expected)


def test_the_cotangent_of_many_losses_has_no_default():
    loss = nn.MSELoss(reduction="none")
    loss(normal(7), normal(7))
    with pytest.raises(RuntimeError, match="pass one cotangent for each"):
        loss.backward()


PAIRED = [
    *("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "KLDivLoss", "PoissonNLLLoss"),
    *("HingeEmbeddingLoss", "SoftMarginLoss", "MultiLabelSoftMarginLoss"),
]


@pytest.mark.parametrize("name", PAIRED)
def test_what_torch_broadcasts_is_refused(name):
    """(N, 1) against (N,) is an average over an N by N table, and the most common silent mistake."""
    with pytest.raises(RuntimeError, match=name):
        getattr(nn, name)()(normal(7, 1), normal(7))


@pytest.mark.parametrize("name", [name for name in PAIRED if name != "HingeEmbeddingLoss"])
def test_two_precisions_are_refused_where_they_would_promote(name):
    with pytest.raises(RuntimeError, match="float32 and float64"):
        getattr(nn, name)()(normal(7, 5).astype(np.float32), normal(7, 5))


@pytest.mark.parametrize("labels", [[[1, 5]], [[1, -2]]])
def test_ctc_refuses_labels_that_torch_reads_past_the_end(labels):
    with pytest.raises(RuntimeError, match=r"CTCLoss.*class labels must be in \[0, 5\)"):
        nn.CTCLoss()(normal(11, 1, 5), np.array(labels), (11,), (2,))
