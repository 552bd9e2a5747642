"""Same seed, same bits: every random function drawn on both sides, and the table of results.

`table()` returns the rows, `print_table()` prints them. The tests use the same DRAWS.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from parity_tests.engine import REFERENCE, SCRATCH, TORCH, Engine
from parity_tests.environment import environment
from parity_tests.table.versions import ROWS_ROUND_TWICE, in_force
from scratch.random import get_arch

SIZES = (0, 1, 15, 16, 17, 63, 1000, 60000, 10**6)
FLOATS = ("float32", "float64")
INTEGERS = ("int64", "int32", "uint8", "bool")


LAYOUTS: dict[str, Callable[[int, str], np.ndarray]] = {
    "contiguous": lambda n, dtype: np.empty(n, dtype),
    "transposed": lambda n, dtype: np.empty((n // 3, 3), dtype).T,
    "every second": lambda n, dtype: np.empty(2 * n, dtype)[::2],
    "channels last": lambda n, dtype: np.empty((2, n // 10, 5, 1), dtype).transpose(0, 2, 3, 1),
}
CONTIGUOUS = ("contiguous",)


def arranged(n: int, dtype: str, layout: str) -> np.ndarray:
    """About n numbers from [0, 1), always the same: an array to fill, or of probabilities, means, stds, weights."""
    x = LAYOUTS[layout](n, dtype)
    x[...] = np.random.default_rng(n).random(x.shape)
    return x


@dataclass(frozen=True)
class Draw:
    """A call of an engine with x of a size, dtype and layout; returns what was drawn."""

    name: str
    call: Callable[[Engine, Any], Any]
    dtypes: tuple[str, ...] = FLOATS
    layouts: tuple[str, ...] = CONTIGUOUS
    smallest: int = 0
    largest: int = 10**6
    exact: bool = True

    def drawn(self, engine: Engine, n: int, dtype: str, layout: str = "contiguous") -> np.ndarray:
        """What an engine draws from its global generator in its current state."""
        return engine.array_view(self.call(engine, engine.native_view(arranged(n, dtype, layout))))

    def both(self, n: int, dtype: str, layout: str) -> tuple[np.ndarray, np.ndarray]:
        return self.drawn(REFERENCE, n, dtype, layout), self.drawn(SCRATCH, n, dtype, layout)


def rows_of_7(x: Any) -> Any:
    return x[: x.shape[0] // 7 * 7].reshape(-1, 7)


def in_place(name: str, *arguments: float, dtypes: tuple[str, ...] = FLOATS) -> Draw:
    call = lambda engine, x: getattr(engine.random, name)(x, *arguments)  # noqa: E731
    return Draw(shown(name, arguments), call, dtypes, tuple(LAYOUTS))


def initializer(name: str, *arguments: float, exact: bool = True) -> Draw:
    call = lambda engine, x: engine.find(f"nn.init.{name}")(rows_of_7(x), *arguments)  # noqa: E731
    return Draw(shown(f"init.{name}", arguments), call, smallest=15, largest=60000, exact=exact)


def shown(name: str, arguments: tuple[float, ...]) -> str:
    return f"{name}({', '.join(f'{argument:.3g}' for argument in arguments)})"


def layer(name: str, *arguments: float, shape: tuple[int, ...] = (-1,)) -> Draw:
    """A layer that draws a mask or noise, on numbers of both signs."""
    call = lambda engine, x: getattr(engine.lib.nn, name)(*arguments)(images(x - 0.5, shape))  # noqa: E731
    return Draw(shown(f"nn.{name}", arguments), call, smallest=0 if shape == (-1,) else 60)


def images(x: Any, shape: tuple[int, ...]) -> Any:
    """As many whole images as the numbers of x fill."""
    return x[: x.shape[0] // 60 * 60].reshape(shape) if len(shape) > 1 else x


DRAWS = [
    Draw("rand", lambda e, x: e.random.rand(x.shape, dtype=x.dtype)),
    Draw("rand_like", lambda e, x: e.random.rand_like(x), layouts=tuple(LAYOUTS)),
    in_place("uniform_", -0.1, 0.1),
    in_place("uniform_", 0.3, 17.7),
    Draw("randn", lambda e, x: e.random.randn(x.shape, dtype=x.dtype)),
    Draw("randn_like", lambda e, x: e.random.randn_like(x), layouts=tuple(LAYOUTS)),
    in_place("normal_"),
    in_place("normal_", 0.3, 1.7),
    Draw("normal(0.3, 1.7, size)", lambda e, x: e.random.normal(0.3, 1.7, x.shape, dtype=x.dtype)),
    Draw("normal(means, stds)", lambda e, x: e.random.normal(x, x), layouts=tuple(LAYOUTS)),
    Draw("normal(means, 1.7)", lambda e, x: e.random.normal(x, 1.7), layouts=tuple(LAYOUTS)),
    Draw("normal(0.3, stds)", lambda e, x: e.random.normal(0.3, x), layouts=tuple(LAYOUTS)),
    Draw("randint(-5, 12)", lambda e, x: e.random.randint(-5, 12, x.shape, dtype=x.dtype), ("int64", *FLOATS)),
    Draw("randint(2^28)", lambda e, x: e.random.randint(2**28, x.shape), ("int64",)),
    Draw("randint(-2^62, 2^62)", lambda e, x: e.random.randint(-(2**62), 2**62, x.shape), ("int64",)),
    Draw("randint_like", lambda e, x: e.random.randint_like(x, 100), layouts=tuple(LAYOUTS)),
    in_place("random_", dtypes=(*INTEGERS, *FLOATS)),
    in_place("random_", 0, 2, dtypes=(*INTEGERS, *FLOATS)),
    Draw("randperm", lambda e, x: e.random.randperm(x.shape[0]), ("int64",)),
    in_place("bernoulli_", 0.3, dtypes=("int64", *FLOATS)),
    Draw("bernoulli(P)", lambda e, x: e.random.bernoulli(x), layouts=tuple(LAYOUTS)),
    in_place("exponential_", 1.7),
    in_place("log_normal_", 0.5, 0.7),
    in_place("cauchy_", 0.5, 0.7),
    in_place("geometric_", 0.2, dtypes=("int64", *FLOATS)),
    Draw("poisson(rates)", lambda e, x: e.random.poisson(40 * x), layouts=tuple(LAYOUTS), largest=60000),
    Draw("binomial(n, p)", lambda e, x: e.random.binomial(90 * x, x), layouts=tuple(LAYOUTS), largest=60000),
    Draw("multinomial(w, 50, True)", lambda e, x: e.random.multinomial(x, 50, True), smallest=1),
    Draw("multinomial(w, 10)", lambda e, x: e.random.multinomial(x, 10), smallest=15),
    Draw("multinomial(rows, 5, True)", lambda e, x: e.random.multinomial(rows_of_7(x), 5, True), smallest=15),
    Draw("multinomial(rows, 5)", lambda e, x: e.random.multinomial(rows_of_7(x), 5), smallest=15),
    layer("Dropout", 0.3),
    layer("Dropout1d", 0.3, shape=(-1, 5, 12)),
    layer("Dropout2d", 0.3, shape=(-1, 5, 3, 4)),
    layer("Dropout3d", 0.3, shape=(-1, 5, 3, 2, 2)),
    layer("AlphaDropout", 0.3),
    layer("FeatureAlphaDropout", 0.3, shape=(-1, 5, 12)),
    layer("RReLU"),
    initializer("uniform_", -0.1, 0.3),
    initializer("normal_", 0.1, 0.3),
    initializer("trunc_normal_"),
    initializer("trunc_normal_", 0.0, 1.0, 1.0, 2.0),
    initializer("xavier_uniform_"),
    initializer("xavier_normal_"),
    initializer("kaiming_uniform_", 5**0.5),
    initializer("kaiming_normal_"),
    initializer("sparse_", 0.3),
    initializer("orthogonal_", exact=False),
]


def seed_both(seed: int) -> None:
    for engine in (TORCH, SCRATCH):
        engine.seed(seed)


def same_state() -> bool:
    return bool(np.array_equal(TORCH.state(), SCRATCH.state()))


def same_bits(theirs: np.ndarray, ours: np.ndarray) -> bool:
    """Equal dtype, shape and bytes, signs of zeros and NaNs included."""
    return (theirs.dtype, theirs.shape, theirs.tobytes()) == (ours.dtype, ours.shape, ours.tobytes())


def random_program(seed: int, calls: int = 25) -> Iterator[tuple[str, bool]]:
    """Random calls in a row from one seed, sometimes exchanging states; yields each call and whether it agreed."""
    rng = np.random.default_rng(seed)
    seed_both(seed)
    programmable = [draw for draw in DRAWS if draw.exact]
    for _ in range(calls):
        draw = programmable[rng.integers(len(programmable))]
        n = int(rng.choice([n for n in (0, 1, 7, 15, 16, 17, 33, 63, 200) if n >= draw.smallest]))
        dtype, layout = str(rng.choice(draw.dtypes)), str(rng.choice(draw.layouts))
        yield f"{draw.name}, n={n}, {dtype}, {layout}", same_bits(*draw.both(n, dtype, layout))
        if rng.random() < 0.1:
            SCRATCH.set_state(TORCH.state())
        elif rng.random() < 0.1:
            TORCH.set_state(SCRATCH.state())
    yield "the states at the end", same_state()


@dataclass(frozen=True)
class Row:
    """One line of the table: the result for `values` numbers of a function and dtype."""

    function: str
    dtype: str
    verdict: str
    values: int
    ok: bool


def table(sizes: tuple[int, ...] = SIZES, programs: int = 150) -> list[Row]:
    """Every function, dtype and layout at every size, many seeds at the small ones; then programs of mixed calls."""
    lines = [(draw, dtype) for draw in DRAWS for dtype in draw.dtypes]
    bar = Console(stderr=True)
    moving = track(lines, "drawing", console=bar, transient=True, disable=not bar.is_terminal)
    rows = [row(draw, dtype, sizes) for draw, dtype in moving]
    outcomes = [same for seed in range(programs) for _, same in random_program(seed)]
    verdict = "bit-identical" if all(outcomes) else f"{outcomes.count(False)} calls differ"
    return [*rows, Row(f"{programs} programs of random calls", "mixed", verdict, len(outcomes), all(outcomes))]


def row(draw: Draw, dtype: str, sizes: tuple[int, ...]) -> Row:
    values = differing = 0
    largest, states = 0.0, True
    for n in sizes:
        if not draw.smallest <= n <= draw.largest:
            continue
        for seed in range(20 if n <= 1000 else 1):
            for layout in draw.layouts:
                seed_both(seed)
                theirs, ours = draw.both(n, dtype, layout)
                states &= same_state()
                values += theirs.size
                if not same_bits(theirs, ours):
                    apart = distance_in_ulp(theirs, ours)
                    differing += int(np.count_nonzero(apart))
                    largest = max(largest, float(apart.max()))
    if not states:
        return Row(draw.name, dtype, "the generator's states differ", values, False)
    if not differing:
        return Row(draw.name, dtype, "bit-identical", values, True)
    share = f"{1 - differing / values:.1%} identical"
    return Row(draw.name, dtype, f"{share}, the others up to {largest:.3g} ulp of 1", values, not draw.exact)


def distance_in_ulp(theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """How far apart, in units of the last place of 1; infinite where dtype or shape differ."""
    if (theirs.dtype, theirs.shape) != (ours.dtype, ours.shape):
        return np.full(theirs.shape, np.inf)
    unit = np.finfo(theirs.dtype).eps if theirs.dtype.kind == "f" else 1
    return np.abs(theirs.astype(np.float64) - ours) / unit


def conditions() -> list[str]:
    """What the verdicts depend on: versions, processor capability, the machine reproduced, whether a GPU took part."""
    if torch.cuda.is_available():
        gpu = f"CUDA stream: run the suite to compare it with this {torch.cuda.get_device_name()}"
    else:
        gpu = "CUDA stream: unverified on a GPU, none here"
    here = environment()
    return [
        f"torch {here['torch']}, NumPy {here['numpy']}, Python {here['python']}, {here['machine']}",
        f"torch's CPU capability {here['device']}, scratch reproduces '{get_arch()}'",
        gpu,
        *(f"{change.component}: {change.text}" for change in in_force() if change.component.startswith("nn.init.")),
        *(["normal_, on an x86-64 processor without AVX2: this torch rounds z std + mean twice"] * ROWS_ROUND_TWICE),
    ]


def print_table(rows: list[Row] | None = None, console: Console | None = None) -> bool:
    """Print rows (by default those of `table()`) and environment; True if all is bit-identical that should be."""
    rows = list(table()) if rows is None else rows
    printed = Table("function", "dtype", "verdict", title="Same seed, same bits: scratch beside torch")
    printed.add_column("values", justify="right")
    for line in rows:
        printed.add_row(line.function, line.dtype, line.verdict, f"{line.values:,}")
    printed.caption = "\n".join(conditions())
    (console or Console(width=None if sys.stdout.isatty() else 130)).print(printed)
    return all(line.ok for line in rows)


if __name__ == "__main__":
    print_table()
