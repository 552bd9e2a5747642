"""Rows: averaged weights, and their learning rate. An averaging function is written as (name, its arguments)."""

from typing import Any

from parity_tests.table.row import Averaging, Row, Scheduler


def row(case: str = "", updates: int = 7, **kwargs: Any) -> Averaging:
    return Averaging("optim.swa_utils.AveragedModel", case, kwargs, updates)


FUNCTIONS: dict[str, dict[str, Any]] = {
    "the mean": {},
    "SWA": {"avg_fn": ("get_swa_avg_fn",)},
    "EMA": {"avg_fn": ("get_ema_avg_fn", 0.9)},
    "slow EMA": {"avg_fn": ("get_ema_avg_fn",)},
    "SWA of lists": {"multi_avg_fn": ("get_swa_multi_avg_fn",)},
    "EMA of lists": {"multi_avg_fn": ("get_ema_multi_avg_fn", 0.9)},
    "slow EMA of lists": {"multi_avg_fn": ("get_ema_multi_avg_fn",)},
}

ROWS: list[Row] = [
    row(),
    row("buffers too", use_buffers=True),
    row("SWA", avg_fn=("get_swa_avg_fn",)),
    row("SWA, buffers too", avg_fn=("get_swa_avg_fn",), use_buffers=True),
    row("EMA", avg_fn=("get_ema_avg_fn", 0.9)),
    row("EMA, buffers too", avg_fn=("get_ema_avg_fn", 0.7), use_buffers=True),
    row("SWA of lists", multi_avg_fn=("get_swa_multi_avg_fn",)),
    row("EMA of lists", multi_avg_fn=("get_ema_multi_avg_fn", 0.9)),
    row("EMA of lists, buffers too", multi_avg_fn=("get_ema_multi_avg_fn", 0.9), use_buffers=True),
    row("EMA of lists, fast", multi_avg_fn=("get_ema_multi_avg_fn", 0.3), use_buffers=True),
    *(
        row(f"{name}, 40 updates{', buffers too' if buffers else ''}", 40, use_buffers=buffers, **function)
        for name, function in FUNCTIONS.items()
        for buffers in (False, True)
    ),
    Averaging("optim.swa_utils.update_bn"),
    Scheduler("optim.swa_utils.SWALR", kwargs={"swa_lr": 0.05}),
    Scheduler("optim.swa_utils.SWALR", "linear", {"swa_lr": [0.05, 0.2], "anneal_strategy": "linear"}),
    Scheduler("optim.swa_utils.SWALR", kwargs={"swa_lr": 0.05, "anneal_epochs": 37}, case="slow"),
    Scheduler("optim.swa_utils.SWALR", kwargs={"swa_lr": 0.05, "anneal_epochs": 0}, case="at once"),
]
