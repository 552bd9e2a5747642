"""Elementwise: activations that treat every number alone, so that a large array is computed in blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from scratch.grad_mode import is_grad_enabled, set_grad_enabled
from scratch.nn.activation.activation import Activation
from scratch.nn.saved import Saved
from scratch.threads import get_num_threads, share, share_rows

BLOCK = 2**19  # numbers: of shorter arrays the lock changes hands too often for two threads to be faster than one
LARGE = 2**21  # numbers: from here on every activation gains: two threads take 0.85 of the time for ReLU, 0.6 for SiLU
COSTLY = 2**20  # those of many statements gain from here on: 0.6 for Mish, 0.9 for Hardswish; ReLU would take 1.3


class _Blocks(NamedTuple):
    """What forward saved for each block."""

    saved: list[Saved | None]


class Elementwise(Activation):
    """An activation whose output at a place depends on the input at that place alone.

    `forward` and `backward` are written for an array of any size. A large contiguous array they get block by block, as
    flat arrays, and threads share the blocks out.
    """

    costly: bool = False  # whether it takes many statements

    def gains_from_blocks(self, size: int) -> bool:
        """Whether two threads are faster than one for so many numbers."""
        return size >= (COSTLY if self.costly else LARGE)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, in_blocks in (("forward", _forward_in_blocks), ("backward", _backward_in_blocks)):
            if cls.__module__.startswith("scratch.") and name in vars(cls):
                setattr(cls, name, in_blocks(vars(cls)[name]))


def _forward_in_blocks(forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def forward_in_blocks(self: Elementwise, x: np.ndarray) -> np.ndarray:
        if x.size < COSTLY or get_num_threads() == 1 or not self.gains_from_blocks(x.size):
            return forward(self, x)
        if not x.flags.c_contiguous or not hasattr(type(self).backward, "in_blocks"):  # a subclass' own backward
            return forward(self, x)
        y, graded = np.empty_like(x), is_grad_enabled()

        def block(x: np.ndarray, y: np.ndarray) -> Saved | None:
            with set_grad_enabled(graded):
                result = forward(self, x)
                y[...] = result
                saved, self.saved = self.saved, None
            if saved is None:
                return None
            return Saved(saved.output, tuple(y if value is result else value for value in saved.values))

        return self.save(y, _Blocks(share_rows(block, (x.reshape(-1), y.reshape(-1)), BLOCK)))

    return forward_in_blocks


def _backward_in_blocks(backward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(backward)
    def backward_in_blocks(self: Elementwise, *cotangents: Any, **options: Any) -> np.ndarray:
        given = (*cotangents, *options.values()) if options else cotangents
        dy = given[0] if len(given) == 1 else None
        if not isinstance(dy, np.ndarray) or dy.size < COSTLY:
            return backward(self, *cotangents, **options)
        saved = self.take(dy)
        if not isinstance(saved, _Blocks):
            self.saved = Saved(None, saved if isinstance(saved, tuple) else (saved,))
            return backward(self, dy)
        dx = np.empty(dy.shape, dy.dtype)
        flat_dy, flat_dx = dy.reshape(-1), dx.reshape(-1)
        parts = [slice(start, start + BLOCK) for start in range(0, dy.size, BLOCK)]

        def one(i: int) -> None:
            self.saved = saved.saved[i]
            flat_dx[parts[i]] = backward(self, flat_dy[parts[i]])

        share(one, range(len(parts)), dy.size)
        return dx

    backward_in_blocks.in_blocks = True  # type: ignore[attr-defined]
    return backward_in_blocks
