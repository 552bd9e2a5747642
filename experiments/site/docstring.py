"""A docstring as a structure for a page: summary, equations, sections; formulas as MathML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from experiments.site.equations import NotationError, mathml

HEADING = re.compile(r"([A-Z][a-z]+(?:, [A-Z][a-z]+)*|All else) {2,}(?=\S)")
GAP = re.compile(r" {2,}")
CODE = re.compile(
    r"[\w.]*(?:[A-Za-z]{3,}_\w{2,}|[a-z]{2}_[a-z]{4,})(?:\(\))?|bias_[kv]\b|_[a-z]\w+|[\w.]+\(\)|(?:[A-Za-z]\w+\.)+[A-Za-z]\w+"
)
OPERATOR = re.compile(r"[-+*/<>=≤≥·]|<=|>=|!=")
STRONG = re.compile(r"[=_^²³½√Σ∂≤≥±∞·<>α-ωΦΔ\u0302]|sqrt\(|\b[UN]\(|(?:^|\W)(?:\w|tanh|exp|log)'$| [-+*/] ")
NAMES = "exp|log|tanh|sqrt|max|min|sign|eps|lr|alpha|beta|gamma|dweight|dbias|grad"
WEAK = re.compile(
    rf"\d[\d.e-]*|-?[b-zB-HJ-Z]\d?|-?d[A-Za-z]\d?|[a-z]+\(.*|(?:Var|E|U|N)[(\[].*|-?(?:{NAMES})|\|?-?\w\|?|\||\d/\S+|d\w?/d\w+"
)
SIZE = r"(?:\.\.\.|\*?[A-Z]\d?|\d|\d?[A-Z](?:·[A-Z])?|[A-Z] ?/ ?(?:[A-Z]|[a-z]+))"
TUPLE = re.compile(rf"\((?:{SIZE}(?:, |,?(?=\))))+\)")  # a shape
WORDS = re.compile(rf"(`[^`]*`|(?<!\S){TUPLE.pattern}|\s+)")  # code and shapes are words
FIRST_EQUALS = re.compile(r" ([-+*]?=) ")
EMPTY = Markup()
LETTER = re.compile(r"(?!do$|L\d)(?:[b-zB-HJ-Z]\d?|d[A-Za-z]\d?)")
FACTORS = {"lr", "eps"}  # a name of code after one of these is the other factor of a product
NOT_LEFT = {"None", "means", "d", "with", "as", "the", "for", "where", "each", "in", "a", "on", "by", "and", "through"}


@dataclass(frozen=True)
class Equation:
    """One line: its case, both sides of its first equals sign, and the text beside it."""

    label: Markup
    left: Markup
    right: Markup
    beside: tuple[Markup, ...]


@dataclass(frozen=True)
class Block:
    """A paragraph, or aligned lines of equations."""

    text: Markup = EMPTY
    equations: tuple[Equation, ...] = ()


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Docstring:
    title: str
    summary: Markup
    blocks: tuple[Block, ...]
    sections: tuple[Section, ...]

    @property
    def has_formulas(self) -> bool:
        every = [*self.blocks, *(block for section in self.sections for block in section.blocks)]
        return any(block.equations or "<math" in block.text for block in every)


def parse(title: str, text: str) -> Docstring:
    """Split a docstring, as inspect.getdoc gives it, at its headings. Its example is left out: a page runs its own."""
    lines = text.partition("\n>>> ")[0].splitlines()
    summary = " ".join(_paragraph(lines))
    rest = lines[len(_paragraph(lines)) :]
    starts = [i for i, line in enumerate(rest) if HEADING.match(line)]
    sections = tuple(_section(rest[start:end]) for start, end in pairwise([*starts, len(rest)]))
    return Docstring(title, prose(summary), blocks(rest[: starts[0]] if starts else rest), sections)


def _paragraph(lines: Sequence[str]) -> list[str]:
    end = next((i for i, line in enumerate(lines) if not line.strip()), len(lines))
    return [line.strip() for line in lines[:end]]


def _section(lines: Sequence[str]) -> Section:
    heading = HEADING.match(lines[0])
    assert heading is not None
    width, title = heading.end(), heading.group(1)
    body = [lines[0][width:], *(line[width:] if not line[:width].strip() else line for line in lines[1:])]
    return Section(title, blocks(body, everywhere=title == "Backward"))


def blocks(lines: Sequence[str], everywhere: bool = False) -> tuple[Block, ...]:
    """Indented lines become equations, and `everywhere` lines that begin with one; the others paragraphs."""
    found: list[tuple[bool, list[str]]] = []
    for line in lines:
        if not line.strip():
            found.append((False, []))
            continue
        equation = _is_equation(line, everywhere, bool(found) and found[-1][0] and bool(found[-1][1]))
        if not found or found[-1][0] != equation:
            found.append((equation, []))
        found[-1][1].append(line)
    return tuple(_block(equation, part) for equation, part in found if part)


def _is_equation(line: str, everywhere: bool, follows: bool) -> bool:
    if line.startswith("    "):
        return follows or "=" in line or GAP.search(line.strip()) is not None or not _is_prose(line)
    pieces = _pieces(line)
    left, equals, _ = pieces[len(pieces) > 1 and pieces[0].endswith(":")].partition(" = ")
    return (
        everywhere and bool(equals) and not _is_prose(line) and ". " not in left and NOT_LEFT.isdisjoint(left.split())
    )


def _is_prose(text: str) -> bool:
    """Mostly words; a single one may be a name."""
    words = text.split()
    return len(words) > 2 and sum(bool(re.fullmatch(r"[A-Za-z-]{2,}[,.;:]?", word)) for word in words) > len(words) / 2


def _block(equation: bool, lines: Sequence[str]) -> Block:
    if equation:
        return Block(equations=tuple(_equations(lines)))
    return Block(prose(" ".join(line.strip() for line in lines)))


def _equations(lines: Sequence[str]) -> Iterator[Equation]:
    """A line whose first piece is to the right of the previous line continues that line's right side."""
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    for line in lines:
        pieces = _pieces(line)
        label = pieces.pop(0) if len(pieces) > 1 and pieces[0].endswith(":") else ""
        first, *beside = pieces
        equals = FIRST_EQUALS.search(first)
        if equals:
            sides = formula(first[: equals.start()]), formula(f"{equals.group(1)} {first[equals.end() :]}")
        elif len(line) - len(line.lstrip()) > margin:
            sides = Markup(), formula(first)
        else:
            sides = formula(first), Markup()
        yield Equation(escape(label), *sides, tuple(formula(piece) for piece in beside))


