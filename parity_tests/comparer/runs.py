"""Every mode that is compared: the end, which decides, and the layers, which show where."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parity_tests.comparer import compiled, ends
from parity_tests.comparer.case import Case
from parity_tests.comparer.dropout import Masks
from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import CompareError, Measurement
from parity_tests.comparer.mode import compare_layers
from parity_tests.comparer.truth import Truth, repeats, same_function, truth_of, widen


@dataclass
class Run:
    """One mode: what the right gives, how the left's own run compares, and whether it is as in the mode before."""

    training: bool
    truth: Truth
    end: list[Measurement]
    same: bool

    @property
    def apart(self) -> bool:
        return any(not m.ok for m in self.end)


def compare_modes(case: Case, mode: str) -> None:
    """First the ends of all modes, then the layers."""
    report = case.report
    fixed = [name for name, side in (("left", case.left), ("right", case.right)) if side.fixed_mode()]
    if fixed and mode != "eval":
        report.not_compared(f"training mode: the {' and the '.join(fixed)} computes in eval mode alone")
    modes = (False,) if fixed or mode == "eval" else (True,) if mode == "train" else (True, False)
    runs: list[Run] = []
    for training in modes:
        run = _run(case, training, runs[-1] if runs else None)
        if run is None:
            where = " in training mode" if len(modes) > 1 and training else ""
            report.reason = f"the right does not give the same twice from one seed{where}"
            continue
        runs.append(run)
    for run in runs:
        if _failed(case, run):
            return
        case.training = run.training
        compiled.note_right(case, run.training, run.truth)
        if not run.training:
            ends.check_no_grad(case, run.truth)


def _run(case: Case, training: bool, before: Run | None) -> Run | None:
    """The end decides. None if the right does not repeat itself."""
    case.training = training
    try:
        if not repeats(case, training):
            return None
        same = before is not None and same_function(case, training, before.truth)
        truth = before.truth if same and before is not None else truth_of(case, training)
    except CompareError:
        raise
    except Exception as error:
        hint = " The loss was given no target." if case.right.loss is not None and case.target is None else ""
        raise CompareError(f"compare: the right side failed: {told(error)}.{hint}") from error
    try:
        end = ends.compare_ends(case, training, truth)
        if any(not m.ok and math.isfinite(m.error) for m in end) and widen(case, training, truth):
            end = ends.compare_ends(case, training, truth)
    except Exception as error:
        end = [ends.left_failed(case, error, training)]
    return Run(training, truth, end, same)


def _failed(case: Case, run: Run) -> bool:
    """Where a difference lies, and whether the left fails there. What the layers give counts only if the end is apart.

    Kinks and ties count by themselves: what is asked there is not what the end was given.
    """
    case.training = run.training
    report, training, end, apart = case.report, run.training, run.end, run.apart
    if run.same and not apart:
        report.note("in eval mode the right computes as in training mode: its layers were not looked at again")
        report.measurements += end
        return False
    coarse = case.left.noise is not None  # the end of a coarse side says little: each of its layers counts
    found = ends.ties(case, training) + _layers(case, training, end)
    apart = apart or (coarse and any(not m.ok for m in found))
    if case.other_draws and apart:
        end = ends.compare_ends(case, training, run.truth, Masks(case.other_draws))
        apart = any(not m.ok for m in end)
        names = ", ".join(dict.fromkeys(key[0] or "the whole" for key in case.other_draws))
        report.note(f"{names}: the left's dropout draws other random numbers; the share kept and the scale agree")
        report.not_compared("training mode with the left's own dropout: the right's masks were put in its place")
    case.other_draws.clear()
    failed = any(m.phase == "failure" for m in found)
    others = {m.where for m in found if m.other_shape}  # layers that have the same name by chance
    counted = [m for m in found if apart or m.ok or (m.at_kinks and m.where not in others)]
    for m in found:
        if m not in counted:
            report.note(f"inside, {m}: it makes no difference at the end")
    by_compiling = apart and not failed and compiled.explains(case, training, run.truth, found, end)
    if apart and all(m.ok for m in found):
        if not by_compiling:
            ends.explain(case, training, run.truth, end)
        for m in end:
            m.note = m.note or ("" if m.ok else "the parts agree, the whole does not")
    elif apart and not failed and not by_compiling:
        ends.explain_slopes(case, training, run.truth, end, found)
    report.measurements += counted + ([] if failed else end)
    return failed


def _layers(case: Case, training: bool, end: list[Measurement]) -> list[Measurement]:
    """The layers show where. If they cannot be watched in a model that runs by itself, only the end is judged."""
    try:
        return compare_layers(case, training, end)
    except Exception as error:
        for side in case.sides:
            case.rewind(side)
        case.report.note(f"the layers could not be observed, only the end was compared: {told(error)}")
        return []
