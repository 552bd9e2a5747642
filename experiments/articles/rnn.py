"""A plain recurrent network beside LSTM and GRU on long sequences: what is left of a gradient, and of a memory.

    h_t = tanh(W x_t + b + U h_(t-1) + c)        dL/dh_(t-1) = U^T ((1 - h_t²) dL/dh_t)

Every step back multiplies the gradient by U^T and by 1 - h². So k steps leave at most |U|₂^k of it: little if U is
short, and if U is long it may explode, which clipping bounds and does not cure. An LSTM passes its cell on by
c_t = f c_(t-1) + ...: the gradient is multiplied by the forget gate f alone, σ(0) = 1/2 at first, σ(4) = 0.98 with a
bias of 4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.articles.article import Article, Figure, GradientCheck, Replay, gradient_check, quiet, under
from experiments.articles.curves import TWIN_STYLES, Panel, draw
from experiments.articles.judge import equal_to
from experiments.articles.twin import SCRATCH, TWINS, Twin, on_both
from experiments.picture import save

SEED = 0
BACK, HIDDEN, INPUTS = 60, 32, 4  # steps back, units, inputs
LENGTH, BATCH, UPDATES, UNITS, LR, NOISE = 40, 32, 100, 16, 0.02, 0.2  # of the memory task
LONG = 1.6  # the length |U|₂ of the recurrent weights that explode


class Net(NamedTuple):
    """A layer by name, and how its weights are changed after they are drawn."""

    kind: str
    change: str = ""


NETS = {
    "RNN": Net("RNN"),
    "LSTM": Net("LSTM"),
    "GRU": Net("GRU"),
    "LSTM, forget bias 4": Net("LSTM", "forget"),
}
EXPLODING = Net("RNN", "long")


def layer(twin: Twin, net: Net, inputs: int, hidden: int, dtype: str = "float64") -> Any:
    """The engine's layer; its forget gates open, or its recurrent matrix a long rotation."""
    made = getattr(twin.lib.nn, net.kind)(inputs, hidden, **twin.factory(dtype))
    if net.change == "forget":
        twin.array(made.bias_hh_l0)[hidden : 2 * hidden] = 4.0
    if net.change == "long":
        weight = twin.array(made.weight_hh_l0)
        weight[...] = LONG * np.linalg.qr(weight)[0]
        for bias in (made.bias_ih_l0, made.bias_hh_l0):  # so that small inputs meet the steep part of tanh
            twin.array(bias)[...] = 0.0
    return made


# --- gradients --------------------------------------------------------------------------------------------------------


def through_time(twin: Twin, made: Any, x: np.ndarray, dlast: np.ndarray) -> np.ndarray:
    """The gradient of every x_t (T, 1, I) that follows from the gradient of the last output."""
    if twin is SCRATCH:
        y, _ = made(x)
        dy = np.zeros_like(y)
        dy[-1] = dlast
        return np.asarray(made.backward(dy, None)[0])
    inputs = twin.tensor(x.copy()).requires_grad_()
    y, _ = made(inputs)
    y[-1].backward(twin.tensor(dlast))
    return twin.array(inputs.grad)


def lengths(twin: Twin, net: Net, scale: float = 1.0) -> np.ndarray:
    """|dL/dx_t| relative to that of the last step, from the last step back."""
    twin.manual_seed(SEED)
    made = layer(twin, net, INPUTS, HIDDEN)
    x = scale * twin.array(twin.random.randn(BACK + 1, 1, INPUTS, **twin.factory("float64")))
    dlast = twin.array(twin.random.randn(1, HIDDEN, **twin.factory("float64")))
    size = np.linalg.norm(through_time(twin, made, x, dlast)[:, 0], axis=1)[::-1]
    return size / size[0]


def gradient_figures(found: dict[str, dict[str, np.ndarray]]) -> list[Figure]:
    rows = []
    for name, both in found.items():
        left = {engine: float(size[-1]) for engine, size in both.items()}
        expected, low, high = {
            "RNN": ("under 1e-9: vanished", 0, 1e-9),
            "LSTM": ("under 1e-9: vanished as well", 0, 1e-9),
            "LSTM, forget bias 4": ("0.1 to 10: kept", 0.1, 10),
            "RNN, long weights": ("over 1e6: exploded", 1e6, None),
        }.get(name, ("", None, None))
        rows.append(Figure.of(f"{name}: gradient left {BACK} steps back", expected, left, low, high, ".1e"))
        rows.append(Figure.apart(f"{name}: lengths apart", both, 1e-9))
    return [*rows, *clipping()]


