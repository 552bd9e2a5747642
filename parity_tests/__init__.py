"""The proof: one table of components, one tolerance rule, and the checks that both drive."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity_tests.comparer.comparison import compare as compare


def __getattr__(name: str) -> Any:
    """`from parity_tests import compare`, imported on first use, since it imports torch."""
    if name == "compare":
        from parity_tests.installed import refuse_hidden

        refuse_hidden()
        from parity_tests.comparer.comparison import compare

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
