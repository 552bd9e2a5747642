"""The report's formulas: what a docstring says is all there, and is the same, when it is typeset."""

import inspect
import re
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

import scratch
from experiments.site import docstring, source_code
from experiments.site.equations import NotationError, mathml
from experiments.site.links import Linker
from experiments.site.pages import components
from parity_tests.engine import find

NAMES = [one.name for one in components()]
SIGNS = {
    "−": "-",
    "⊙": "*",
    "⊙=": "*=",
    "−=": "-=",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "→": "->",
    "…": "...",
    "∑": "Σ",
    "∏": "Π",
    "⟨": "<",
    "⟩": ">",
}
RAISED = str.maketrans("0123456789−+T", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵀ")


def source_of(math: Markup) -> str:
    """The notation that a <math> element was made of, read back from what it shows."""
    return linear(ElementTree.fromstring(str(math))[0][0])


def linear(node: ElementTree.Element) -> str:
    kind, parts = node.tag, [linear(part) for part in node]
    if node.get("data-raised"):
        assert (node.text or "").translate(RAISED) == node.get("data-raised")
        return node.get("data-raised", "")
    if kind in ("mi", "mn", "mo", "mtext"):
        return SIGNS.get(node.text or "", node.text or "").replace("′", "'")
    if kind == "mspace":
        return " "
    if kind == "mrow":
        opening, closing = node.get("data-brackets", "") or ("", "")
        return opening + "".join(parts) + closing
    if kind == "mfrac":
        return f"{parts[0]}/{parts[1]}"
    if kind == "msqrt":
        return node.get("data-name", "") + "".join(parts)
    if kind == "mover":
        return parts[0] + "\u0302"
    above = "" if node[-1].get("data-raised") else "^"
    if kind == "msub" and node.get("data-name"):
        assert "".join(parts) == node.get("data-name")
        return "".join(parts)
    if kind in ("msub", "munder"):
        return f"{parts[0]}_{parts[1]}"
    if kind == "msup":
        return f"{parts[0]}{above}{parts[1]}"
    assert kind == "msubsup", kind
    scripts = [f"_{parts[1]}", f"{above}{parts[2]}"]
    return parts[0] + "".join(scripts if node.get("data-order") == "_^" else scripts[::-1])


def same(source: str) -> str:
    """What is the same formula: spaces mean nothing any more, and a sign may be written in two ways."""
    for sign, plain in SIGNS.items():
        source = source.replace(sign, plain)
    return re.sub(r"\s+", "", source)


def math_of(page: Markup) -> list[str]:
    return re.findall(r"<math.*?</math>", str(page))


def pieces(document: docstring.Docstring) -> list[Markup]:
    blocks = [*document.blocks, *(block for section in document.sections for block in section.blocks)]
    lines = [line for block in blocks for line in block.equations]
    return [
        document.summary,
        *(block.text for block in blocks),
        *(p for line in lines for p in (line.left, line.right, *line.beside)),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_no_formula_of_a_docstring_is_lost_or_altered(name: str) -> None:
    for title, text in source_code.documents(name):
        document = docstring.parse(title, text)
        for math in (math for piece in pieces(document) for math in math_of(piece)):
            note = ElementTree.fromstring(math)[0][1].text or ""
            assert same(source_of(Markup(math))) == same(note)
        assert letters(plain(document)) == letters(text.partition("\n>>> ")[0])


def plain(document: docstring.Docstring) -> str:
    """All that a typeset docstring shows, with the source in place of each formula, in its order."""
    parts = [document.summary]
    for title, blocks in [("", document.blocks), *((section.title, section.blocks) for section in document.sections)]:
        parts.append(Markup.escape(title))
        for block in blocks:
            parts.append(block.text)
            for line in block.equations:
                parts += [line.label, line.left, line.right, *line.beside]
    shown = re.sub(r"<math.*?<annotation[^>]*>(.*?)</annotation></semantics></math>", r"\1", " ".join(map(str, parts)))
    return Markup(shown).striptags()


def letters(text: str) -> str:
    return re.sub(r"[\s`]+", "", text)


@pytest.mark.parametrize(
    ("source", "element"),
    [
        ("1 / sqrt(σ² + eps)", "mfrac"),
        ("w (x - t) / max(x (1 - x), 1e-12) dl", "mfrac"),
        ("Σ_o dy_o / m_o", "munder"),
        ("x̂ * <g * x̂>", "mover"),
        ("α_t-1,s + x_n,y_n", "msub"),
        ("c^k_{y - low}", "msubsup"),
        ("β1^t x1_i dx1", "msup"),
        ("h'_t = f_1'(x) + (u v)' x'²", "msub"),
        ("|d_i|^p / y^(p-1)", "msup"),
        ("2^-23 ½ x (1 - t²)", "msup"),
        ("a[i, j] b[0, 1)", "mo"),
    ],
)
def test_notation_becomes_its_element_and_reads_back(source: str, element: str) -> None:
    math = mathml(source)
    assert f"<{element}" in math
    assert same(source_of(math)) == same(source)


def test_a_fraction_takes_what_a_line_read_from_the_left_says() -> None:
    def bars(source: str) -> list[tuple[str, ...]]:
        found = ElementTree.fromstring(str(mathml(source))).iter("mfrac")
        return [tuple(re.sub(r"\s", "", linear(part)) for part in bar) for bar in found]

    assert bars("a b / c d") == [("ab", "c")]
    assert bars("a b/c d") == [("b", "c")]
    assert bars("a + b / c") == [("b", "c")]
    assert bars("Σ_o x / m") == [("x", "m")]  # the sum is over the fraction
    assert bars("Σ l_n / Σ w_n for labels") == [("l_n", "Σw_n")]
    assert bars("d log p_k / dx_c = y") == [("dlogp_k", "dx_c")]
    assert bars("(x - t) / (2 b)") == [("(x-t)", "(2b)")]
    assert bars("mean of l / n") == [("l", "n")]


@pytest.mark.parametrize("source", ["", "(a", "a)b(", "x_", "`code`", "a /"])
def test_what_is_no_formula_is_said_to_be_none(source: str) -> None:
    with pytest.raises(NotationError):
        mathml(source)


def test_markup_in_a_formula_is_escaped() -> None:
    assert "<script" not in docstring.formula("<script>alert(1)</script> = x")
    assert "&lt;" in docstring.prose("a <b> c")


def test_docstrings_have_a_summary() -> None:
    for name in NAMES:
        assert inspect.getdoc(find(scratch, name)), name


# --- what was once set wrongly ----------------------------------------------------------------------------------------


def test_names_of_code_stay_whole_in_a_formula() -> None:
    for name in ("fan_in", "fan_out", "weight_decay", "bias_k"):
        assert f"<mtext>{name}</mtext>" in mathml(f"{name} + 1"), name
    assert "<code>_l1</code>" in docstring.prose("likewise with _l1, ...")
    product = docstring.prose("scaled by 1 - lr weight_decay.")
    assert product.count("<math") == 1
    assert "weight_decay</mtext>" in product


def test_a_shape_is_one_formula_on_one_line() -> None:
    shape = docstring.prose("weight (O, I/groups, *K), x (N, I, H, W)")
    assert shape.count("<math") >= 2
    assert "<mfrac>" not in shape
    assert '<mo lspace="0" rspace="0">*</mo><mi>K</mi>' in shape
    assert "⊙" in mathml("dy * x"), "a product of elements has another sign"


def test_every_shape_is_a_formula() -> None:
    assert docstring.prose("weight (O, I); bias (O,); x (..., I)").count("<math") == 4
    left = {}
    for name in NAMES:
        for title, text in source_code.documents(name):
            for section in docstring.parse(title, text).sections:
                shown = " ".join(str(block.text) for block in section.blocks if section.title == "Shapes")
                words = re.sub(r"<math.*?</math>|<code.*?</code>", "", shown)
                if found := docstring.TUPLE.findall(words):
                    left[name] = found
    assert left == {}


def test_a_partial_derivative_is_one_fraction() -> None:
    (fraction,) = re.findall(r"<mfrac>.*</mfrac>", str(mathml("∂y_j/∂x_i = y_j")))
    assert fraction.count("∂") == 2


def test_what_a_variable_gains_is_aligned_at_its_equals_sign() -> None:
    (block,) = docstring.blocks(["    dc' += dh' * o", "    dh = W^T dz"])
    assert ["+=" in line.right for line in block.equations] == [True, False]
    assert all("=" not in re.sub(r"<[^>]*>|W\^T.*", "", line.left) for line in block.equations)


def test_the_words_beside_a_formula_stay_words() -> None:
    shown = docstring.formula("Φ(x) = ½ (1 + erf(x / √2)), the normal distribution function")
    assert "<math" in shown
    assert shown.endswith("the normal distribution function")
    assert "<code" not in shown


def test_a_derivative_has_an_upright_d_and_a_distance_has_not() -> None:
    assert '<mi mathvariant="normal">d</mi>' in mathml("d log p_k / dx_c")
    assert "normal" not in mathml("d x / n")


def test_names_of_components_become_links() -> None:
    linked = Linker(components(), "nn.LSTM", "../")
    text = linked(docstring.prose("Projections are those of Linear, again Linear; see `nn.Softmax` and LSTM. Linear"))
    assert text.count('href="../components/nn.linear.html"') == 1
    assert '<a href="../components/nn.softmax.html"><code>nn.Softmax</code></a>' in text
    assert "nn.lstm.html" not in text, "a page does not link itself"
    assert "href" not in linked(docstring.prose("Linear begins a sentence, a Transformer is a common word."))