def clipping() -> list[Figure]:
    """The gradient of the exploding network's weights, before and after clipping its norm to 1."""

    def norms(twin: Twin) -> tuple[float, float]:
        twin.manual_seed(SEED)
        made = layer(twin, EXPLODING, INPUTS, HIDDEN)
        x = 0.01 * twin.array(twin.random.randn(BACK + 1, 1, INPUTS, **twin.factory("float64")))
        through_time(twin, made, x, np.ones((1, HIDDEN)))
        before = float(twin.lib.nn.utils.clip_grad_norm_(made.parameters(), 1.0))
        after = np.sqrt(sum(float((twin.array(p.grad) ** 2).sum()) for p in made.parameters()))
        return before, float(after)

    both = on_both(norms)
    return [
        Figure.of("norm of all gradients of the long weights", "over 1e3", {e: n[0] for e, n in both.items()}, 1e3),
        Figure.of(
            "the same after clip_grad_norm_ to 1", "1", {e: n[1] for e, n in both.items()}, 1 - 1e-6, 1 + 1e-9, ".6f"
        ),
    ]


def by_hand(twin: Twin) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of the plain network by its formula, and by the engine."""
    twin.manual_seed(SEED)
    made = layer(twin, NETS["RNN"], INPUTS, HIDDEN)
    x = twin.array(twin.random.randn(5, 1, INPUTS, **twin.factory("float64")))
    w, u, b, c = (twin.array(p) for p in made.parameters())
    h, states = np.zeros((1, HIDDEN)), []
    for row in x:
        h = np.tanh(row @ w.T + b + h @ u.T + c)
        states.append(h)
    return np.array(states), _outputs(twin, made, x)


def _outputs(twin: Twin, made: Any, x: np.ndarray) -> np.ndarray:
    """The outputs of every step."""
    with twin.lib.no_grad():
        return twin.array(made(twin.tensor(x))[0])


def checks() -> list[GradientCheck]:
    """The gradient through time of every layer, by each engine, against differences of its own forward."""
    found = []
    for name, net in NETS.items():
        for twin in TWINS:
            twin.manual_seed(SEED)
            made = layer(twin, net, 2, 3)
            x = np.random.default_rng(0).normal(size=(6, 1, 2))
            dlast = np.random.default_rng(1).normal(size=(1, 3))

            def loss(x: np.ndarray, twin: Twin = twin, made: Any = made, dlast: np.ndarray = dlast) -> float:
                return float((_outputs(twin, made, x)[-1] * dlast).sum())

            error = gradient_check(loss, x, through_time(twin, made, x, dlast))
            found.append(GradientCheck(f"{name}: through six steps, {twin.name}", error))
    return found


# --- memory -----------------------------------------------------------------------------------------------------------


class Reader:
    """A recurrent layer and a linear unit that makes an answer of its last output."""

    def __init__(self, twin: Twin, net: Net) -> None:
        self.twin = twin
        self.layer, self.unit = layer(twin, net, 1, UNITS, "float32"), twin.lib.nn.Linear(UNITS, 1)
        self.parameters = [*self.layer.parameters(), *self.unit.parameters()]
        self.criterion = twin.lib.nn.MSELoss()
        self.optimizer = twin.lib.optim.Adam(self.parameters, lr=LR)

    def step(self, x: Any, t: Any) -> float:
        """One update on sequences (T, N, 1) and answers (N, 1), its gradients clipped; the loss before it."""
        self.optimizer.zero_grad()
        y, _ = self.layer(x)
        loss = self.criterion(self.unit(y[-1]), t)
        if self.twin is SCRATCH:
            dy = np.zeros_like(y)
            dy[-1] = self.unit.backward(self.criterion.backward())
            self.layer.backward(dy, None)
        else:
            loss.backward()
        self.twin.lib.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        return float(self.twin.array(loss))


def remember(twin: Twin, net: Net, updates: int = UPDATES) -> np.ndarray:
    """The squared error of every update: what was the first number of the sequence? Smaller ones follow it."""
    twin.manual_seed(SEED)
    reader = Reader(twin, net)
    rng = np.random.default_rng(SEED)
    errors = []
    for _ in range(updates):
        x = rng.normal(size=(LENGTH, BATCH, 1)).astype(np.float32)
        x[1:] *= NOISE
        errors.append(reader.step(twin.tensor(x), twin.tensor(x[0])))
    return np.array(errors)


def memory_figures(found: dict[str, dict[str, np.ndarray]]) -> list[Figure]:
    last = max(1, len(found["RNN"]["torch"]) // 5)
    rows = []
    for name, both in found.items():
        mean = {engine: float(curve[-last:].mean()) for engine, curve in both.items()}
        kept = name == "LSTM, forget bias 4"
        expected = "under 0.3: remembered" if kept else "1 if all is forgotten"
        bounds = (0.0, 0.3) if kept else (None, None)
        rows.append(Figure.of(f"{name}: squared error, last fifth of the updates", expected, mean, *bounds))
    return rows


# --- the replay -------------------------------------------------------------------------------------------------------


def run(
    output: Path,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] = quiet,
    updates: int = UPDATES,
) -> Replay:
    found = ARTICLE.start()
    progress("gradients")
    sizes = {name: on_both(partial(lengths, net=net)) for name, net in NETS.items()}
    sizes["RNN, long weights"] = on_both(partial(lengths, net=EXPLODING, scale=1e-14))  # so small that tanh is linear
    found.figures += under(f"A gradient, {BACK} steps back", gradient_figures(sizes))
    hands = on_both(by_hand)
    formula = {engine: float(np.abs(ours - theirs).max()) for engine, (ours, theirs) in hands.items()}
    found.figures += under(
        "The recurrent graph", [equal_to("h_t by the formula, step by step: apart by", 0.0, formula)]
    )
    learned = {}
    for name, net in NETS.items():
        progress(f"memory, {name}")
        learned[name] = on_both(partial(remember, net=net, updates=updates))
    found.figures += under(f"What was the first of {LENGTH} numbers?", memory_figures(learned))
    found.checks = checks()
    found.plots = [
        plot_gradients(output / "gradients.png", sizes),
        plot_memory(output / "memory.png", learned),
        plot_graph(output / "graph.png"),
    ]
    found.notes = NOTES
    return found


def _pairs(found: dict[str, dict[str, np.ndarray]], curve: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    return {f"{name}, {engine}": curve(values) for name, both in found.items() for engine, values in both.items()}


def plot_gradients(path: Path, found: dict[str, dict[str, np.ndarray]]) -> tuple[Path, str]:
    curves = _pairs(found, lambda size: (np.arange(len(size)), size))
    labels = "Length of dL/dx, relative to the last step's", curves, "steps back", "relative length"
    draw(path, [Panel(*labels, {"yscale": "log"}, TWIN_STYLES, legend="outside", whole=True)])
    return path, f"What is left of a gradient up to {BACK} steps back; the bands are torch, the lines scratch."


def plot_memory(path: Path, found: dict[str, dict[str, np.ndarray]]) -> tuple[Path, str]:
    def smooth(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        width = max(1, len(curve) // 10)
        parts = curve[: len(curve) // width * width].reshape(-1, width)
        return width * np.arange(1, len(parts) + 1), parts.mean(1)

    labels = "What the first number was", _pairs(found, smooth), "update", "squared error, means"
    draw(path, [Panel(*labels, {"ylim": (0, 1.4)}, TWIN_STYLES, legend="outside", whole=True)])
    return path, f"The memory task over {LENGTH} steps; who has forgotten everything has an error of 1."


def plot_graph(path: Path) -> tuple[Path, str]:
    """The cycle, and the same unrolled in time."""
    from matplotlib.figure import Figure as Picture

    figure = Picture(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots()
    box: dict[str, Any] = {"boxstyle": "circle,pad=0.35", "facecolor": "white", "edgecolor": "black"}
    arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 17, "shrinkB": 17}

    def node(x: float, y: float, text: str) -> None:
        axes.text(x, y, text, ha="center", va="center", bbox=box, fontsize=11)

    def edge(start: tuple[float, float], end: tuple[float, float], text: str = "", **style: Any) -> None:
        axes.annotate("", end, start, arrowprops=arrow | style)
        axes.text((start[0] + end[0]) / 2 + 0.06, (start[1] + end[1]) / 2 + 0.06, text, fontsize=10)

    for x, suffix in ((0.0, "t"), (2.0, "t-1"), (3.2, "t"), (4.4, "t+1")):
        for y, name in ((0.0, "x"), (1.0, "h"), (2.0, "y")):
            node(x, y, f"${name}_{{{suffix}}}$")
        edge((x, 0), (x, 1), "W")
        edge((x, 1), (x, 2), "V")
    loop = {"shrinkA": 2, "shrinkB": 2, "connectionstyle": "arc3,rad=1.9"}
    axes.annotate("", (-0.14, 0.85), (-0.14, 1.15), arrowprops=arrow | loop)
    axes.text(-0.46, 1.0, "U", fontsize=10, va="center")
    for x in (2.0, 3.2):
        edge((x, 1), (x + 1.2, 1), "U")
    axes.text(1.0, 1.0, "unrolled\nin time", ha="center", va="center", fontsize=10)
    axes.set(xlim=(-0.8, 5.0), ylim=(-0.5, 2.5), title="The recurrent graph: h goes back to itself, one step later")
    axes.axis("off")
    save(figure, path)
    return path, "A cyclic graph, and the same network unrolled in time, without a cycle; W, U and V are shared."


NOTES = [
    "At torch's initial weights an LSTM forgets as well: its forget gate is near 1/2, and 60 steps leave 2^-60. "
    "Keeping the cell is a matter of the gate, which training, or a bias at the start, has to open.",
    "Clipping makes a gradient that has exploded harmless; it brings none back that has vanished.",
]

ARTICLE = Article(
    name="rnn",
    title="A plain recurrent network beside LSTM and GRU on long sequences",
    claim="Recurrent networks are said to remember earlier inputs by a cycle in their graph, and LSTMs to cure their "
    "forgetting in long sequences.",
    run=run,
)
