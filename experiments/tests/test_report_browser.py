"""The report in a browser, opened from disk: no error on any page, a search that finds, keys that move, no overflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.tests.browser import Browser, Page, browser

DESKTOP, PHONE = (1280, 900), (390, 844)
NAMES = "[...document.querySelectorAll('#components li:not([hidden]) a:first-child')].map(link => link.textContent)"
FOCUS = "document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture
def overview(chromium: Browser, small_report: Path) -> Page:
    page = chromium.open((small_report / "index.html").as_uri(), *DESKTOP)
    page.evaluate("document.querySelector('#name').focus()")
    return page


def test_a_search_finds_and_leads_to_the_page_of_what_it_found(overview: Page) -> None:
    everything = overview.evaluate(NAMES)
    overview.write("Softmax2")
    assert overview.evaluate(NAMES) == ["Softmax2d"]
    assert overview.evaluate("document.querySelector('#found').textContent") == f"1 of {len(everything)} components"
    overview.press("Enter")
    overview.until("document.readyState === 'complete' && location.pathname.endsWith('/nn.softmax2d.html')")
    assert "Softmax2d" in overview.evaluate("document.querySelector('h1').textContent")
    assert overview.errors() == []


def test_a_number_leads_to_the_row_that_made_it(overview: Page) -> None:
    overview.evaluate("document.querySelector('#components .share').click()")
    overview.until("document.readyState === 'complete' && location.pathname.includes('/components/')")
    assert overview.evaluate("location.hash.startsWith('#row-')")
    assert overview.evaluate("document.querySelector(':target') !== null")
    assert overview.errors() == []


def test_several_words_and_families_are_searched(overview: Page) -> None:
    overview.write("soft loss")
    assert overview.evaluate(NAMES) == ["AdaptiveLogSoftmaxWithLoss"]
    overview.press("Escape")
    overview.write("ACTIVATION")
    assert "Softmin" in overview.evaluate(NAMES)
    assert "AdaptiveLogSoftmaxWithLoss" not in overview.evaluate(NAMES)
    overview.press("Escape")
    overview.write("nothing at all")
    assert overview.evaluate(NAMES) == []
    assert overview.evaluate("document.querySelector('#found').textContent").startswith("0 of")
    assert overview.errors() == []


# What is wider than its box, and can neither be scrolled by the keyboard nor shows a shadow where it is cut off; the
# circles and numbers of a strip may stand out into its margin.
CUT_OFF = """(() => {
  const found = [], wide = document.documentElement;
  if (wide.scrollWidth > wide.clientWidth) found.push(`the page is ${wide.scrollWidth} wide`);
  for (const box of document.querySelectorAll("main *")) {
    const style = getComputedStyle(box);
    if (box.closest("svg, math") || style.display === "inline" || !box.clientWidth) continue;
    if (box.scrollWidth <= box.clientWidth + (style.position === "relative" ? 19 : 1)) continue;
    const about = `${box.tagName}.${box.className} ${box.textContent.trim().slice(0, 40)}`;
    if (style.overflowX === "visible") {
      if (!box.closest(".scrolls, .scroll, pre")) found.push(`it sticks out: ${about}`);
    } else if (!style.backgroundImage.includes("gradient") || box.tabIndex < 0) found.push(`it is cut off: ${about}`);
  }
  return found;
})()"""


@pytest.mark.parametrize(("width", "height"), [DESKTOP, PHONE])
def test_nothing_is_cut_off_without_a_sign(chromium: Browser, small_report: Path, width: int, height: int) -> None:
    page = chromium.open("about:blank", width, height, phone=width == PHONE[0])
    found = {}
    for path in sorted(small_report.rglob("*.html")):
        page.go(path.as_uri())
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true; reach()")
        if cut := page.evaluate(CUT_OFF):
            found[path.name] = cut
    assert found == {}
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<p id=cut>' + 'x'.repeat(999) + '</p>')"
    )
    page.evaluate("document.querySelector('#cut').style.overflowWrap = 'normal'")
    assert page.evaluate(CUT_OFF) != []


LANDMARKS = """[...document.querySelectorAll("main, nav, section, [role=region], [role=search]")].map((one) => {
  const by = document.getElementById(one.getAttribute("aria-labelledby"));
  const name = one.getAttribute("aria-label") || (by ? by.textContent : "");
  const role = one.getAttribute("role") || one.tagName;
  return name || role !== "SECTION" ? `${role === "SECTION" ? "region" : role} ${name}` : "";
}).filter((name) => name)"""


def test_no_two_landmarks_share_a_name(chromium: Browser, small_report: Path) -> None:
    page = chromium.open("about:blank", *DESKTOP)
    for path in sorted(small_report.rglob("*.html")):
        page.go(path.as_uri())
        names = page.evaluate(LANDMARKS)
        assert len(names) > 2
        assert len(set(names)) == len(names), (path.name, names)


def test_a_slider_changes_the_numbers(chromium: Browser, small_report: Path) -> None:
    page = chromium.open((small_report / "components" / "nn.softmax.html").as_uri(), *DESKTOP)
    rows = "[...document.querySelectorAll('#sliders tr')].map(row => Number(row.cells[1].textContent))"
    before = page.evaluate(rows)
    assert len(before) == 5
    page.evaluate(
        "(() => { const all = document.querySelectorAll('#sliders input'), last = all[all.length - 1]; "
        "last.value = 5; last.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )
    after = page.evaluate(rows)
    assert max(after[:4]) < max(before[:4])
    assert page.errors() == []


BARS = """[...document.querySelectorAll("p.scrolls, .equations, summary.scrolls")]
  .filter((box) => box.scrollHeight > box.clientHeight + (getComputedStyle(box).overflowY === "hidden" ? 3 : 1))
  .map((box) => `${box.scrollHeight} in ${box.clientHeight}: ${box.textContent.trim().slice(0, 60)}`)"""


def test_a_line_with_a_formula_does_not_scroll_up_and_down(chromium: Browser, small_report: Path) -> None:
    page = chromium.open("about:blank", *PHONE, phone=True)
    for path in sorted(small_report.rglob("*.html")):
        page.go(path.as_uri())
        assert page.evaluate(BARS) == [], path.name


def test_keys_move(overview: Page) -> None:
    names = overview.evaluate(NAMES)
    overview.press("ArrowDown")
    assert overview.evaluate(FOCUS) == names[0]
    overview.press("ArrowRight")
    assert overview.evaluate(FOCUS) == names[1]
    overview.press("ArrowUp")
    assert overview.evaluate("document.activeElement.id") == "name"
    overview.evaluate("document.activeElement.blur()")
    overview.press("/")
    assert overview.evaluate("document.activeElement.id") == "name"
    assert overview.evaluate("document.activeElement.value") == ""
    assert overview.errors() == []


def test_the_first_key_skips_to_the_content(chromium: Browser, small_report: Path) -> None:
    page = chromium.open((small_report / "index.html").as_uri(), *DESKTOP)
    page.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_page_has_an_error_or_is_wider_than_the_window(
    chromium: Browser, small_report: Path, size: tuple[int, int], dark: bool
) -> None:
    url = (small_report / "index.html").as_uri()
    page = chromium.open(url, *size, dark=dark, phone=size == PHONE)
    lightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (lightness < 128) == dark
    for path in sorted(small_report.rglob("*.html")):
        page.go(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path.name
        assert page.evaluate("innerWidth") == size[0], path.name
    assert page.errors() == []


def test_errors_are_seen(chromium: Browser, tmp_path: Path) -> None:
    script = "console.error('said', 3); setTimeout(() => nothing.at.all)"
    (tmp_path / "bad.html").write_text(f"<!doctype html><img src='nothing.png'><script>{script}</script>")
    page = chromium.open((tmp_path / "bad.html").as_uri(), *DESKTOP)
    page.evaluate("new Promise(done => setTimeout(done, 20))")
    missing, said, thrown = sorted(page.errors())
    assert "ERR_FILE_NOT_FOUND" in missing
    assert "nothing is not defined" in said
    assert thrown == "said 3"
