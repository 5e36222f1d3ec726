"""Music that a page describes in schema.org's words, as JSON-LD or microdata have it: trees of dicts, lists and texts.

https://schema.org/MusicRecording, https://schema.org/MusicAlbum.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.sources.parsing.audio_tags import YEAR

NODES = 50_000
"""So many parts of a page's trees are looked at; a real page has some hundred."""
LONGEST = 1000
"""Characters; a longer text is no name."""
DURATION = re.compile(r"P(?:(\d{1,4})D)?T?(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,7}(?:\.\d{1,9})?)S)?")
REFERENCE = {"@id", "@type", "url", "position"}
"""A node with nothing else only points to what is described elsewhere."""
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Recording:
    """What a page says of one recording; None: nothing."""

    title: str | None
    artist: str | None
    release: str | None
    year: int | None
    duration_s: float | None
    url: str | None
    """Its own address or id, as written."""
    audio: tuple[str, ...]
    """Addresses of its audio, as written."""


@dataclass(frozen=True)
class _Context:
    """What stands around a node: the album and the artist it belongs to."""

    album: Node = field(default_factory=dict)
    artist: Node = field(default_factory=dict)


def recordings(trees: Sequence[Any]) -> list[Recording]:
    """Every MusicRecording of the trees, in order; those of an album or artist take from it what they do not say themselves."""
    known: dict[str, Node] = {}
    contexts: dict[str, _Context] = {}
    for node, context in _nodes(trees):
        for name in _texts(node.get("@id")):
            known[name] = {**node, **known.get(name, {})}
        if "MusicAlbum" in types(node):
            # an album may name its recordings only by id, and describe them elsewhere
            for part in _listed(node.get("track")):
                contexts.update({name: _Context(node, context.artist) for name in _texts(part.get("@id"))})
    found = []
    for node, context in _nodes(trees):
        if "MusicRecording" in types(node) and set(node) - REFERENCE:
            inherited = [contexts[name] for name in _texts(node.get("@id")) if name in contexts]
            found.append(_recording(node, context if context.album else next(iter(inherited), context), known))
    return found


def types(node: Node) -> set[str]:
    """Names of a node's types, without the vocabulary's address."""
    return {re.split("[/#:]", text)[-1] for text in _texts(node.get("@type"))}


def seconds(text: str | None) -> float | None:
    """ISO 8601 duration (PT3M45S) in seconds; None where it is none, or zero."""
    found = DURATION.fullmatch((text or "").strip().upper())
    if not found:
        return None
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest or None


def clean(text: str) -> str | None:
    """A text without references (&amp;amp;), doubled spaces and what is not Unicode; None where nothing or too much is left."""
    plain = " ".join(html.unescape(text).replace("\0", " ").split())
    return plain.encode("utf-8", "replace").decode() if 0 < len(plain) <= LONGEST else None


def _nodes(trees: Sequence[Any]) -> Iterator[tuple[Node, _Context]]:
    """Every dict of the trees with what stands around it, in order of the text."""
    waiting: list[tuple[Any, _Context]] = [(tree, _Context()) for tree in reversed(trees)]
    for _ in range(NODES):
        if not waiting:
            return
        value, context = waiting.pop()
        if isinstance(value, list):
            waiting += [(one, context) for one in reversed(value)]
        if isinstance(value, dict):
            yield value, context
            inner = _within(value, context)
            waiting += [(one, inner) for one in reversed(value.values()) if isinstance(one, dict | list)]


def _within(node: Node, context: _Context) -> _Context:
    kinds = types(node)
    if "MusicAlbum" in kinds:
        return _Context(node, context.artist)
    return _Context(context.album, node) if kinds & {"MusicGroup", "Person"} else context


def _recording(node: Node, context: _Context, known: Mapping[str, Node]) -> Recording:
    album = node.get("inAlbum") or context.album
    albums = [_resolved(one, known) for one in (album if isinstance(album, list) else [album])]
    around = next((one for one in albums if isinstance(one, Mapping)), {})
    artists = (node.get("byArtist"), around.get("byArtist"), context.album.get("byArtist"), context.artist)
    dates = [*_texts(node.get("datePublished")), *_texts(around.get("datePublished"))]
    year = next((found for text in dates if (found := YEAR.search(text[:40]))), None)
    return Recording(
        title=_name(node, known),
        artist=next((name for value in artists if (name := _name(value, known))), None),
        release=_name(album, known),
        year=int(year[0]) if year else None,
        duration_s=next((length for text in _texts(node.get("duration")) if (length := seconds(text))), None),
        url=next((text for text in (*_texts(node.get("url")), *_texts(node.get("@id"))) if not text.startswith("_:")), None),
        audio=tuple(dict.fromkeys(_addresses(node))),
    )


def _name(value: Any, known: Mapping[str, Node]) -> str | None:
    """The name of a text, of a node or of the first of several that has one."""
    for one in value if isinstance(value, list) else [value]:
        inner = _resolved(one, known)
        texts = _texts(inner.get("name")) if isinstance(inner, Mapping) else _texts(inner)
        if name := next((plain for text in texts if (plain := clean(text))), None):
            return name
    return None


def _resolved(value: Any, known: Mapping[str, Node]) -> Any:
    """A node that is named by its id only, where the page describes it elsewhere."""
    if isinstance(value, Mapping) and "name" not in value:
        return next((known[name] for name in _texts(value.get("@id")) if name in known), value)
    return value


def _addresses(node: Node) -> Iterator[str]:
    """Where a recording's audio lies: `contentUrl`, `audio`, `encoding`, each an address or an AudioObject with one."""
    yield from _texts(node.get("contentUrl"))
    for name in ("audio", "encoding", "associatedMedia"):
        yield from _texts(node.get(name))
        for part in _listed(node.get(name)):
            yield from (_texts(part.get("contentUrl")) or _texts(part.get("url")))


def _texts(value: Any) -> list[str]:
    """The texts of a value that may be one or several; numbers as text."""
    values = value if isinstance(value, list) else [value]
    return [str(one) for one in values if isinstance(one, str | int | float) and not isinstance(one, bool)]


def _listed(value: Any) -> list[Node]:
    """The nodes of a value that may be one, several, or an ItemList of them."""
    values = value if isinstance(value, list) else [value]
    nodes = [one for one in values if isinstance(one, Mapping)]
    inner = [part for one in nodes for part in _listed(one.get("itemListElement")) + _listed(one.get("item"))]
    return nodes + inner
