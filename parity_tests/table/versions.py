"""Where a released torch differs from the newest one: the only place in this project that checks a version.

scratch follows the newest torch that it knows. On an older release a component that is listed here is judged by
`newest`, the same computation with torch's operations as the newest release does it, and the release itself is judged
by `older`: it must behave exactly as this table says. So no row is skipped on any release.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from parity_tests.table.behaviors import (
    BeginsWithTheFirst,
    ChecksItsPowers,
    Clamped,
    ConvertsTarget,
    CosineEmbeddingLoss,
    DividesByZero,
    GroupNorm,
    HingeEmbeddingLoss,
    LargestMagnitude,
    MarginRankingLoss,
    Maximizes,
    OverflowsAtNegativeSize,
    PowerOfInfinity,
    RefusesBias,
    RefusesIntegers,
    RefusesMaximize,
    RefusesNegativeSize,
    RefusesNoWindow,
    RefusesToEmpty,
    RefusesZero,
    Sequential,
    TakesBias,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)
from parity_tests.table.random_numbers import (
    below_the_bound,
    by_inverse,
    by_rejection,
    normal_by_c_library,
    normal_in_float16,
    normal_in_float32,
    up_to_the_bound,
    xavier_below_the_bound,
    xavier_up_to_the_bound,
)
from parity_tests.table.row import Row

RELEASE = tuple(int(part) for part in torch.__version__.split(".")[:2])
PULL = "https://github.com/pytorch/pytorch/pull/"


@dataclass(frozen=True)
class Change:
    """What a release of torch changed in a component.

    component  its dotted name
    what       what changed, in a few words
    release    the first release that behaves as scratch does
    now        what this and later releases do
    before     what earlier ones do
    source     where it is seen
    newest     the component as it is now, with all its changes, on every release
    older      the component as it was before this one
    cases      the cases of the component's rows in which it shows; all of them where none is named
    dtype      the precision in which it shows; all of them where none is named
    """

    component: str
    what: str
    release: tuple[int, int]
    now: str
    before: str
    source: str
    newest: Any
    older: Any
    cases: tuple[str, ...] = ()
    dtype: str = ""

    def concerns(self, row: Row) -> bool:
        """Whether a row of the table shows the change."""
        return row.name == self.component and (not self.cases or row.case in self.cases)

    @property
    def since(self) -> str:
        return ".".join(map(str, self.release))

    @property
    def sides(self) -> tuple[tuple[str, Any], tuple[str, Any]]:
        """What the newest torch does and what torch did before, each in words and as a class."""
        return (
            (f"{self.what} of torch from {self.since} on: {self.now}", self.newest),
            (f"{self.what} of torch before {self.since}: {self.before}", self.older),
        )

    @property
    def history(self) -> str:
        """The text about the component on a page, independent of the installed release."""
        return f"{self.what}: {self.now}, in torch from {self.since} on; before, {self.before} ({self.source})."

    @property
    def text(self) -> str:
        """The text of a report about a row of this component on an older release."""
        here = ".".join(map(str, RELEASE))
        return f"{self.what}: as torch {self.since}, {self.now}; torch {here}: {self.before}"


# --- clamp with a number as bound -------------------------------------------------------------------------------------


def clamp(kind: type[Clamped]) -> Change:
    return Change(
        component=f"nn.{kind.__name__}",
        what="gradient of clamp at its bound",
        release=(2, 14),
        now="0 at the kink",
        before="1 at the kink",
        source=f"{PULL}191142",
        newest=kind,
        older=type(kind.__name__, (kind,), {"closed": True}),
    )


# --- norms of order 0 and infinity ------------------------------------------------------------------------------------


def of_pooling(kind: Any, older: type, **entry: Any) -> Change:
    """What changed in LPPool1d, 2d or 3d: `older` is the part that was otherwise before."""
    name = kind.__name__
    newest = type(name, (RefusesZero, LargestMagnitude, kind), {})
    return Change(component=f"nn.{name}", newest=newest, older=type(name, (older, kind), {}), **entry)


def order_zero(kind: Any) -> Change:
    return of_pooling(
        kind,
        DividesByZero,
        what="norm_type 0",
        release=(2, 14),
        now="ValueError when it is built",
        before="ZeroDivisionError when it is called",
        source="torch.nn.modules.pooling of both releases",
        cases=("p=0",),
    )


def order_infinity(kind: Any) -> Change:
    return of_pooling(
        kind,
        PowerOfInfinity,
        what="norm_type inf",
        release=(2, 13),
        now="the largest magnitude, and of -inf the smallest",
        before="the power and the root of infinite order: 0, 1 or inf",
        source="torch.nn.functional.lp_pool2d of both releases",
        cases=("p=inf", "p=-inf", "ties"),
    )


# --- normalization without its bias -----------------------------------------------------------------------------------


def bias(kind: Any) -> Change:
    name = kind.__name__
    return Change(
        component=f"nn.{name}",
        what="argument bias",
        release=(2, 12),
        now="bias=False leaves the bias alone out",
        before="TypeError",
        source="torch.nn.modules of both releases",
        newest=type(name, (TakesBias, kind), {}),
        older=type(name, (RefusesBias, kind), {}),
        cases=("no bias",),
    )


# --- padding that leaves a dimension empty ----------------------------------------------------------------------------


def empties(kind: Any, release: tuple[int, int]) -> Change:
    name = kind.__name__
    return Change(
        component=f"nn.{name}",
        what="padding that leaves one dimension empty",
        release=release,
        now="RuntimeError",
        before="an empty result, unless all are empty",
        source="run with both releases",
        newest=type(name, (RefusesToEmpty, kind), {}),
        older=kind,
        cases=("one axis left empty",),
    )


# --- unpooling into less than nothing ---------------------------------------------------------------------------------


def unpooling(kind: Any) -> Change:
    name = kind.__name__
    return Change(
        component=f"nn.{name}",
        what="a negative output size",
        release=(2, 13),
        now="ValueError",
        before="RuntimeError",
        source="torch.nn.functional.max_unpool1d of both releases",
        newest=type(name, (RefusesNegativeSize, kind), {}),
        older=type(name, (OverflowsAtNegativeSize, kind), {}),
        cases=("negative stride",),
    )


# --- the table --------------------------------------------------------------------------------------------------------

CHANGES: tuple[Change, ...] = (
    clamp(MarginRankingLoss),
    clamp(HingeEmbeddingLoss),
    clamp(CosineEmbeddingLoss),
    clamp(TripletMarginLoss),
    clamp(TripletMarginWithDistanceLoss),
    order_zero(torch.nn.LPPool1d),
    order_infinity(torch.nn.LPPool1d),
    order_zero(torch.nn.LPPool2d),
    order_infinity(torch.nn.LPPool2d),
    order_zero(torch.nn.LPPool3d),
    order_infinity(torch.nn.LPPool3d),
    bias(torch.nn.BatchNorm1d),
    bias(torch.nn.BatchNorm2d),
    bias(torch.nn.BatchNorm3d),
    bias(GroupNorm),
    bias(torch.nn.InstanceNorm1d),
    bias(torch.nn.InstanceNorm2d),
    bias(torch.nn.InstanceNorm3d),
    empties(torch.nn.ReplicationPad2d, (2, 14)),
    empties(torch.nn.ReplicationPad3d, (2, 14)),
    empties(torch.nn.ReflectionPad2d, (2, 15)),
    empties(torch.nn.ReflectionPad3d, (2, 15)),
    Change(
        component="nn.GroupNorm",
        what="channels without positions",
        release=(2, 14),
        now="RuntimeError",
        before="an empty result, and NaN as gradient of weight",
        source="run with both releases",
        newest=type("GroupNorm", (TakesBias, GroupNorm), {}),
        older=torch.nn.GroupNorm,
        cases=("no positions at all",),
    ),
    Change(
        component="nn.FractionalMaxPool2d",
        what="kernel_size 0 and less",
        release=(2, 14),
        now="RuntimeError",
        before="the maximum of windows without elements",
        source="run with both releases",
        newest=RefusesNoWindow,
        older=torch.nn.FractionalMaxPool2d,
        cases=("no window",),
    ),
    Change(
        component="optim.ASGD",
        what="negative lambd and alpha",
        release=(2, 15),
        now="ValueError",
        before="taken",
        source="torch.optim.asgd of both releases",
        newest=ChecksItsPowers,
        older=torch.optim.ASGD,
        cases=("a negative lambd", "a negative alpha"),
    ),
    Change(
        component="optim.LBFGS",
        what="argument maximize",
        release=(2, 14),
        now="negates the loss and its gradients",
        before="TypeError",
        source="torch.optim.lbfgs of both releases",
        newest=Maximizes if RELEASE < (2, 14) else torch.optim.LBFGS,
        older=RefusesMaximize,
        cases=("maximize",),
    ),
    Change(
        component="nn.MSELoss",
        what="a target of integers",
        release=(2, 12),
        now="converted to the input's type",
        before="RuntimeError in backward",
        source="torch.nn.functional.mse_loss of both releases",
        newest=ConvertsTarget,
        older=RefusesIntegers,
        cases=("integer target",),
    ),
    Change(
        component="optim.lr_scheduler.SequentialLR",
        what="milestone 0",
        release=(2, 13),
        now="the schedule after it makes the initial step",
        before="the first schedule does",
        source="torch.optim.lr_scheduler of both releases",
        newest=Sequential,
        older=BeginsWithTheFirst,
        cases=("the second at once",),
    ),
    Change(
        component="nn.init.trunc_normal_",
        what="truncated normal numbers",
        release=(2, 12),
        now="drawn by rejection",
        before="drawn by the inverse error function",
        source="torch.nn.init of both releases",
        newest=by_rejection,
        older=by_inverse,
    ),
    Change(
        component="nn.init.uniform_",
        what="a number that rounds to the upper bound",
        release=(2, 12),
        now="the lower bound in its place",
        before="kept",
        source="run with both releases",
        newest=below_the_bound,
        older=up_to_the_bound,
        cases=("both bounds -0",),
    ),
    Change(
        component="nn.init.uniform_",
        what="uniform numbers of float16",
        release=(2, 12),
        now="drawn as float32 and rounded",
        before="eleven random bits",
        source="run with both releases",
        newest=below_the_bound,
        older=up_to_the_bound,
        dtype="float16",
    ),
    Change(
        component="nn.init.xavier_uniform_",
        what="a number that rounds to the upper bound",
        release=(2, 12),
        now="the lower bound in its place",
        before="kept",
        source="run with both releases",
        newest=xavier_below_the_bound,
        older=xavier_up_to_the_bound,
        cases=("gain 0",),
    ),
    Change(
        component="nn.init.normal_",
        what="normal numbers of float16",
        release=(2, 13),
        now="drawn as float32 and rounded",
        before="in 2.12 mean and std were rounded too; in 2.11 eleven random bits, and every operation rounded",
        source="run with the three releases",
        newest=normal_in_float32,
        older=normal_in_float16 if RELEASE < (2, 12) else normal_by_c_library,
        dtype="float16",
    ),
    *(unpooling(kind) for kind in (torch.nn.MaxUnpool1d, torch.nn.MaxUnpool2d, torch.nn.MaxUnpool3d)),
)

# Compiled for any x86-64 processor (ATEN_CPU_CAPABILITY=default), torch before 2.13 rounds the product and the sum of a
# row of sixteen normal numbers, z std + mean, one after the other; from 2.13 on, and in scratch, they round once.
ROWS_ROUND_TWICE = RELEASE < (2, 13)


def in_force(release: tuple[int, ...] = RELEASE) -> list[Change]:
    """The changes after a release: the differences between the installed torch and scratch."""
    return [change for change in CHANGES if release < change.release]
