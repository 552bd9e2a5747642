"""skip_init: a module whose parameters are not initialized."""

from typing import Any, TypeVar

from scratch.nn.module import Module
from scratch.random import fork_rng

Built = TypeVar("Built", bound=Module)


def skip_init(module_cls: type[Built], *args: Any, **kwargs: Any) -> Built:
    """Build a module without moving the global stream: its parameters hold arbitrary numbers, to be loaded or drawn.

    Torch     torch.nn.utils.skip_init, which saves the time of drawing too. If a `generator` is given, it is drawn
              from.
    Raises    RuntimeError if module_cls is not a Module class.
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(
            f"skip_init: takes a class of modules, got {module_cls!r}. Pass nn.Linear, not nn.Linear(...)."
        )
    with fork_rng():
        return module_cls(*args, **kwargs)
