"""Names of components in a text become links to their pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from experiments.site.pages import Component

APART = re.compile(r"(<math.*?</math>|<code.*?</code>|<a .*?</a>|<[^>]*>)", re.DOTALL)  # what no link goes into
CODE = re.compile(r"<code>(?:torch\.)?((?:nn|optim)\.[\w.]+|\w+)(\(\))?</code>")
WORD = re.compile(r"\b[A-Z][A-Za-z0-9]*[a-z0-9][A-Za-z0-9]*\b|\b[A-Z]{3}\b")
COMMON = {"Transformer", "Threshold", "Fold", "Identity", "Sequential", "Flatten", "Upsample", "Embedding", "Dropout"}


class Linker:
    """Links of one page: the first mention of each component in each text, never the page's own."""

    def __init__(self, components: Iterable[Component], own: str, root: str) -> None:
        known = [one for one in components if one.name != own]
        self.pages = {one.name.rpartition(".")[2]: root + one.page for one in known}
        self.pages |= {one.name: root + one.page for one in known}

    def __call__(self, text: Any) -> Markup:
        """The text with links; markup stays as it is."""
        parts = APART.split(str(Markup.escape(text)))
        seen: set[str] = set()
        return Markup("".join(self._linked(part, seen, not any(parts[:number])) for number, part in enumerate(parts)))

    def _linked(self, part: str, seen: set[str], first: bool) -> str:
        if code := CODE.fullmatch(part):
            return self._link(code.group(1), part, seen)
        if part.startswith("<"):
            return part

        def word(match: re.Match[str]) -> str:
            opening = first and not part[: match.start()].strip()
            return (
                match.group() if opening or match.group() in COMMON else self._link(match.group(), match.group(), seen)
            )

        return WORD.sub(word, part)

    def _link(self, name: str, shown: str, seen: set[str]) -> str:
        if name not in self.pages or name in seen:
            return shown
        seen.add(name)
        return f'<a href="{self.pages[name]}">{shown}</a>'