def _pieces(line: str) -> list[str]:
    """The pieces between two or more spaces; a case with a colon, as in "mean: y = ...", is a separate piece."""
    return GAP.split(re.sub(r"^(\w+): ", r"\1:  ", re.sub(r" +=", " =", line.strip())))


def formula(source: str) -> Markup:
    """MathML of one piece; words stay words, and of text that is not all notation, what is."""
    if _is_prose(source):
        return prose(source)
    try:
        return mathml(source, display=True)
    except NotationError:
        return prose(source)


def prose(text: str) -> Markup:
    """Words, with the formulas among them as MathML and names of code as code."""
    parts: list[Markup] = []
    words = WORDS.split(text)
    at = 0
    while at < len(words):
        end = _formula_end(words, at)
        core, tail = _core("".join(words[at:end]))
        if end > at and (typeset := _typeset(core)) is not None:
            parts += [typeset, escape(tail)]
            at = end
        else:
            parts.append(_word(words[at]))
            at += 1
    return Markup("").join(parts)


def _core(word: str) -> tuple[str, str]:
    """A word, and the punctuation after it."""
    core = word.rstrip(",.;:") if not word.endswith("...") else word
    return core, word[len(core) :]


def _word(word: str) -> Markup:
    if word.startswith("`"):
        return Markup("<code>{}</code>").format(word.strip("`"))
    if code := CODE.match(word):
        return Markup("<code>{}</code>{}").format(code.group(), word[code.end() :])
    core, tail = _core(word)
    return mathml(core) + escape(tail) if LETTER.fullmatch(core) else escape(word)


def _typeset(source: str) -> Markup | None:
    if not (STRONG.search(source) or TUPLE.fullmatch(source)) or CODE.fullmatch(source):
        return None
    try:
        return mathml(source)
    except NotationError:
        return None


def _formula_end(words: Sequence[str], start: int) -> int:
    """Where the longest formula that starts here ends, or `start`: brackets closed, no operator at either end."""
    end, depth, after_operator = start, 0, True
    for at in range(start, len(words)):
        word = words[at]
        if word.isspace() or not word:
            if at == start:
                break
            continue
        core, tail = _core(word)
        operator = OPERATOR.fullmatch(core) is not None
        product = end > start and words[at - 2].strip() in FACTORS and CODE.fullmatch(core) is not None
        inside = depth > 0 or product or (after_operator and at > start and core[:1].isalpha())
        if word.startswith("`") or not (inside or operator or _is_mathematical(core)) or (operator and at == start):
            break
        depth += sum(core.count(c) for c in "([{") - sum(core.count(c) for c in ")]}")
        if depth < 0:
            break
        if depth == 0 and not operator:
            end = at + 1
            if tail:
                break
        after_operator = operator
    return end


def _is_mathematical(core: str) -> bool:
    plain = core.strip("()[]{}")
    found = STRONG.search(core) or WEAK.fullmatch(plain) or TUPLE.fullmatch(core)
    return bool(plain) and found is not None and not CODE.fullmatch(core)
