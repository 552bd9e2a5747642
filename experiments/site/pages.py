"""What every page of the report shares: the components with their results, the templates, and the paths of pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from parity_tests.rule import Result
from parity_tests.table import FAMILIES
from parity_tests.table.row import Row
from torch_impl.files import write_text

HERE = Path(__file__).parent
PARTS = (("index.html", "Components"), ("conventions.html", "Conventions"), ("twins.html", "Twin training"),
         ("replays.html", "Articles"), ("exercises.html", "Exercises"), ("runs.html", "Runs"))  # fmt: skip


@dataclass
class Component:
    """One component of the table, and the results of its checks."""

    name: str
    family: str
    results: list[Result] = field(default_factory=list)
    seconds: float = 0.0  # that its checks took

    @property
    def slug(self) -> str:
        return slug(self.name)

    @property
    def page(self) -> str:
        """Its page, seen from the site's root."""
        return f"components/{self.slug}.html"

    @property
    def rows(self) -> list[Row]:
        return [row for row in FAMILIES[self.family] if row.name == self.name]

    @property
    def worst(self) -> Result | None:
        """The result nearest to its limit, or furthest beyond it; None without results."""
        return max(self.results, key=severity, default=None)

    @property
    def ok(self) -> bool:
        return all(result.ok for result in self.results)


def severity(result: Result) -> float:
    """The error as a share of its limit; more than 1 has failed. A check without a tolerance has 0 or infinity."""
    return result.error / result.limit if result.limit else result.error


def anchor(label: str) -> str:
    """The id of the row with this label on its component's page, also used after the # of a link."""
    return "row-" + slug(label)


def slug(text: str) -> str:
    """Letters, digits and dots of a label; other characters become a hyphen, but -1.0 and 1.0 stay distinct."""
    return re.sub(r"[^\w.]+", "-", re.sub(r"-(?=[\d.]|inf\b)", "minus", text)).strip("-").lower()


def components(labels: Sequence[str] | None = None) -> list[Component]:
    """The components of the table, in its order; those that have one of these rows."""
    found = []
    for family, rows in FAMILIES.items():
        chosen = [row for row in rows if labels is None or row.label in labels]
        found += [Component(name, family) for name in dict.fromkeys(row.name for row in chosen)]
    return found


@dataclass
class Site:
    """The site while it is built. Pages are written through `render`."""

    output: Path
    components: list[Component]
    environment: dict[str, str]
    parts: tuple[tuple[str, str], ...] = PARTS  # (page, name) of what the header links to

    def render(self, template: str, path: str, **values: Any) -> Path:
        """Write one page; `path` is seen from the site's root. Templates extend base.html, which wants a `title`."""
        target = self.output / path
        target.parent.mkdir(parents=True, exist_ok=True)
        values = {"site": self, "path": path, "root": "../" * path.count("/"), **values}
        write_text(target, _templates().get_template(template).render(**values))
        return target


@cache
def _templates() -> Any:
    """The templates: everything is escaped unless it is Markup, and a missing name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE / "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "duration": duration, "percent": percent}
    environment.globals |= {"anchor": anchor, "severity": severity}
    return environment


def number(value: float) -> str:
    """Three significant digits."""
    return "∞" if value == float("inf") else "0" if value == 0 else f"{value:.3g}"


def percent(value: float) -> str:
    """A share of the limit, never rounded up to the limit nor down to it."""
    if value == 0:
        return "0"
    if value > 1:
        return f"{value:.3g} ×" if value < 1e6 else "beyond"
    return "< 1 %" if value < 0.01 else f"{int(100 * value)} %"


def duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
