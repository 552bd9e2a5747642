"""From the notation of this project's docstrings to MathML.

The notation is that of a formula on one line: a / b, sqrt(a), x_ij, x_(o s - p), x^p, x², x̂, h', Σ_i, |d|, <g>. Spaces
mean something: `σ(x)` is a function of x, `w (x - t)` is a product. A fraction takes the product on its left, or the
factor if there are no spaces around its bar, and the factor on its right: as a line is read from the left.

Nothing is lost: every symbol of the source is in the MathML; brackets that a fraction bar or an index makes superfluous
are in the attribute `data-brackets`. Unreadable text is a NotationError and is shown unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup, escape

HAT = "\u0302"
TOKENS = re.compile(
    rf"""(?P<space>\s+)
    | (?P<number>\d+(?:\.\d+)?(?:e[-+]?\d+)?)
    | (?P<code>[A-Za-z]\w+(?:\.[A-Za-z]\w+)+
        | [a-z]{{2,}}(?:_[a-z]{{3,}})+\b | [a-z]{{3,}}_(?:lr|fn|in)\b | bias_[kv]\b | [a-z]{{3,}}_\w+_\w+)
    | (?P<unpacked>(?<=[(,\s])\*[A-Za-z]\w*(?=[,)]))
    | (?P<root>sqrt(?=\() | √)
    | (?P<sum>[ΣΠ])
    | (?P<word>[A-Za-z]+\d*(?:{HAT})? | [α-ωΑ-Ωϵϕ]\d*(?:{HAT})? | [½∞•])
    | (?P<raised>[²³¹⁴-⁹⁰⁻⁺ᵀ]+)
    | (?P<prime>'+)
    | (?P<operator>\.\.\. | // | [-+*]= | <= | >= | != | -> | .)""",
    re.VERBOSE,
)
INDEX = re.compile(r"[^\W_]+'*(?:[+-]\d+)?(?:,[^\W_]+'*(?:_[^\W_]+)?(?:[+-]\d+)?)*")
LETTERS = re.compile(r"[bcdfghijklmnopqrstvyz]{2,4}")  # adjacent indices
WORD = re.compile(r"<(?:mi|mtext)>(\w+)</")
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵀ", "0123456789−+T")
TYPESET = {
    "-": "−",
    "*": "⊙",
    "+=": "+=",
    "-=": "−=",
    "*=": "⊙=",
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "->": "→",
    "...": "…",
    "Σ": "∑",
    "Π": "∏",
}
CLOSING = {"(": ")]", "[": "])", "{": "}"}
ENGLISH = {"and", "for", "if", "in", "of", "or", "over", "where"}
NO_FACTOR = ("<mo>", "<munder>", "<mfrac>", *(f"<mi>{word}</mi>" for word in sorted(ENGLISH)))
SIGNS = {"-", "−", "+", "±", "∓", "∂", "~"}


class NotationError(ValueError):
    """Text that is not in the notation."""


def mathml(source: str, display: bool = False) -> Markup:
    """A whole <math> element, with the source as its annotation; large sums and fractions with `display`.

    Raises    NotationError if the source cannot be read.
    """
    content = _Reader(source).whole()
    style = ' displaystyle="true"' if display else ""
    note = f'<annotation encoding="text/plain">{escape(source)}</annotation>'
    return Markup(f"<math{style}><semantics><mrow>{content}</mrow>{note}</semantics></math>")


class _Group(str):
    """A bracketed expression, as MathML; `inner` is its content and `brackets` its brackets."""

    inner: str
    brackets: str


def _group(opening: str, inner: str, closing: str) -> _Group:
    first, last = (_operator({"<": "⟨", ">": "⟩"}.get(bracket, bracket)) for bracket in (opening, closing))
    group = _Group(f"<mrow>{first}{inner}{last}</mrow>")
    group.inner, group.brackets = inner, opening + closing
    return group


def _bare(node: str, hidden: tuple[str, ...] = ("()",)) -> str:
    """A node whose brackets the layout makes superfluous."""
    if isinstance(node, _Group) and node.brackets in hidden:
        return f'<mrow data-brackets="{node.brackets}">{node.inner}</mrow>'
    return node


def _numerator(parts: list[str], spaced: bool) -> str:
    """The last factor; before a bar between spaces the whole product that it ends, after a sum sign or a word."""
    taken = [parts.pop()]
    while spaced and len(parts) > 1 and parts[-1].startswith("<mspace") and not parts[-2].startswith(NO_FACTOR):
        taken = [*parts[-2:], *taken]
        del parts[-2:]
    return _bare(taken[0]) if len(taken) == 1 else f"<mrow>{''.join(taken)}</mrow>"


def _fraction(above: str, below: str) -> str:
    """A derivative d f / dx has an upright d, as its dx has."""
    if re.search(r"<mi>d\w", below):
        above = above.replace("<mi>d</mi><mspace", '<mi mathvariant="normal">d</mi><mspace', 1)
    return f"<mfrac>{above}{below}</mfrac>"


def _operator(text: str) -> str:
    stretchy = ' stretchy="true"' if text in tuple("()[]{}⟨⟩") else ""
    return f"<mo{stretchy}>{escape(TYPESET.get(text, text))}</mo>"


class _Reader:
    """Reads one line from left to right; every method returns the MathML of the part it read."""

    def __init__(self, source: str) -> None:
        if "`" in source:
            raise NotationError("code is not notation")
        self.source, self.at = source, 0

    def whole(self) -> str:
        content = self.row(lambda: self.at == len(self.source))
        if not content:
            raise NotationError("nothing to read")
        return content

    def peek(self) -> tuple[str, str]:
        match = TOKENS.match(self.source, self.at)
        if match is None:
            raise NotationError(f"ends too early: {self.source!r}")
        return str(match.lastgroup), match.group()

    def take(self) -> tuple[str, str]:
        kind, text = self.peek()
        self.at += len(text)
        return kind, text

    def row(self, ended: Callable[[], bool], grouped: bool = False) -> str:
        """Factors and operators, until `ended`. A fraction joins the two factors around its bar."""
        parts: list[str] = []
        after_operator, words = True, 0
        while not ended():
            kind, text = self.peek()
            if kind == "space":
                self.take()
            elif text == "/" and not after_operator and grouped and self.is_size():
                self.take()  # in a shape or an argument: I/groups on one line
                self.skip_space()
                parts.append('<mo lspace="0" rspace="0">/</mo>')
                after_operator = True
            elif text == "/" and not after_operator:
                spaced = self.source[self.at - 1].isspace()
                self.take()
                self.skip_space()
                parts.append(_fraction(_numerator(parts, spaced), self.denominator()))
            elif kind == "operator" and text != "∂" and not self.opens(after_operator):
                self.take()
                parts.append(_operator(text))
                after_operator = text not in {"!", "…", "..."}
            else:
                words = 0 if after_operator or kind != "word" or len(text) < 3 or text in ENGLISH else words + 1
                if words == 3:
                    raise NotationError(f"a sentence is not notation: {self.source!r}")
                factor = self.factor()
                if not after_operator:
                    wide = any(len(word) > 1 for word in WORD.findall(parts[-1] + factor))
                    parts.append(f'<mspace width="{"0.33em" if wide else "0.17em"}"/>')
                parts.append(factor)
                after_operator = False
        return "".join(parts)

    def is_size(self) -> bool:
        """Whether this bar divides one name by another within a tuple, or stands without spaces."""
        size = re.search(r"[(,] ?[A-Z] $", self.source[: self.at]) and re.match(r"/ \w+[,)]", self.source[self.at :])
        return size is not None or not self.source[self.at - 1].isspace()

    def denominator(self) -> str:
        """A factor; a sum with its summands, up to an operator or a word that is not a formula."""
        if self.peek()[0] != "sum":
            return _bare(self.factor())
        parts = [self.factor()]
        while self.at < len(self.source):
            kind, text = self.peek()
            if kind == "space":
                self.take()
            elif (kind == "operator" and not self.opens(False)) or text in ENGLISH:
                break
            else:
                parts.append(self.factor())
        return f"<mrow>{''.join(parts)}</mrow>"

    def skip_space(self) -> None:
        while self.at < len(self.source) and self.source[self.at].isspace():
            self.at += 1

    def opens(self, after_operator: bool = True) -> bool:
        """Whether an opening bracket is here: < only if it is closed before a space, | only where a factor may."""
        character = self.source[self.at]
        if character == "<":
            return re.match(r"<[^<>=\s](?:[^<>]*[^<>\s])?>", self.source[self.at :]) is not None
        if character == "|":
            return "|" in self.source[self.at + 1 :] and (after_operator or self.source[self.at - 1].isspace())
        return character in CLOSING

    def factor(self) -> str:
        """An atom with its indices, powers, primes and arguments."""
        if self.at == len(self.source):
            raise NotationError(f"a factor is missing at the end of {self.source!r}")
        base = self.atom()
        named = base.startswith(("<mi", "<mover", "<mtext", "<msub data-name"))
        below = above = order = ""
        while self.at < len(self.source):
            kind, text = self.peek()
            if text == "_" and not below:
                below, order = self.index(), order + "_"
            elif text == "^" and not above:
                above, order = self.power(), order + "^"
            elif kind == "raised" and not above:
                self.take()
                above, order = f'<mn data-raised="{text}">{text.translate(RAISED)}</mn>', order + "^"
            elif kind == "prime":
                self.take()
                prime = f'<mo lspace="0" rspace="0">{"′" * len(text)}</mo>'
                base, below, above, order = f"<mrow>{_scripts(base, below, above, order)}{prime}</mrow>", "", "", ""
            elif text in ("(", "[") and named and not self.source[self.at - 1].isspace():
                scripted = _scripts(base, below, above, order)
                return f"<mrow>{scripted}{self.group()}</mrow>"
            else:
                break
        return _scripts(base, below, above, order)

    def atom(self) -> str:
        if self.opens():
            return self.group()
        kind, text = self.take()
        if kind == "number":
            return f"<mn>{text}</mn>"
        if kind == "code":
            return f"<mtext>{text}</mtext>"
        if kind == "word":
            if text.endswith(HAT):
                return f'<mover accent="true"><mi>{text[:-1]}</mi><mo>^</mo></mover>'
            if numbered := re.fullmatch(r"([^\W\d_])(\d+)", text):
                return f'<msub data-name="{text}"><mi>{numbered[1]}</mi><mn>{numbered[2]}</mn></msub>'
            return f"<mi>{text}</mi>"
        if kind == "unpacked":
            return f'<mrow><mo lspace="0" rspace="0">*</mo><mi>{text[1:]}</mi></mrow>'
        if kind == "sum":
            return f"<mo>{TYPESET[text]}</mo>"
        if kind == "root":
            self.skip_space()
            return f'<msqrt data-name="{text}">{_bare(self.factor() if text == "√" else self.group())}</msqrt>'
        if text in SIGNS:
            return f"<mrow>{_operator(text)}{self.factor()}</mrow>"
        raise NotationError(f"{text!r} begins no factor: {self.source!r}")

    def group(self) -> _Group:
        _, opening = self.take()
        closing = {"<": ">", "|": "|"}.get(opening) or CLOSING[opening]

        def closed() -> bool:
            if self.at == len(self.source):
                raise NotationError(f"{opening!r} is not closed: {self.source!r}")
            return self.source[self.at] in closing and self.source[self.at : self.at + 2] != ">="

        several = opening == "(" and re.match(r"[^()]*(?:\([^()]*\)[^()]*)*,", self.source[self.at :]) is not None
        inner = self.row(closed, grouped=several)
        return _group(opening, inner, self.take()[1])

    def index(self) -> str:
        """A subscript: a group, or letters with a shift, as in α_t-1,s."""
        self.take()
        if self.at < len(self.source) and self.opens():
            return _bare(self.group(), ("()", "{}"))
        match = INDEX.match(self.source, self.at)
        if match is None:
            raise NotationError(f"an index is missing: {self.source!r}")
        self.at = match.end()
        if LETTERS.fullmatch(match.group()):
            return "<mrow>" + "".join(f"<mi>{letter}</mi>" for letter in match.group()) + "</mrow>"
        return f"<mrow>{_Reader(match.group()).whole()}</mrow>"

    def power(self) -> str:
        self.take()
        if self.at < len(self.source) and self.source[self.at] in "-−+":
            _, sign = self.take()
            return f"<mrow>{_operator(sign)}{self.atom()}</mrow>"
        return _bare(self.atom(), ("()", "{}"))


def _scripts(base: str, below: str, above: str, order: str) -> str:
    limits = base in ("<mo>∑</mo>", "<mo>∏</mo>")
    if below and above:
        return f'<msubsup data-order="{order}">{base}{below}{above}</msubsup>'
    if below:
        return f"<munder>{base}{below}</munder>" if limits else f"<msub>{base}{below}</msub>"
    if above:
        return f"<msup>{base}{above}</msup>"
    return base
