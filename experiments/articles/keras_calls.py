"""What the calls of the two Keras listings are in torch and in scratch.

Keras is not run here. What its defaults are is said by its documentation: weights Glorot uniform, on
±√(6 / (in + out)), biases 0; Adam at lr 0.001 with ε = 1e-7; batches of 32, shuffled in every epoch; a loss of
probabilities, where torch's is one of logits. `fit` reports the mean of the batches' losses while the network learns, a
sample counting once, with dropout on; `evaluate` and `val_loss` the loss with dropout off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.articles.article import Figure, under
from experiments.articles.judge import equal_to
from experiments.articles.twin import Twin, on_both

EPSILON, BATCH = 1e-7, 32  # Keras' defaults
PART = "What each Keras call is in scratch and in torch"


class Call(NamedTuple):
    """A call as the listing has it, what it does, and how an engine makes the same."""

    keras: str
    does: str
    build: Callable[[Twin], Any]
    torch_also: str = ""  # what has to be done besides


def dense(inputs: int, outputs: int) -> Callable[[Twin], Any]:
    return lambda twin: keras_linear(twin, inputs, outputs)


def keras_linear(twin: Twin, inputs: int, outputs: int, **factory: Any) -> Any:
    """A linear layer as Keras starts it: Glorot uniform weights, biases 0."""
    made = twin.lib.nn.Linear(inputs, outputs, **factory)
    twin.lib.nn.init.xavier_uniform_(made.weight)
    twin.lib.nn.init.zeros_(made.bias)
    return made


def keras_adam(twin: Twin, parameters: Any) -> Any:
    """Adam with Keras' ε. Torch's one-kernel form, where it is torch: the same formula in a third of the time."""
    options = {"fused": True} if twin.name == "torch" else {}
    return twin.lib.optim.Adam(parameters, lr=1e-3, eps=EPSILON, **options)


def _adam_of_one(twin: Twin) -> Any:
    return keras_adam(twin, [twin.lib.nn.Parameter(twin.tensor(np.zeros(1)))])


def _cross_entropy(twin: Twin) -> Any:
    return twin.lib.nn.CrossEntropyLoss()


STARTED = "; init.xavier_uniform_, init.zeros_"
COMMON = (
    Call("optimizer='adam'", "Adam, lr 0.001, ε 1e-7", _adam_of_one),
    Call("metrics=['accuracy']", "share of right argmaxes", lambda twin: "argmax(-1) == labels"),
)
DIGITS = (
    Call("Sequential", "layers in a row", lambda twin: "nn.Sequential(...)"),
    Call("Dense(64, activation='relu'", "linear, then ReLU", dense(64, 64), STARTED),
    Call("activation='relu'", "ReLU, a layer of its own", lambda twin: twin.lib.nn.ReLU()),
    Call("activation='softmax'", "linear; the softmax is in the loss", dense(64, 10), STARTED),
    Call("loss='categorical_crossentropy'", "cross-entropy of one-hot labels", _cross_entropy),
    *COMMON,
    Call("epochs=1000", "passes in shuffled batches of 32", lambda twin: "for _ in range(1000): randperm(n)"),
    Call("validation_data=(X_test, y_test)",
         "loss and accuracy after every epoch", lambda twin: "net.eval(), no_grad()"),
    Call("model.evaluate(X_test, y_test, verbose=2)", "the same at the end", lambda twin: "net.eval(), no_grad()"),
)  # fmt: skip
MNIST = (
    Call("mnist.load_data()", "60000 and 10000 pictures", lambda twin: "experiments.training.data.mnist()"),
    Call("x_train / 255.0", "pixels in [0, 1]", lambda twin: "/ 255"),
    Call("layers.Flatten(input_shape=(28, 28))", "pictures as rows", lambda twin: twin.lib.nn.Flatten()),
    Call("layers.Dense(128, activation='relu')", "linear, then ReLU", dense(784, 128), STARTED),
    Call("layers.Dropout(0.2)", "dropout; off in eval()", lambda twin: twin.lib.nn.Dropout(0.2)),
    Call("layers.Dense(10, activation='softmax')", "linear; the softmax is in the loss", dense(128, 10), STARTED),
    Call("loss='sparse_categorical_crossentropy'", "cross-entropy of labels", _cross_entropy),
    *COMMON,
    Call("epochs=5", "passes in shuffled batches of 32", lambda twin: "for _ in range(5): randperm(n)"),
    Call("history.history['loss']", "mean over the epoch, dropout on", lambda twin: "mean of the batches' losses"),
    Call("history.history['val_loss']", "after the epoch, dropout off", lambda twin: "net.eval(), no_grad()"),
    Call("model.evaluate(x_test, y_test)", "the same at the end", lambda twin: "net.eval(), no_grad()"),
)  # fmt: skip


def rows(calls: Sequence[Call], place: str) -> list[Figure]:
    """Every call, what it does, and what each engine made of it; then the differences, computed."""
    found = []
    for call in calls:
        made = on_both(lambda twin, call=call: _shown(call.build(twin)) + call.torch_also)  # type: ignore[misc]
        found.append(Figure(call.does, call.keras, place, "", made["scratch"], made["torch"]))
    return under(PART, [*found, *_computed()])


def _shown(made: Any) -> str:
    """The beginning of the repr: its class and options, without numbers that it holds."""
    return made if isinstance(made, str) else repr(made).replace("\n", " ").partition(" (")[0]


def _computed() -> list[Figure]:
    inputs, outputs = 64, 64
    limit = math.sqrt(6 / (inputs + outputs))

    def largest(twin: Twin) -> float:
        twin.manual_seed(0)
        return float(np.abs(twin.array(keras_linear(twin, inputs, outputs).weight)).max())

    def losses(twin: Twin) -> tuple[float, float, float]:
        """On probabilities as Keras takes it, on logits as torch does, and of one-hot labels."""
        z, labels = np.random.default_rng(0).normal(size=(7, 10)) * 3, np.arange(7)
        logits = twin.tensor(z)
        p = twin.array(twin.lib.nn.Softmax(-1)(logits))
        criterion = twin.lib.nn.CrossEntropyLoss()
        sparse = float(criterion(logits, twin.tensor(labels)))
        onehot = float(criterion(logits, twin.tensor(np.eye(10)[labels])))
        return float(-np.log(p[np.arange(7), labels]).mean()), sparse, onehot

    def step(twin: Twin) -> float:
        theta = twin.lib.nn.Parameter(twin.tensor(np.zeros(1)))
        optimizer = keras_adam(twin, [theta])
        theta.grad = twin.tensor(np.array([EPSILON]))
        optimizer.step()
        return float(twin.array(theta)[0]) / 1e-3

    both = on_both(losses)
    return [
        Figure.of(
            "largest weight of Dense(64) for 64 inputs, Glorot uniform",
            f"just under {limit:.4f}",
            on_both(largest),
            0.99 * limit,
            limit,
            ".4f",
        ),
        equal_to(
            "loss on logits less that on probabilities",
            0.0,
            {e: found[1] - found[0] for e, found in both.items()},
            ".1g",
        ),
        equal_to(
            "sparse less categorical cross-entropy", 0.0, {e: found[1] - found[2] for e, found in both.items()}, ".1g"
        ),
        Figure.of(
            "first step of Adam for a gradient of 1e-7, in lr",
            "-1/2 at Keras' ε; -0.91 at torch's",
            on_both(step), -0.5 - 1e-6, -0.5 + 1e-6, ".4f",
        ),
    ]  # fmt: skip
