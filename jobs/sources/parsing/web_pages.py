"""Extract a web page's structured data: JSON-LD blocks, microdata, and the canonical address."""

import codecs
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

JSON_LD = "application/ld+json"
MAX_DEPTH = 200
"""Limit on nested elements; text of deeper elements belongs to those above."""
MAX_TEXT = 2000
"""Limit on the characters of an element's text."""
VOID_ELEMENTS = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
"""Elements without an end tag."""
ADDRESS_ATTRIBUTES = {"a": "href", "area": "href", "link": "href", "object": "data"} | dict.fromkeys(
    ("audio", "embed", "iframe", "img", "source", "track", "video"), "src"
)
"""Elements whose value is an address, and the attribute that has it."""
CHARSETS = re.compile("utf|ascii|iso8859|cp[0-9]|koi8|big5|gb|euc|shift|mac|tis")
"""Python codecs that are charsets of pages. Others decode to bytes, or take very long."""
Attributes = dict[str, str | None]


@dataclass
class Page:
    """Structured data of a page."""

    trees: list[Any] = field(default_factory=list)
    """Values of its JSON-LD blocks, then its microdata."""
    malformed: list[str] = field(default_factory=list)
    """Its JSON-LD blocks that are not JSON."""
    canonical: str | None = None


@dataclass
class _Element:
    """An element that is open."""

    tag: str
    item: dict[str, Any] | None
    """The microdata item that the element is."""
    names: tuple[str, ...] = ()
    """Properties of the enclosing item whose value is the element's text."""
    owner: dict[str, Any] | None = None
    text: list[str] = field(default_factory=list)
    size: int = 0


def read_page(body: bytes, charset: str) -> Page:
    """Parse a page. Raises RecursionError for JSON with a nesting that no real page has."""
    parser = _Parser()
    parser.feed(decode_body(body, charset))  # never closed: on an unfinished page that takes quadratic time
    page = Page(canonical=parser.canonical)
    for block in parser.blocks:
        try:
            page.trees.append(json.loads(block, strict=False))
        except ValueError:
            page.malformed.append(block)
    page.trees += parser.items
    return page


def decode_body(body: bytes, charset: str) -> str:
    """Decode a page by the server's charset, a byte order mark, the page's own charset, UTF-8 or latin-1, in this
    order.
    """
    meta_charset = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", body[:4096], re.IGNORECASE)
    bom_charset = "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""
    for name in (charset, bom_charset, meta_charset[1].decode("ascii", "replace") if meta_charset else "", "utf-8"):
        try:
            if name and CHARSETS.match(codecs.lookup(name).name.replace("-", "").replace("_", "")):
                return body.decode(name).removeprefix("\ufeff")
        except (LookupError, ValueError):
            continue
    return body.decode("latin-1")


class _Parser(HTMLParser):
    """Collects JSON-LD as text and microdata (https://html.spec.whatwg.org/multipage/microdata.html) as trees."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[str] = []
        self.items: list[dict[str, Any]] = []
        self.canonical: str | None = None
        self.open_elements: list[_Element] = []
        self.script: list[str] | None = None

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Treat `<![...` as a comment like browsers do; the base class raises for unknown sections."""
        return self.rawdata.find(">", i) + 1 or -1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        attributes = dict(attrs)
        if tag == "script":
            self.script = [] if (attributes.get("type") or "").split(";")[0].strip().lower() == JSON_LD else None
        if tag == "link" and "canonical" in (attributes.get("rel") or "").lower().split():
            self.canonical = self.canonical or attributes.get("href")
        element = self._element(tag, attributes)
        if tag not in VOID_ELEMENTS and len(self.open_elements) < MAX_DEPTH:
            self.open_elements.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Process an element without content."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID_ELEMENTS:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and with it the elements within it that are still open."""
        if tag == "script" and self.script is not None:
            block = "".join(self.script).strip().removeprefix("<!--").removesuffix("-->").strip()
            self.blocks += [block] if block else []
            self.script = None
        index = next((n for n in range(len(self.open_elements) - 1, -1, -1) if self.open_elements[n].tag == tag), None)
        while index is not None and len(self.open_elements) > index:
            _close(self.open_elements.pop())

    def handle_data(self, data: str) -> None:
        """Add text to every open property."""
        if self.script is not None:
            self.script.append(data)
            return
        for element in self.open_elements:
            if element.names and element.size < MAX_TEXT:
                element.text.append(data[:MAX_TEXT])
                element.size += len(data)

    def _element(self, tag: str, attributes: Attributes) -> _Element:
        """Create the element, and add its value to the enclosing item if an attribute has the value."""
        parent = next((element.item for element in reversed(self.open_elements) if element.item is not None), None)
        names = tuple((attributes.get("itemprop") or "").split())
        if "itemscope" in attributes:
            item: dict[str, Any] = {"@type": (attributes.get("itemtype") or "").split()}
            if attributes.get("itemid"):
                item["@id"] = attributes["itemid"]
            if parent is None or not names:
                self.items.append(item)
            else:
                _add_property(parent, names, item)
            return _Element(tag, item)
        if parent is None or not names:
            return _Element(tag, None)
        value = _attribute_value(tag, attributes)
        if value is None:
            return _Element(tag, None, names, parent)
        _add_property(parent, names, value)
        return _Element(tag, None)


def _attribute_value(tag: str, attributes: Attributes) -> str | None:
    """Return the value of a property from an attribute; None: the element's text is the value."""
    if "content" in attributes:
        return attributes["content"] or ""
    name = "datetime" if tag == "time" else "value" if tag in ("data", "meter") else ADDRESS_ATTRIBUTES.get(tag, "")
    return attributes.get(name)


def _close(element: _Element) -> None:
    if element.owner is not None:
        _add_property(element.owner, element.names, "".join(element.text)[:MAX_TEXT])


def _add_property(item: dict[str, Any], names: tuple[str, ...], value: Any) -> None:
    for name in names:
        item.setdefault(name, []).append(value)
