"""An epoch of MNIST by a multilayer perceptron: every engine from the same weights, through the same batches.

The library's own layers and optimizer, nothing inlined. ReLU, cross-entropy, Adam at 1e-3, float32; batches are
gathered from a permutation; all skip an incomplete last batch. Every round is the next epoch of one training, so that
the rounds show effects of training on the speed, such as moments that decay into subnormal numbers.
"""

from __future__ import annotations

import shutil
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np

from experiments.bench.case import Case, Limit, Timed, Unavailable, Work, library
from experiments.bench.cases.mnist import CLASSES, SIDE, images, order, share

LR, BETAS, EPS = 1e-3, (0.9, 0.999), 1e-8
WARM_UP = 20  # steps on another network
FLOORS = ("GEMMs", "GEMMs, Adam")  # only the same products and statements
ENGINES = ("scratch", "torch", "torch fused", "torch compiled, fused", "sklearn", "jax step", "jax scan", *FLOORS)
SAME_SPEED = 1.1  # last epochs against first ones; subnormal moments would cost a third


def cases(quick: bool) -> list[Case]:
    if quick:
        return [case((128,), 128, 1, rounds=2, count=6000)]
    return [
        *(case((128,), batch, threads, rounds=10) for threads in (1, 2) for batch in (32, 64, 128, 512)),
        *(case((512, 256), batch, threads, rounds=3) for threads in (1, 2) for batch in (64, 512)),
    ]


def case(hidden: tuple[int, ...], batch: int, threads: int, rounds: int, count: int = 60000) -> Case:
    widths = "-".join(map(str, (SIDE * SIDE, *hidden, CLASSES)))
    return Case(
        f"{widths}, batch {batch}, {threads} thread{'s' * (threads > 1)}",
        "mlp",
        ENGINES,
        {"hidden": hidden, "batch": batch, "count": count},
        limits(batch, rounds) if hidden == (128,) else (),
        threads,
        rounds,
        seconds=0,
        judged=True,
        reason="NumPy runs Adam as 12 statements one by one, where a compiled step fuses them: see GEMMs, Adam"
        + ("; on one thread, and the rounds of two vary with the machine" if threads > 1 else ""),
    )


def limits(batch: int, rounds: int) -> tuple[Limit, ...]:
    """Of 784-128-10; a limit of 1 / 1.6 means 1.6 times as fast."""
    found = [Limit(1 / 2, "sklearn"), Limit(1.35, "jax scan")]
    if batch <= 128:
        faster = {"torch": 1.6, "torch fused": 1.05, "torch compiled, fused": 1.2, "jax step": 1.0}
        found += [Limit(1 / times, engine) for engine, times in faster.items()]
    if batch in (64, 512):
        found.append(Limit({64: 2.5, 512: 1.6}[batch], "GEMMs"))
    if rounds >= 6:  # three first and three last
        found.append(Limit(SAME_SPEED, "GEMMs", late=True))
    return tuple(found)


def prepare(engine: str, hidden: list[int], batch: int, count: int) -> Work:
    widths = (SIDE * SIDE, *hidden, CLASSES)
    if engine in FLOORS:
        return floor(widths, batch, count, update=engine != "GEMMs")
    if engine.startswith("torch"):
        return Torch(widths, batch, count, "fused" in engine, "compiled" in engine)
    if engine.startswith("jax"):
        return Jax(widths, batch, count, whole=engine == "jax scan")
    return {"scratch": Scratch, "sklearn": Sklearn}[engine](widths, batch, count)


