"""An option that takes one of a few words: `--help` shows them, a shell completes them, the command checks them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import typer


def choice(help: str, words: Iterable[str], **options: Any) -> Any:
    """The option; another word is left for the command to refuse, in its own line."""
    allowed = list(words)
    complete = lambda incomplete: [word for word in allowed if word.lower().startswith(incomplete.lower())]  # noqa: E731
    return typer.Option(help=help, metavar="|".join(allowed), autocompletion=complete, **options)
