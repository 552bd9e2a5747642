"""Parameters between a folder and a model: paired by name or by a map, and made the same on both sides."""

from __future__ import annotations

import math

import numpy as np

from parity_tests.comparer.errors import told
from parity_tests.comparer.findings import CompareError, Measurement
from parity_tests.comparer.pairing import Pairing
from parity_tests.comparer.proposal import propose
from parity_tests.comparer.report import Report
from parity_tests.recordings.live import Live
from parity_tests.recordings.read import Folder


def pair_parameters(report: Report, pairing: Pairing, left: Folder | Live, right: Folder | Live) -> bool:
    """Pair the parameters, and give both sides the same. Whether there is something to compare."""
    for note in pairing.notes:
        report.note(note)
    ours, theirs = pairing.alone()
    frozen = pairing.left.frozen or pairing.right.frozen
    if ours and theirs and not frozen:
        report.proposal = propose(ours, theirs, pairing.left.state(), pairing.right.state())
        report.reason = "their parameters do not pair by name"
        return False
    report.measurements += pairing.unpaired()
    if not pairing.shapes_agree():
        report.note("nothing was run, since parameters of different shapes cannot be copied")
        return False
    if frozen:
        report.note("the parameters of one side cannot be copied: both sides must be made from the same ones")
        return True
    try:
        if isinstance(left, Live):
            pairing.copy()
        elif isinstance(right, Live):
            _load(pairing)
        else:
            report.measurements += _parameters(pairing)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise CompareError(f"compare: the parameters cannot be copied: {told(error)}.") from error
    return True


def take_parameters(folder: Folder, live: Live) -> None:
    """The model gets the parameters of a folder, by name. CompareError if the names or shapes are others."""
    pairing = Pairing(folder.side(), live.side)
    ours, theirs = pairing.alone()
    if ours or theirs or not pairing.shapes_agree():
        odd = ", ".join([*ours, *theirs] or [link.ours for link in pairing.misfits()])
        raise CompareError(f"record: the model's parameters are not those of {folder.path}: {odd}.")
    _load(pairing)


def _load(pairing: Pairing) -> None:
    """The right gets the numbers that the folder holds."""
    ours = pairing.left.state()
    whole = {name: np.array(value) for name, value in pairing.right.state().items()}
    for own, link in pairing.links.items():
        if "sum" in link.moves:
            raise CompareError(f"compare: {own} of the files is a sum: it cannot be divided among {link.theirs}.")
        for name, (part, where) in zip(link.theirs, link.to_right(ours[own]), strict=True):
            whole[name] = np.where(where, part, whole[name])
    for name in {name for link in pairing.links.values() for name in link.theirs}:
        pairing.right.load(name, whole[name])


def _parameters(pairing: Pairing) -> list[Measurement]:
    """Two folders must have been made with the same parameters: another one is another question."""
    ours, theirs = pairing.left.state(), pairing.right.state()
    found = []
    parameters = set(pairing.right.parameter_names())
    for own, link in pairing.links.items():
        for name, (part, where) in zip(link.theirs, link.to_right(ours[own]), strict=True):
            same = np.array_equal(part[where], theirs[name][where], equal_nan=True)
            if name in parameters and not same:
                layer = name.rpartition(".")[0]
                found.append(Measurement(layer, "", "pairing", name.rpartition(".")[2], math.inf, 0.0,
                                         note="the two folders were made with other numbers here"))  # fmt: skip
    return found
