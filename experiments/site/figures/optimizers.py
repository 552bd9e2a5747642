"""Optimizers: their paths from one start on a ravine, on Rosenbrock's valley and on a saddle, both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.site.figures.drawing import ACCENT, ENGINE_STYLES, SOFT, Picture, new, picture, styled
from experiments.site.figures.first_row import cases
from experiments.site.pages import Component
from parity_tests.engine import ENGINES
from parity_tests.rule import distance

STEPS = 80
RATES = tuple(float(f"{rate:.0e}") for rate in np.geomspace(1e-3, 10, 9))  # 0.001, 0.003, 0.01 ...
Point = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """A function of two numbers, its gradient, the start of the paths, and the part that is shown."""

    name: str
    formula: str
    value: Callable[[Any, Any], Any]
    gradient: Callable[[Any, Any], tuple[Any, Any]]
    start: Point
    window: tuple[float, float, float, float]


SURFACES = (
    Surface(
        "ravine",
        "(x² + 25 y²) / 2",
        lambda x, y: (x * x + 25 * y * y) / 2,
        lambda x, y: (x, 25 * y),
        (-1.8, 0.7),
        (-2, 2, -1, 1),
    ),
    Surface(
        "Rosenbrock",
        "(1 - x)² + 20 (y - x²)²",
        lambda x, y: (1 - x) ** 2 + 20 * (y - x * x) ** 2,
        lambda x, y: (-2 * (1 - x) - 80 * x * (y - x * x), 40 * (y - x * x)),
        (-1.2, 1.0),
        (-1.6, 1.6, -0.6, 1.8),
    ),
    Surface(
        "saddle",
        "x² - y² + y⁴ / 4",
        lambda x, y: x * x - y * y + y**4 / 4,
        lambda x, y: (2 * x, -2 * y + y**3),
        (-1.4, 0.05),
        (-1.8, 1.8, -2, 2),
    ),
)


def points(component: Component, surface: Surface, engine: str, lr: float, dtype: str) -> Iterator[np.ndarray]:
    """The start and the point after each step. The parameter is a matrix, since Muon takes nothing else."""
    side, options = ENGINES[engine], dict(cases(component)[0].kwargs) | {"lr": lr}
    parameter = side.parameter(np.array([surface.start], dtype))
    optimizer = side.find(component.name)([parameter], **options)

    def closure() -> float:
        x, y = side.array_view(parameter)[0]
        parameter.grad = side.native(np.array([surface.gradient(x, y)], dtype))
        return float(surface.value(x, y))

    yield side.array(parameter)[0]
    for _ in range(STEPS):
        with np.errstate(all="ignore"):
            closure()
            optimizer.step(closure)
        yield side.array(parameter)[0]


def path(component: Component, surface: Surface, engine: str, lr: float, dtype: str = "float32") -> np.ndarray:
    return np.array([*points(component, surface, engine, lr, dtype)])


def best_rate(component: Component, surface: Surface) -> float:
    """The rate whose path has the lowest mean; a path that leaves the window does not count."""
    left, right, low, high = surface.window

    def height(lr: float) -> float:
        inside = []
        for point in points(component, surface, "scratch", lr, "float32"):
            x, y = point.tolist()
            if not (left <= x <= right and low <= y <= high):
                return np.inf
            inside.append((x, y))
        return float(surface.value(*np.array(inside).T).mean())

    return min(RATES, key=height)


@styled
def draw(component: Component) -> list[Picture]:
    figure = new(9, 3.4)
    apart = []
    for axes, surface in zip(figure.subplots(1, 3), SURFACES, strict=True):
        lr = best_rate(component, surface)
        _contours(axes, surface)
        paths = {engine: path(component, surface, engine, lr) for engine in ENGINE_STYLES}
        for engine, style in ENGINE_STYLES.items():
            axes.plot(*paths[engine].T, label=engine, **style)
        axes.plot(*surface.start, "o", color=ACCENT)
        axes.set(title=f"{surface.name}, lr {lr:g}", xlabel="x")
        axes.axis(surface.window)
        apart.append(distance(paths["scratch"], paths["torch"]))
    figure.axes[0].set_ylabel("y")
    figure.axes[0].legend(loc="lower right", fontsize=8)
    formulas = "; ".join(f"{surface.name}: {surface.formula}" for surface in SURFACES)
    caption = (
        f"{STEPS} steps of {component.name} from one start, the dot, on three functions ({formulas}); torch thick "
        f"and blue, scratch thin and orange over it. The rate is the best of {len(RATES)} from {RATES[0]:g} to "
        f"{RATES[-1]:g}: the path with the lowest mean. In float32 the two paths are at most "
        f"{', '.join(f'{error:.2g}' for error in apart)} ulp apart."
    )
    return [picture(figure, f"{component.name}: paths", caption, component.name)]


def _contours(axes: Any, surface: Surface) -> None:
    left, right, low, high = surface.window
    x, y = np.meshgrid(np.linspace(left, right, 50), np.linspace(low, high, 50))
    z = surface.value(x, y)
    levels = z.min() + np.geomspace(0.02, 0.9, 8) * np.ptp(z)
    axes.contour(x, y, z, levels, colors=SOFT, linewidths=0.4)
    axes.grid(visible=False)


# --- the page's sliders -----------------------------------------------------------------------------------------------

RULES = {  # as in optimizer.js, with the name of what its second slider moves and where it starts
    "optim.SGD": (("SGD", "SGD, Nesterov"), "momentum", 0.9),
    "optim.Adam": (("Adam",), "β1", 0.9),
    "optim.AdamW": (("AdamW",), "β1", 0.9),
    "optim.RMSprop": (("RMSprop",), "momentum", 0.0),
    "optim.Adagrad": (("Adagrad",), "no momentum", 0.0),
}


def playground(component: Component) -> dict[str, Any] | None:
    """The initial values of the sliders; None for a rule that the page's script does not have."""
    if component.name not in RULES:
        return None
    rules, name, momentum = RULES[component.name]
    exponent = round(float(np.log10(best_rate(component, SURFACES[0]))), 2)
    surfaces = [surface.name for surface in SURFACES]
    others = [rule for of_component in RULES.values() for rule in of_component[0]]
    return {
        "others": others,
        "rules": rules,
        "surfaces": surfaces,
        "momentum_name": name,
        "momentum": momentum,
        "exponent": exponent,
    }