class Training(Work):
    """A network and its optimizer on one engine. `epoch` trains on batches of image numbers (batches, batch)."""

    def __init__(self, widths: tuple[int, ...], batch: int, count: int) -> None:
        self.widths, self.batch, self.data = widths, batch, images(count)
        self.epochs = 0
        self.build()

    def build(self) -> None:
        """The network with its initial weights, and the data where this engine wants it."""
        raise NotImplementedError

    def epoch(self, batches: np.ndarray) -> None:
        raise NotImplementedError

    def predict(self, x: np.ndarray) -> Any:
        """Logits (N, 10)."""
        raise NotImplementedError

    def warm_up(self) -> None:
        self.epoch(order(len(self.data.x), self.batch, 0)[:WARM_UP])
        self.build()

    def measure(self, seconds: float) -> dict[str, float]:
        self.epochs += 1
        batches = order(len(self.data.x), self.batch, self.epochs)
        start = perf_counter()
        self.epoch(batches)
        return {"epoch": perf_counter() - start}

    def accuracy(self) -> float:
        return share(self.predict(self.data.test_x), self.data.test_y)

    def facts(self) -> dict[str, Any]:
        return {"data": self.data.source, "images": len(self.data.x) // self.batch * self.batch}


def network(lib: Any, widths: tuple[int, ...]) -> Any:
    """Linear layers with ReLU between them, their weights drawn from seed 0."""
    lib.manual_seed(0)
    layers: list[Any] = []
    for inputs, outputs in pairwise(widths):
        layers += [lib.nn.Linear(inputs, outputs), lib.nn.ReLU()]
    return lib.nn.Sequential(*layers[:-1])


class Scratch(Training):
    """NumPy."""

    def build(self) -> None:
        lib = library("scratch")
        self.net = network(lib, self.widths).requires_input_grad_(False)  # of data; torch's data asks for none either
        self.criterion = lib.nn.CrossEntropyLoss()
        self.optimizer = lib.optim.Adam(self.net.parameters(), lr=LR)

    def epoch(self, batches: np.ndarray) -> None:
        x, y = self.data.x, self.data.y
        net, criterion, optimizer = self.net, self.criterion, self.optimizer
        for batch in batches:
            optimizer.zero_grad()
            criterion(net(x.take(batch, axis=0)), y.take(batch))
            net.backward(criterion.backward())
            optimizer.step()

    def predict(self, x: np.ndarray) -> np.ndarray:
        with library("scratch").no_grad():
            return self.net(x)


class Torch(Training):
    """PyTorch eager, or with the network compiled; Adam as it is by default, or its fused kernel."""

    def __init__(self, widths: tuple[int, ...], batch: int, count: int, fused: bool, compiled: bool) -> None:
        self.fused, self.compiled = fused, compiled
        self.net: Any = None
        super().__init__(widths, batch, count)

    def build(self) -> None:
        """A second call starts over in the same network: a compiled one stays compiled."""
        import torch

        fresh = network(library("torch"), self.widths)
        if self.net is None:
            self.net, self.call = fresh, compiled(fresh) if self.compiled else fresh
            self.x, self.y = torch.from_numpy(self.data.x), torch.from_numpy(self.data.y)
            self.criterion = torch.nn.CrossEntropyLoss()
        self.net.load_state_dict(fresh.state_dict())
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=LR, fused=self.fused or None)

    def epoch(self, batches: np.ndarray) -> None:
        import torch

        x, y = self.x, self.y
        call, criterion, optimizer = self.call, self.criterion, self.optimizer
        for batch in torch.from_numpy(batches):
            optimizer.zero_grad()
            criterion(call(x.index_select(0, batch)), y.index_select(0, batch)).backward()
            optimizer.step()

    def predict(self, x: np.ndarray) -> np.ndarray:
        import torch

        with torch.no_grad():
            return self.net(torch.from_numpy(x)).numpy()


def compiled(net: Any) -> Any:
    import torch

    from experiments.training.compiling import own_cache

    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise Unavailable("torch.compile needs a C++ compiler on the PATH.")
    own_cache()
    return torch.compile(net, dynamic=False)


class Sklearn(Training):
    """scikit-learn's MLPClassifier. It draws its own weights and order and does not show them."""

    def build(self) -> None:
        try:
            from sklearn.neural_network import MLPClassifier
        except ImportError:
            raise Unavailable("scikit-learn is not installed.") from None
        self.net = MLPClassifier(self.widths[1:-1], alpha=0.0, batch_size=self.batch, learning_rate_init=LR)

    def epoch(self, batches: np.ndarray) -> None:
        size = batches.size
        self.net.partial_fit(self.data.x[:size], self.data.y[:size], classes=range(CLASSES))

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.net.predict_proba(x)


