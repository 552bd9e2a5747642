"""Whether forward remembers what backward needs."""

import threading
from contextlib import ContextDecorator


class _GradMode(threading.local):
    enabled = True


_mode = _GradMode()


def is_grad_enabled() -> bool:
    """True unless the current thread is inside `no_grad()`."""
    return _mode.enabled


class set_grad_enabled(ContextDecorator):
    """Inside, the current thread's forwards keep what backward needs, or do not."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self.before, _mode.enabled = _mode.enabled, self.mode

    def __exit__(self, *exception: object) -> None:
        _mode.enabled = self.before


class no_grad(ContextDecorator):
    """Inside, forward saves nothing, so it needs less memory and backward is refused.

        with scratch.no_grad():
            accuracy = (model(images).argmax(axis=1) == labels).mean()

    Also a decorator. The setting belongs to the thread, as in torch.
    """

    def __enter__(self) -> "no_grad":
        self.before = _mode.enabled
        _mode.enabled = False
        return self

    def __exit__(self, *exception: object) -> None:
        _mode.enabled = self.before
