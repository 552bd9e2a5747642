"""Progress, in one way for every command: in a terminal a bar with the time left, elsewhere a line for each piece of
work; and the words for a training that diverged.
"""

from __future__ import annotations

import math
import shutil
import time
from typing import Self

from tqdm import tqdm

FORMAT = "{desc} {percentage:3.0f}%|{bar:10}| {elapsed}, {remaining} left{postfix}"


class Progress:
    """How far a command is in `total` pieces of work, which are called `what`: "scratch, epoch 3 of 5: ..., 8 s left".

    Options   what, the command and its piece of work; total, how many there are; bar, whether there may be one: False
              where something else draws its own, and a line is printed in a terminal too.
    """

    def __init__(self, what: str, total: int, bar: bool = True) -> None:
        self.what, self.total, self.done, self.skipped = what, total, 0.0, 0
        self.begun = time.perf_counter()
        columns, rows = shutil.get_terminal_size()  # 80 x 24 for a terminal that does not know its size
        self.bar = tqdm(total=total, desc=what, bar_format=FORMAT, disable=None if bar else True, leave=False,
                        ncols=columns, nrows=rows)  # fmt: skip
        self.drawn = not self.bar.disable

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.bar.close()

    def tick(self, figures: str = "", pieces: float = 1) -> None:
        """Some pieces more are done, or a part of one; with the figures to be shown beside the bar."""
        self.done += pieces
        if self.drawn:
            self.bar.set_postfix_str(figures, refresh=False)
            self.bar.update(pieces)

    def piece(self, text: str) -> None:
        """One piece is done: the bar moves, or there is a line."""
        self.tick(text)
        self.line(text)

    def skip(self, pieces: int) -> None:
        """These were done before, and tell nothing about the pace."""
        self.skipped = pieces
        self.done += pieces

    def line(self, text: str, at: int | None = None) -> None:
        """Without a bar, say where the work is: in piece `at`, or in the last that is done."""
        if not self.drawn:
            left = self.seconds_left()
            said = "" if left is None else f", {left:.0f} s left"
            self._print(f"{self.what} {round(self.done) if at is None else at} of {self.total}: {text}{said}")

    def warn(self, text: str) -> None:
        """A line in any case."""
        self._print(text)

    def seconds_left(self) -> float | None:
        """At the pace so far; None before there is one."""
        done, seconds = self.done - self.skipped, time.perf_counter() - self.begun
        return seconds / done * (self.total - self.done) if done else None

    @staticmethod
    def _print(text: str) -> None:
        with tqdm.external_write_mode():
            print(text, flush=True)


def divergence(name: str, first: float, last: float) -> str:
    """What to say if a training went up; empty if it did not."""
    if last <= first:  # False for NaN
        return ""
    ended = f"is {last:.4g} in the last epoch" if math.isfinite(last) else "is not finite in the last epoch"
    return f"{name} diverged: its loss began at {first:.4g}, and {ended}."
