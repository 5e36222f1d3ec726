"""WARC files record by record, by warcio: what may be a page or audio with its body, never more of it than a bound in memory.

Nutch exports a page as a `response` with the server's headers, or, where those were not kept, as a `resource`: its
`commoncrawldump` with a Content-Type, its `warc` without, so that such a page is told by its first tag.
"""

import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import BufferedReader, ChunkedDataReader
from warcio.statusandheaders import StatusAndHeadersParser

from jobs.sources.reading.unpacked import is_packed

PAGE_BYTES, AUDIO_BYTES = 4 * 1024**2, 64 * 1024**2
"""Larger bodies, packed or unpacked, are rejected."""
HTTP_HEAD_BYTES = 64 * 1024
PAGES = frozenset({"text/html", "application/xhtml+xml"})
PLAYLISTS = frozenset({"audio/x-mpegurl", "audio/mpegurl", "audio/x-scpls"})
UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/ogg", "video/ogg"})
AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".ogg", ".oga", ".flac", ".opus", ".m4a", ".aif", ".aiff", ".au"})
LIKE_A_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]{0,200}>\s*)?<(!doctype\s+html|html|head|body|!--)\b", re.IGNORECASE)
PACKINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


@dataclass(frozen=True)
class Record:
    """One record of a WARC file."""

    number: int
    """Its place in the file, from 1."""
    url: str
    kind: str
    """page, audio, other (of no interest) or rejected."""
    rule: str = ""
    reason: str = ""
    body: bytes = b""
    """Without the transfer's packing."""
    charset: str = ""
    """As the server says it; empty: it says none."""
    mime: str = ""

    @property
    def shown(self) -> str:
        """Its URL for a person, cut to a length that can be read."""
        return self.url[:200]


@dataclass(frozen=True)
class _Head:
    """What the HTTP head, or for a resource the WARC head, tells."""

    status: str
    mime: str
    charset: str
    chunked: bool
    packing: str
    length: int
    """Bytes of the head itself."""


def records(path: str) -> Iterator[Record]:
    """Every record in order. What cannot be read on raises whatever warcio raises: the second reader has named the file before."""
    opened = gzip.open if is_packed(path) else open
    with opened(path, "rb") as stream:
        for number, record in enumerate(ArchiveIterator(stream, no_record_parse=True), 1):
            url = str(record.rec_headers.get_header("WARC-Target-URI") or "")
            interesting = record.rec_type in ("response", "resource") and url.startswith(("http://", "https://"))
            yield _judged(number, url, record) if interesting else Record(number, url, "other")


def suffix_of(url: str) -> str:
    """Suffix of the file that a URL names, in lower case; empty where it has none."""
    try:
        found = re.search(r"\.[A-Za-z0-9]{1,5}$", urlsplit(url).path)
    except ValueError:
        return ""
    return found[0].lower() if found else ""


def _judged(number: int, url: str, record: Any) -> Record:
    start = record.raw_stream.read(HTTP_HEAD_BYTES)
    head = _http_head(start) if record.rec_type == "response" else _resource_head(record, start)
    if head is None:
        reason = f"{url[:200]}: the response has no HTTP head of up to {HTTP_HEAD_BYTES} bytes"
        return Record(number, url, "rejected", "bad_http", reason)
    kind = "other" if head.status != "200" else _kind(head.mime, url)
    if kind == "other":
        return Record(number, url, kind)
    limit = PAGE_BYTES if kind == "page" else AUDIO_BYTES
    block = start + _up_to(record.raw_stream, limit + 1)
    body = None if len(block) > limit + HTTP_HEAD_BYTES else _unpacked(block[head.length :], head, limit)
    if body is None:
        return Record(number, url, "rejected", "too_large", f"{url[:200]}: the {kind} has more than {limit // 1024**2} MiB")
    if kind == "audio" and record.rec_headers.get_header("WARC-Truncated"):
        return Record(number, url, "rejected", "truncated", f"{url[:200]}: the crawl cut it short; raise its limit for content")
    return Record(number, url, kind, body=body, charset=head.charset, mime=head.mime)


def _http_head(start: bytes) -> _Head | None:
    """The head at the start of a response; None where there is none, or no end of it."""
    end = re.search(rb"\r?\n\r?\n", start)
    if start[:5].upper() != b"HTTP/" or not end:
        return None
    parsed = StatusAndHeadersParser([], verify=False).parse(io.BytesIO(start[: end.end()]))
    said = {name: str(parsed.get_header(name) or "").lower() for name in ("content-type", "transfer-encoding", "content-encoding")}
    mime, charset = _type(said["content-type"])
    status = str(parsed.statusline).split(" ", 1)[0]
    return _Head(status, mime, charset, "chunked" in said["transfer-encoding"], said["content-encoding"].strip(), end.end())


def _resource_head(record: Any, start: bytes) -> _Head:
    mime, charset = _type(str(record.content_type or "").lower())
    if not mime and LIKE_A_PAGE.match(start):
        mime = "text/html"
    return _Head("200", mime, charset, False, "", 0)


def _type(text: str) -> tuple[str, str]:
    """Media type and charset of a Content-Type."""
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", text)
    return text.split(";", 1)[0].strip(), charset[1] if charset else ""


def _kind(mime: str, url: str) -> str:
    if mime in PAGES:
        return "page"
    named = suffix_of(url) in AUDIO_SUFFIXES and mime in UNTYPED
    return "audio" if named or (mime.startswith("audio/") and mime not in PLAYLISTS) else "other"


def _unpacked(body: bytes, head: _Head, limit: int) -> bytes | None:
    """The body without chunks and packing; None where it is larger than the limit.

    The chunks are taken off first: warcio would unpack a whole chunk at once, and a chunk may be a bomb. Nutch writes bodies
    unpacked under headers that still call them packed; warcio leaves those as they are.
    """
    stream: Any = io.BytesIO(body)
    if head.chunked:
        stream = ChunkedDataReader(stream)
    if head.packing in PACKINGS:
        stream = BufferedReader(stream, decomp_type=PACKINGS[head.packing])
    found = _up_to(stream, limit + 1)
    return None if len(found) > limit else found


def _up_to(stream: Any, size: int) -> bytes:
    """Up to so many bytes, less only where the stream ends."""
    pieces, missing = [], size
    while missing > 0 and (piece := stream.read(min(missing, 256 * 1024))):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
