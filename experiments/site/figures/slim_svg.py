"""matplotlib's SVG, reduced for inline use in a page: only differences below a tenth of a pixel are lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree
from zlib import crc32

NAMESPACE = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
DIGITS = re.compile(r"-?\d+\.\d{2,}")
REFERENCE = re.compile(r"url\(#([\w-]+)\)")
FAMILY = re.compile(r"font-family: [^;]*;? ?|font: [\d.]+px [^;]*;? ?")
DRAWN = ("path", "line", "rect", "circle", "use", "text", "image")
INVISIBLE = {"fill: none", "fill: none; opacity: 0"}


def slim(svg: str, label: str, key: str, colors: Mapping[str, str]) -> str:
    """Without the prologue and unnecessary names, nesting and digits; each style once, as a class.

    Ids and classes get a prefix made from `key`, so that several drawings can share a page.
    """
    root = ElementTree.fromstring(svg)
    prefix = f"d{crc32(key.encode()) % 2**20:05x}"
    styles: dict[str, str] = {}
    _clean(root, prefix, styles, colors)
    _flatten(root)
    _drop_unused_ids(root)
    width, height = root.attrib["viewBox"].split()[2:]
    sheet = "".join(f".{name}{{{style}}}" for style, name in styles.items())
    inner = "".join(ElementTree.tostring(child, "unicode") for child in root).replace("ns0:", "")
    inner = re.sub(r' xmlns:\w+="[^"]*"', "", inner)
    label = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    size = f"max-width: {float(width) * 1.25:.0f}px"
    head = f'<svg viewBox="0 0 {width} {height}" style="{size}" role="img" aria-label="{label}">'
    return f"{head}<style>{sheet}</style>{inner}</svg>"


def _clean(node: ElementTree.Element, prefix: str, styles: dict[str, str], colors: Mapping[str, str]) -> None:
    for child in list(node):
        name = child.tag.removeprefix(NAMESPACE)
        style = child.attrib.get("style", "")
        if name in ("metadata", "style") or (name == "path" and style in INVISIBLE):
            node.remove(child)
            continue
        _clean(child, prefix, styles, colors)
        attributes = child.attrib
        child.tail = None
        if name != "text" and name != "tspan":
            child.text = None
        if "d" in attributes:
            attributes["d"] = _path(attributes["d"])
        if style and name in (*DRAWN, "tspan", "g"):
            style = FAMILY.sub(_font_size, style).strip("; ")
            for color, variable in colors.items():
                style = style.replace(color, f"var(--{variable})")
            attributes["class"] = styles.setdefault(re.sub(r"([:;]) ", r"\1", style), f"{prefix}{len(styles)}")
            del attributes["style"]
        if attributes.get("transform", "").startswith("rotate(-0 "):
            del attributes["transform"]
        if LINK in attributes:
            link = attributes.pop(LINK)
            attributes["href"] = f"#{prefix}{link[1:]}" if link.startswith("#") else link
        if "id" in attributes:
            attributes["id"] = prefix + attributes["id"]
        for key, value in attributes.items():
            if key not in ("d", "href", "id", "class"):
                value = REFERENCE.sub(rf"url(#{prefix}\1)", value)
                attributes[key] = DIGITS.sub(_short, value)


def _font_size(match: re.Match[str]) -> str:
    size = re.search(r"font: ([\d.]+px)", match.group())
    return f"font-size: {size.group(1)}; " if size else ""


def _short(match: re.Match[str]) -> str:
    return f"{float(match.group()):.1f}".removesuffix(".0")


def _path(data: str) -> str:
    """A tenth of a pixel, and one L for the lines that follow each other."""
    data = re.sub(r"\s+", " ", DIGITS.sub(_short, data)).strip()
    data = re.sub(r" ?([A-Za-z]) ?", r"\1", data)
    return re.sub(r"(?<=L)([^A-Za-z]*)((?:L[^A-Za-z]*)+)", lambda m: m.group(1) + m.group(2).replace("L", " "), data)


def _flatten(node: ElementTree.Element) -> None:
    """Children of groups without a meaning move up."""
    for child in list(node):
        _flatten(child)
        named = set(child.attrib) - {"id"}
        if child.tag == f"{NAMESPACE}g" and not named:
            place = list(node).index(child)
            node.remove(child)
            for offset, grandchild in enumerate(list(child)):
                node.insert(place + offset, grandchild)


def _drop_unused_ids(root: ElementTree.Element) -> None:
    used = {value[1:] for node in root.iter() for key, value in node.attrib.items() if key == "href"}
    used |= {name for node in root.iter() for value in node.attrib.values() for name in REFERENCE.findall(value)}
    for node in root.iter():
        if node.attrib.get("id") not in used:
            node.attrib.pop("id", None)
