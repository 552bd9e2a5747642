"""What the left calls what the right calls otherwise, for all that a person reads of a comparison.

Everything is compared under the right's names, which are torch's. A report names the left's own first: "kernel of
Dense_0 (weight of fc1 on the right)".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from parity_tests.comparer.findings import Cause, Findings, Measurement
from parity_tests.comparer.moves import Link

GRADIENT = re.compile(r"(grad|buffer) (?!input\b)(\S+)(.*)")
LEVEL = re.compile(r"_l\d+(_reverse)?$")  # of torch's recurrent parameters
LISTED = "|(?<=: )|(?<=, )"  # before the names of layers in a note
BEFORE_A_LAYER = r"\b(?:(?:in|out)put|cotangent|end)(?: \d+)? of |\bbetween |\barrives at |^"


class Names:
    """The left's names of the right's layers and parameters; `words` are its words for options, such as epsilon."""

    def __init__(self, links: Iterable[Link], layers: Mapping[str, str], words: Mapping[str, str]) -> None:
        """`layers` are the left's names of layers with the right's, where they differ."""
        self.layers = {theirs: ours for ours, theirs in layers.items()}
        self.words = words
        self.parameters: dict[str, list[str]] = {}
        for link in links:
            for theirs in link.theirs:
                self.parameters.setdefault(theirs, []).append(link.ours)

    def layer(self, name: str) -> str:
        """The left's own name of one of the right's layers."""
        for theirs in sorted(self.layers, key=len, reverse=True):
            if name == theirs or name.startswith(f"{theirs}.") or not theirs:
                return _joined(self.layers[theirs], name[len(theirs) :].lstrip("."))
        return name

    def parameter(self, layer: str, name: str) -> str:
        """One of a layer's parameters or buffers: the left's names within the layer, several where it keeps parts."""
        within = self.layer(layer)
        ours = self.parameters.get(_joined(layer, name), [])
        return _listed([own.removeprefix(f"{within}.") for own in ours]) if ours else name

    # --- a report -----------------------------------------------------------------------------------------------------

    def tell(self, report: Findings, told: Iterable[str] = ()) -> None:
        """Write the left's names into a finished report, beside the right's; not into notes that tell them already."""
        report.notes = [note if note in told else self.said(note, "", LISTED) for note in report.notes]
        report.uncompared = [self.said(text, "", LISTED) for text in report.uncompared]
        for line in report.layers:
            ends = [self._end(name) for name in line.name.split(" → ")]
            own = " → ".join(ends)
            line.left = own if own != line.name else ""
        for m in report.measurements:
            self._measurement(m)

    def _measurement(self, m: Measurement) -> None:
        if m.phase == "step":  # its place is a parameter
            own = _listed(self.parameters.get(m.where, [m.where]))
            m.left = own if own != m.where else ""
            return
        own = self.layer(m.where) if m.where else ""
        m.left = own if own != m.where else ""
        own = self.layer(m.inside) if m.inside else ""
        m.inside_left = own if own != m.inside else ""
        m.note = self.said(m.note, "")
        found = GRADIENT.fullmatch(m.what)
        what = found[2] if found is not None else m.what
        layer, name = ("", what) if what in self.parameters else (m.where, what)
        ours = self.parameter(layer, name)
        if ours != name:
            head, rest = (f"{found[1]} ", found[3]) if found is not None else ("", "")
            m.own = f"{head}{ours} ({name} on the right){rest}"
        else:
            own = self.said(m.what, "")
            m.own = own if own != m.what else ""
        if m.cause is not None:
            self._cause(m.cause, m.inside or m.where)

    def _cause(self, cause: Cause, layer: str) -> None:
        said = self.said(cause.text, layer)
        cause.said = said if said != cause.text else ""

    # --- a text -------------------------------------------------------------------------------------------------------

    def said(self, text: str, layer: str, more: str = "") -> str:
        """A text about one of the right's layers, with the left's names of that layer's parameters, and of layers.

        `more` is what may stand before a layer's name besides "the output of" and its like.
        """
        for theirs, ours in self.words.items():
            text = re.sub(rf"\b{theirs}\b", ours, text)
        told: set[str] = set()

        def parameter(found: re.Match[str]) -> str:
            name = known[found[1]]
            ours = self.parameter(layer, name)
            if name in told:
                return ours
            told.add(name)
            if self.layer(layer) == layer:
                return f"{ours} ({name} on the right)"
            return f"{ours} of {self.layer(layer)} ({name} of {layer or 'the whole'} on the right)"

        known = self._known(layer)
        if known:
            words = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
            text = re.sub(rf"(?:\b(?:the|its) )?(?<![.\w])({words})\b(?! on the right)", parameter, text)
        return self._with_layers(text, more)

    def _known(self, layer: str) -> dict[str, str]:
        """The words for a layer's parameters in texts, and their names, where the left has others."""
        dot = f"{layer}." if layer else ""
        below = [name.removeprefix(dot) for name in self.parameters if name.startswith(dot)]
        other = [name for name in below if self.parameter(layer, name) != name]
        return {LEVEL.sub("", name): name for name in reversed(other)} | {name: name for name in other}

    def _with_layers(self, text: str, more: str) -> str:
        names = [name for name in self.layers if name and self.layers[name] != name]
        if not names:
            return text
        words = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))

        def layer(found: re.Match[str]) -> str:
            before, name = found[1], found[2]
            return f"{before}{self.layer(name)} ({name} on the right)"

        text = re.sub(rf"({BEFORE_A_LAYER}{more})({words})(?![.\w])(?=[:, ]|$)(?! \()", layer, text)
        return re.sub(rf"(\bbetween .+? and (?:the (?:in|out)put of )?)({words})(?![.\w])(?! \()", layer, text)

    def _end(self, name: str) -> str:
        """One end of the code between layers, such as fc1, or "the input of fc1"."""
        for before in ("the input of ", "the output of "):
            if name.startswith(before):
                return before + self.layer(name.removeprefix(before))
        return self.layer(name) if name and not name.startswith("the ") else name


def _joined(layer: str, name: str) -> str:
    return ".".join(part for part in (layer, name) if part)


def _listed(names: list[str]) -> str:
    """a, b and c; those of more than four only begin."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
