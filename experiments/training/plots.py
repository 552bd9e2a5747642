"""Pictures, readable without color: engines differ in width too. Drawn without pyplot, so nothing global changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from experiments.picture import COLORS, ENGINE_STYLES
from experiments.training.data import Part
from experiments.training.outcome import relative_difference
from torch_impl.files import write_whole

MARKERS = {"torch": 10, "scratch": 5}  # torch's is seen around scratch's
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}  # the largest relative error of one rounding

TWIN_STYLES: list[dict[str, Any]] = [ENGINE_STYLES["scratch"], ENGINE_STYLES["torch"]]  # for curves in this order


def loss_curves(curves: Mapping[str, Sequence[float]], dtype: str, title: str, path: str | Path) -> None:
    """The loss of every step, one curve per engine; for two engines, underneath, their relative difference."""
    twins = len(curves) == 2
    figure = Figure(figsize=(8, 6.5 if twins else 4), layout="constrained")
    axes = figure.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
    window = max(1, min(len(losses) for losses in curves.values()) // 100)
    for name, losses in curves.items():
        marker: dict[str, Any] = {"marker": "o", "markersize": MARKERS[name]} if len(losses) == 1 else {}
        axes[0].plot(_steps(losses), running_mean(losses, window), label=name, **ENGINE_STYLES[name], **marker)
    what = f"training loss, mean of {window} steps" if window > 1 else "training loss"
    axes[0].set(ylabel=what, title=title, yscale="log")
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # powers of ten alone would be two ticks
    axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes[0].yaxis.set_minor_formatter(NullFormatter())
    falls = all(losses[-1] <= losses[0] for losses in curves.values())
    axes[0].legend(loc="upper right" if falls else "upper left")
    if twins:
        _difference(axes[1], curves, dtype)
    axes[-1].set_xlabel("training step")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _save(figure, path)


def _difference(axes: Axes, curves: Mapping[str, Sequence[float]], dtype: str) -> None:
    first, second = curves
    difference = relative_difference(curves[first], curves[second])
    apart = difference > 0  # a log axis has no place for zero
    axes.plot(_steps(difference)[apart], difference[apart], "k.", markersize=3)
    axes.axhline(UNIT[dtype], color="black", linestyle="--", linewidth=1)
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": "small"}
    axes.text(1.01, UNIT[dtype], f"one rounding\nin {dtype}", **beside)
    axes.set(ylabel=f"|{first} - {second}| / {second}", yscale="log")
    axes.set_title(
        f"{np.sum(~apart)} of {len(apart)} losses are equal to the last bit and not drawn", fontsize="medium"
    )


# --- what the network learned -----------------------------------------------------------------------------------------


def epoch_curves(epochs: Mapping[str, Sequence[Mapping[str, float]]], title: str, path: str | Path) -> None:
    """Loss and accuracy at the end of each epoch: on the training images, and on those that judge."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    for name, figures in epochs.items():
        style = {**ENGINE_STYLES[name], "markersize": MARKERS[name]}
        numbers = range(1, len(figures) + 1)
        judge = "validation" if "validation_loss" in figures[0] else "test"
        losses.plot(
            numbers, [f["train_loss"] for f in figures], linestyle="--", marker="s", label=f"{name}, training", **style
        )
        losses.plot(numbers, [f[f"{judge}_loss"] for f in figures], marker="o", label=f"{name}, {judge}", **style)
        accuracy = [100 * f[f"{judge}_accuracy"] for f in figures]
        accuracies.plot(numbers, accuracy, marker="o", label=f"{name}, {judge}", **style)
    losses.set(xlabel="epoch", ylabel="cross-entropy, mean per image")
    accuracies.set(xlabel="epoch", ylabel="accuracy, %")
    for axes in (losses, accuracies):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))  # one epoch has one tick
        axes.legend()
    figure.suptitle(title, fontsize="medium")
    _save(figure, path)


