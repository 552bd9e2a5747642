"""conventions.html: what libraries do, each statement with how it is known; component pages link to its lines."""

from __future__ import annotations

from itertools import groupby

from experiments.site.pages import Site, components, slug
from parity_tests.conventions.results import recorded, seen
from parity_tests.conventions.statement import Statement
from parity_tests.conventions.statements import STATEMENTS

PAGE = "conventions.html"


def write(site: Site) -> None:
    pages = {one.name: one.page for one in components()}
    there = {one.name for one in site.components}
    libraries = [
        (library, [(one, came(one), seen(one), _components(one, pages, there)) for one in members])
        for library, members in groupby(STATEMENTS, key=lambda one: one.library)
    ]
    site.render("conventions.html", PAGE, title="Conventions, run", libraries=libraries, anchor_of=anchor_of)


def anchor_of(statement: Statement) -> str:
    """The id of a statement's line."""
    return slug(statement.key)


def came(statement: Statement) -> str:
    """What its function gave with the newest version; nothing if it was only read."""
    runs = recorded().get(statement.key, [])
    return shown(runs[-1].came) if runs else ""


def shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"[{', '.join(map(shown, value))}]" if isinstance(value, list) else str(value)


def _components(statement: Statement, pages: dict[str, str], there: set[str]) -> list[tuple[str, str]]:
    """The components that a statement is about, and their pages in this site."""
    return [(name, page if name in there else "") for name, page in pages.items() if statement.concerns(name)]