class Jax(Training):
    """JAX: a jitted step called from Python, or the whole epoch in one jitted lax.scan."""

    def __init__(self, widths: tuple[int, ...], batch: int, count: int, whole: bool) -> None:
        try:
            import jax
        except ImportError:
            raise Unavailable("JAX is not installed.") from None
        self.whole = whole
        self.one_step = jax.jit(step, donate_argnums=0)
        self.all_steps = jax.jit(steps, donate_argnums=0)
        super().__init__(widths, batch, count)

    def build(self) -> None:
        import jax.numpy as jnp

        self.x, self.y = jnp.asarray(self.data.x), jnp.asarray(self.data.y.astype(np.int32))
        net = network(library("scratch"), self.widths)
        theta = [jnp.array(parameter.data) for parameter in net.parameters()]
        self.state = theta, [jnp.zeros_like(p) for p in theta], [jnp.zeros_like(p) for p in theta], jnp.float32(0)

    def warm_up(self) -> None:
        """Compile: a scan for the number of steps that it will have."""
        batches = order(len(self.data.x), self.batch, 0)
        self.epoch(batches if self.whole else batches[:WARM_UP])
        self.build()

    def epoch(self, batches: np.ndarray) -> None:
        import jax

        numbers = batches.astype(np.int32)
        if self.whole:
            self.state = self.all_steps(self.state, self.x, self.y, numbers)
        else:
            for batch in numbers:
                self.state = self.one_step(self.state, self.x, self.y, batch)
        jax.block_until_ready(self.state)

    def predict(self, x: np.ndarray) -> Any:
        return forward(self.state[0], x)


def forward(theta: list[Any], x: Any) -> Any:
    from jax import nn

    for weight, bias in zip(theta[0:-2:2], theta[1:-2:2], strict=True):
        x = nn.relu(x @ weight.T + bias)
    return x @ theta[-2].T + theta[-1]


def step(state: Any, x: Any, y: Any, batch: Any) -> Any:
    """One step of Adam, as torch defines it."""
    import jax
    import jax.numpy as jnp

    def loss(theta: list[Any]) -> Any:
        chosen = jax.nn.log_softmax(forward(theta, x[batch]))
        return -jnp.take_along_axis(chosen, y[batch][:, None], axis=1).mean()

    theta, m, v, t = state
    g = jax.grad(loss)(theta)
    t = t + 1
    m = [BETAS[0] * a + (1 - BETAS[0]) * b for a, b in zip(m, g, strict=True)]
    v = [BETAS[1] * a + (1 - BETAS[1]) * b * b for a, b in zip(v, g, strict=True)]
    rate, root = LR / (1 - BETAS[0] ** t), jnp.sqrt(1 - BETAS[1] ** t)
    theta = [p - rate * a / (jnp.sqrt(b) / root + EPS) for p, a, b in zip(theta, m, v, strict=True)]
    return theta, m, v, t


def steps(state: Any, x: Any, y: Any, batches: Any) -> Any:
    """All steps of an epoch."""
    import jax

    return jax.lax.scan(lambda state, batch: (step(state, x, y, batch), None), state, batches)[0]


def floor(widths: tuple[int, ...], batch: int, count: int, update: bool) -> Timed:
    """The matrix products of an epoch alone: y = x W^T, dW = dy^T x, and, but for the first layer, dx = dy W.

    With `update` also Adam's 12 statements on one vector: what scratch runs, with no layer or optimizer around it.
    Moments in scaled units would need 10, but could not be saved as torch's and come back bit for bit.
    """
    rng = np.random.default_rng(0)
    rows = [rng.random((batch, width), np.float32) for width in widths]
    weights = [rng.random((outputs, inputs), np.float32) for inputs, outputs in pairwise(widths)]
    theta, g, m, v, tmp = rng.random((5, sum(w.size + len(w) for w in weights)), np.float32)

    def adam() -> None:
        np.subtract(g, m, out=tmp)
        np.multiply(tmp, 1 - BETAS[0], out=tmp)
        np.add(m, tmp, out=m)
        np.multiply(v, BETAS[1], out=v)
        np.multiply(g, 1 - BETAS[1], out=tmp)
        np.multiply(tmp, g, out=tmp)
        np.add(v, tmp, out=v)
        np.sqrt(v, out=tmp)
        np.add(tmp, EPS, out=tmp)
        np.divide(m, tmp, out=tmp)
        np.multiply(tmp, -LR, out=tmp)
        np.add(theta, tmp, out=theta)

    def epoch() -> None:
        for _ in range(count // batch):
            for x, w in zip(rows, weights, strict=False):
                x @ w.T
            for i in reversed(range(len(weights))):
                rows[i + 1].T @ rows[i]
                if i:
                    rows[i + 1] @ weights[i]
            if update:
                adam()

    return Timed({"epoch": epoch})
