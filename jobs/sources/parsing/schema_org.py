"""Extract music from a page's schema.org data. JSON-LD and microdata are trees of dicts, lists and texts.

https://schema.org/MusicRecording, https://schema.org/MusicAlbum.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.sources.parsing.audio_tags import YEAR

MAX_NODES = 50_000
"""Limit on the nodes of a page's trees that are visited; a real page has some hundred."""
MAX_CHARACTERS = 1000
"""A longer text is no name."""
DURATION = re.compile(r"P(?:(\d{1,4})D)?T?(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,7}(?:\.\d{1,9})?)S)?")
REFERENCE_KEYS = {"@id", "@type", "url", "position"}
"""A node with these keys only refers to a description elsewhere."""
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Recording:
    """A page's description of one recording; None: absent."""

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
    """The album and the artist that contain a node."""

    album: Node = field(default_factory=dict)
    artist: Node = field(default_factory=dict)


def recordings(trees: Sequence[Any]) -> list[Recording]:
    """Return every MusicRecording of the trees, in order. Missing fields are inherited from the album or artist around
    it.
    """
    nodes_by_id: dict[str, Node] = {}
    contexts: dict[str, _Context] = {}
    for node, context in _nodes(trees):
        for name in _as_texts(node.get("@id")):
            nodes_by_id[name] = {**node, **nodes_by_id.get(name, {})}
        if "MusicAlbum" in type_names(node):
            # an album may refer to its recordings by id only, and describe them elsewhere
            for part in _as_nodes(node.get("track")):
                contexts.update({name: _Context(node, context.artist) for name in _as_texts(part.get("@id"))})
    result = []
    for node, context in _nodes(trees):
        if "MusicRecording" in type_names(node) and set(node) - REFERENCE_KEYS:
            inherited = [contexts[name] for name in _as_texts(node.get("@id")) if name in contexts]
            result.append(_recording(node, context if context.album else next(iter(inherited), context), nodes_by_id))
    return result


def type_names(node: Node) -> set[str]:
    """Return the names of a node's types, without the vocabulary's address."""
    return {re.split("[/#:]", text)[-1] for text in _as_texts(node.get("@type"))}


def parse_duration(text: str | None) -> float | None:
    """Convert an ISO 8601 duration (PT3M45S) to seconds; None if it is invalid or zero."""
    match = DURATION.fullmatch((text or "").strip().upper())
    if not match:
        return None
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest or None


def clean_text(text: str) -> str | None:
    """Remove HTML references (&amp;amp;), repeated spaces and invalid Unicode; None if nothing or too much is left."""
    plain = " ".join(html.unescape(text).replace("\0", " ").split())
    return plain.encode("utf-8", "replace").decode() if 0 < len(plain) <= MAX_CHARACTERS else None


def _nodes(trees: Sequence[Any]) -> Iterator[tuple[Node, _Context]]:
    """Yield every dict of the trees with its context, in document order."""
    stack: list[tuple[Any, _Context]] = [(tree, _Context()) for tree in reversed(trees)]
    for _ in range(MAX_NODES):
        if not stack:
            return
        value, context = stack.pop()
        if isinstance(value, list):
            stack += [(child, context) for child in reversed(value)]
        if isinstance(value, dict):
            yield value, context
            inner = _inner_context(value, context)
            stack += [(child, inner) for child in reversed(value.values()) if isinstance(child, dict | list)]


def _inner_context(node: Node, context: _Context) -> _Context:
    kinds = type_names(node)
    if "MusicAlbum" in kinds:
        return _Context(node, context.artist)
    return _Context(context.album, node) if kinds & {"MusicGroup", "Person"} else context


def _recording(node: Node, context: _Context, nodes_by_id: Mapping[str, Node]) -> Recording:
    album = node.get("inAlbum") or context.album
    albums = [_resolve(album_node, nodes_by_id) for album_node in (album if isinstance(album, list) else [album])]
    album_details = next((album_node for album_node in albums if isinstance(album_node, Mapping)), {})
    artists = (node.get("byArtist"), album_details.get("byArtist"), context.album.get("byArtist"), context.artist)
    dates = [*_as_texts(node.get("datePublished")), *_as_texts(album_details.get("datePublished"))]
    year = next((match for text in dates if (match := YEAR.search(text[:40]))), None)
    return Recording(
        title=_name(node, nodes_by_id),
        artist=next((name for value in artists if (name := _name(value, nodes_by_id))), None),
        release=_name(album, nodes_by_id),
        year=int(year[0]) if year else None,
        duration_s=next((length for text in _as_texts(node.get("duration")) if (length := parse_duration(text))), None),
        url=next(
            (text for text in (*_as_texts(node.get("url")), *_as_texts(node.get("@id"))) if not text.startswith("_:")),
            None,
        ),
        audio=tuple(dict.fromkeys(_audio_addresses(node))),
    )


def _name(value: Any, nodes_by_id: Mapping[str, Node]) -> str | None:
    """Return the name of a text or node, or of the first of several that has one."""
    for item in value if isinstance(value, list) else [value]:
        inner = _resolve(item, nodes_by_id)
        texts = _as_texts(inner.get("name")) if isinstance(inner, Mapping) else _as_texts(inner)
        if name := next((plain for text in texts if (plain := clean_text(text))), None):
            return name
    return None


def _resolve(value: Any, nodes_by_id: Mapping[str, Node]) -> Any:
    """Return the full description of a node that is given by its id only, if the page has one."""
    if isinstance(value, Mapping) and "name" not in value:
        return next((nodes_by_id[name] for name in _as_texts(value.get("@id")) if name in nodes_by_id), value)
    return value


def _audio_addresses(node: Node) -> Iterator[str]:
    """Yield the addresses of a recording's audio.

    `contentUrl`, `audio` and `encoding` are addresses or AudioObjects.
    """
    yield from _as_texts(node.get("contentUrl"))
    for name in ("audio", "encoding", "associatedMedia"):
        yield from _as_texts(node.get(name))
        for part in _as_nodes(node.get(name)):
            yield from (_as_texts(part.get("contentUrl")) or _as_texts(part.get("url")))


def _as_texts(value: Any) -> list[str]:
    """Return the texts of a value that may be one or several; numbers become text."""
    values = value if isinstance(value, list) else [value]
    return [str(item) for item in values if isinstance(item, str | int | float) and not isinstance(item, bool)]


def _as_nodes(value: Any) -> list[Node]:
    """Return the nodes of a value that may be one, several, or an ItemList."""
    values = value if isinstance(value, list) else [value]
    nodes = [item for item in values if isinstance(item, Mapping)]
    inner = [part for item in nodes for part in _as_nodes(item.get("itemListElement")) + _as_nodes(item.get("item"))]
    return nodes + inner