def confusion(predicted: Mapping[str, Sequence[int]], labels: np.ndarray, title: str, path: str | Path) -> None:
    """The confusion matrix of the digits. The shade shows the mistakes; the diagonal is correct."""
    figure = Figure(figsize=(5.4 * len(predicted), 5.4), layout="constrained")
    for axes, (name, classes) in zip(
        figure.subplots(1, len(predicted), squeeze=False)[0], predicted.items(), strict=True
    ):
        counts = confusion_matrix(classes, labels)
        wrong = counts * ~np.eye(len(counts), dtype=bool)
        axes.imshow(wrong, cmap="Greys", vmax=max(1, 2 * wrong.max()))
        for (i, j), count in np.ndenumerate(counts):
            if count:
                axes.text(j, i, str(count), ha="center", va="center", fontsize=7, weight="bold" if i == j else "normal")
        accuracy = np.trace(counts) / counts.sum()
        axes.set(xlabel="predicted", ylabel="label", title=f"{name}: {accuracy:.2%} right")
        axes.set(xticks=range(len(counts)), yticks=range(len(counts)))
    figure.suptitle(title, fontsize="medium")
    _save(figure, path)


def confusion_matrix(predicted: Sequence[int], labels: np.ndarray, classes: int = 10) -> np.ndarray:
    """The number of images of each label (rows) for which each class (columns) was predicted."""
    counts = np.bincount(labels * classes + np.asarray(predicted), minlength=classes**2)
    return counts.reshape(classes, classes)


def class_errors(predicted: Mapping[str, Sequence[int]], labels: np.ndarray, title: str, path: str | Path) -> None:
    """The share of each digit that was not recognized: bars that begin at 0, so that lengths can be compared."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(predicted)
    for number, (name, classes) in enumerate(predicted.items()):
        counts = confusion_matrix(classes, labels)
        share = 100 * (1 - np.diag(counts) / np.maximum(counts.sum(1), 1))
        place = np.arange(len(share)) + (number - (len(predicted) - 1) / 2) * width
        axes.bar(place, share, width, label=name, color=COLORS[name], edgecolor="black", linewidth=0.5)
    top = max(1.0, axes.get_ylim()[1])
    axes.set(xlabel="digit", ylabel="not recognized, %", xticks=range(10), ylim=(0, top), title=title)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    _save(figure, path)


def mistakes(
    test: Part, predicted: Sequence[int], confidence: Sequence[float], title: str, path: str | Path, most: int = 40
) -> None:
    """The misclassified digits with the highest confidence."""
    wrong = np.flatnonzero(np.asarray(predicted) != test.labels)
    worst = wrong[np.argsort(-np.asarray(confidence)[wrong], kind="stable")][:most]
    rows = max(1, -(-len(worst) // 8))
    figure = Figure(figsize=(8, rows + 0.6), layout="constrained")
    axes = figure.subplots()  # one for all: a picture with axes for each digit takes six times as long
    axes.axis("off")
    for place, i in enumerate(worst):
        row, column = divmod(place, 8)
        axes.imshow(test.images[i], cmap="Greys", extent=(column + 0.1, column + 0.9, row + 1, row + 0.2))
        caption = f"{test.labels[i]} as {predicted[i]}, {confidence[i]:.0%}"
        axes.text(column + 0.5, row + 0.17, caption, ha="center", fontsize=7)
    axes.set(xlim=(0, 8), ylim=(rows, 0))
    shown = f"the {len(worst)} surest of {len(wrong)} mistakes" if len(wrong) > most else f"all {len(wrong)} mistakes"
    figure.suptitle(f"{title}\n{shown}", fontsize="small")
    _save(figure, path)


def seen(image: np.ndarray, title: str, path: str | Path) -> None:
    """An image as the network receives it."""
    figure = Figure(figsize=(3, 3.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(image, cmap="gray")
    axes.set(title=title, xticks=[], yticks=[])
    _save(figure, path)


def _save(figure: Figure, path: str | Path) -> None:
    """A picture in the format of the file's ending, written completely or not at all."""
    kind = Path(path).suffix[1:] or "png"
    write_whole(path, lambda file: figure.savefig(file, dpi=150, format=kind))


# --- numbers ----------------------------------------------------------------------------------------------------------


def running_mean(values: Sequence[float], window: int) -> np.ndarray:
    """At each step the mean of the last `window` values, of all if there are fewer: a long curve without its noise."""
    sums = np.cumsum([0.0, *values])
    last = _steps(values)
    first = np.maximum(last - window, 0)
    return (sums[last] - sums[first]) / (last - first)


def _steps(values: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.arange(1, len(values) + 1)
