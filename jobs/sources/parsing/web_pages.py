"""A web page's own data: its JSON-LD blocks, its microdata as trees of the same shape, and its canonical address."""

import codecs
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

JSON_LD = "application/ld+json"
DEPTH = 200
"""Elements within elements that are followed; what lies deeper adds to the text of those above."""
TEXT = 2000
"""Characters of an element's text that are kept."""
VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
"""Elements that are never closed."""
ADDRESSES = {"a": "href", "area": "href", "link": "href", "object": "data"} | dict.fromkeys(
    ("audio", "embed", "iframe", "img", "source", "track", "video"), "src"
)
"""Elements whose value is an address, and the attribute that has it."""
CHARSETS = re.compile("utf|ascii|iso8859|cp[0-9]|koi8|big5|gb|euc|shift|mac|tis")
"""Codecs that are charsets of pages; Python knows others, which decode to bytes or take for ever."""
Attributes = dict[str, str | None]


@dataclass
class Page:
    """What was found in a page."""

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
    """The microdata item that it is."""
    names: tuple[str, ...] = ()
    """Properties of the item around it that its text is the value of."""
    owner: dict[str, Any] | None = None
    text: list[str] = field(default_factory=list)
    size: int = 0


def read_page(body: bytes, charset: str) -> Page:
    """What a page tells. Raises RecursionError for JSON of a depth that no real page has."""
    parser = _Parser()
    parser.feed(decoded(body, charset))  # never closed: for an unfinished page that takes time in its square
    page = Page(canonical=parser.canonical)
    for block in parser.blocks:
        try:
            page.trees.append(json.loads(block, strict=False))
        except ValueError:
            page.malformed.append(block)
    page.trees += parser.items
    return page


def decoded(body: bytes, charset: str) -> str:
    """Text of a page: by the server's charset, else a byte order mark's or the page's own, else UTF-8, else latin-1."""
    own = re.search(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", body[:4096], re.IGNORECASE)
    mark = "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""
    for name in (charset, mark, own[1].decode("ascii", "replace") if own else "", "utf-8"):
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
        self.open: list[_Element] = []
        self.script: list[str] | None = None

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """`<![...` is a comment to browsers; the base class would stop at one that it does not know."""
        return self.rawdata.find(">", i) + 1 or -1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element opens."""
        said = dict(attrs)
        if tag == "script":
            self.script = [] if (said.get("type") or "").split(";")[0].strip().lower() == JSON_LD else None
        if tag == "link" and "canonical" in (said.get("rel") or "").lower().split():
            self.canonical = self.canonical or said.get("href")
        element = self._element(tag, said)
        if tag not in VOID and len(self.open) < DEPTH:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """An element closes, and with it those within it that were left open."""
        if tag == "script" and self.script is not None:
            block = "".join(self.script).strip().removeprefix("<!--").removesuffix("-->").strip()
            self.blocks += [block] if block else []
            self.script = None
        place = next((n for n in range(len(self.open) - 1, -1, -1) if self.open[n].tag == tag), None)
        while place is not None and len(self.open) > place:
            _close(self.open.pop())

    def handle_data(self, data: str) -> None:
        """Text: part of every property that is open."""
        if self.script is not None:
            self.script.append(data)
            return
        for element in self.open:
            if element.names and element.size < TEXT:
                element.text.append(data[:TEXT])
                element.size += len(data)

    def _element(self, tag: str, said: Attributes) -> _Element:
        """The element, its value put into the item around it where an attribute has it already."""
        around = next((one.item for one in reversed(self.open) if one.item is not None), None)
        names = tuple((said.get("itemprop") or "").split())
        if "itemscope" in said:
            item: dict[str, Any] = {"@type": (said.get("itemtype") or "").split()}
            if said.get("itemid"):
                item["@id"] = said["itemid"]
            if around is None or not names:
                self.items.append(item)
            else:
                _put(around, names, item)
            return _Element(tag, item)
        if around is None or not names:
            return _Element(tag, None)
        value = _attribute(tag, said)
        if value is None:
            return _Element(tag, None, names, around)
        _put(around, names, value)
        return _Element(tag, None)


def _attribute(tag: str, said: Attributes) -> str | None:
    """The value that an attribute gives a property; None: its text is the value."""
    if "content" in said:
        return said["content"] or ""
    name = "datetime" if tag == "time" else "value" if tag in ("data", "meter") else ADDRESSES.get(tag, "")
    return said.get(name)


def _close(element: _Element) -> None:
    if element.owner is not None:
        _put(element.owner, element.names, "".join(element.text)[:TEXT])


def _put(item: dict[str, Any], names: tuple[str, ...], value: Any) -> None:
    for name in names:
        item.setdefault(name, []).append(value)
