"""Read WARC files record by record with warcio. Pages and audio have their body, of which only a bounded part is in
memory.

Nutch exports a page as a `response` with the server's headers, or as a `resource` if those were not stored:
`commoncrawldump` with a Content-Type, `warc` without. The latter are recognized as pages by their first tag.
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

from jobs.sources.reading.raw_bytes import has_gzip_magic

MAX_PAGE_BYTES, MAX_AUDIO_BYTES = 4 * 1024**2, 64 * 1024**2
"""Larger bodies, compressed or not, are rejected."""
MAX_HTTP_HEAD_BYTES = 64 * 1024
PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})
PLAYLIST_TYPES = frozenset({"audio/x-mpegurl", "audio/mpegurl", "audio/x-scpls"})
UNSPECIFIC_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/ogg", "video/ogg"})
AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".ogg", ".oga", ".flac", ".opus", ".m4a", ".aif", ".aiff", ".au"})
HTML_START = re.compile(
    rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]{0,200}>\s*)?<(!doctype\s+html|html|head|body|!--)\b", re.IGNORECASE
)
CONTENT_ENCODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


@dataclass(frozen=True)
class WarcRecord:
    """One record of a WARC file."""

    number: int
    """Position in the file, from 1."""
    url: str
    kind: str
    """page, audio, other (irrelevant) or rejected."""
    rule: str = ""
    reason: str = ""
    body: bytes = b""
    """Without the content encoding."""
    charset: str = ""
    """Charset in the server's Content-Type; empty: none."""
    mime: str = ""

    @property
    def short_url(self) -> str:
        """Its URL for messages, limited to a readable length."""
        return self.url[:200]


@dataclass(frozen=True)
class _HttpHead:
    """The HTTP head of a response, or the WARC head of a resource."""

    status: str
    mime: str
    charset: str
    chunked: bool
    encoding: str
    length: int
    """Bytes of the head itself."""


def read_warc(path: str) -> Iterator[WarcRecord]:
    """Yield every record in order. Damage raises warcio's errors; the independent counter has rejected such a file
    before.
    """
    opened = gzip.open if has_gzip_magic(path) else open
    with opened(path, "rb") as stream:
        for number, record in enumerate(ArchiveIterator(stream, no_record_parse=True), 1):
            url = str(record.rec_headers.get_header("WARC-Target-URI") or "")
            is_relevant = record.rec_type in ("response", "resource") and url.startswith(("http://", "https://"))
            yield _classify(number, url, record) if is_relevant else WarcRecord(number, url, "other")


def url_suffix(url: str) -> str:
    """Return the suffix of the file in a URL, in lower case; empty if it has none."""
    try:
        match = re.search(r"\.[A-Za-z0-9]{1,5}$", urlsplit(url).path)
    except ValueError:
        return ""
    return match[0].lower() if match else ""


def _classify(number: int, url: str, record: Any) -> WarcRecord:
    start = record.raw_stream.read(MAX_HTTP_HEAD_BYTES)
    head = _parse_http_head(start) if record.rec_type == "response" else _resource_head(record, start)
    if head is None:
        reason = f"{url[:200]}: the response has no HTTP head of up to {MAX_HTTP_HEAD_BYTES} bytes"
        return WarcRecord(number, url, "rejected", "bad_http", reason)
    kind = "other" if head.status != "200" else _record_kind(head.mime, url)
    if kind == "other":
        return WarcRecord(number, url, kind)
    limit = MAX_PAGE_BYTES if kind == "page" else MAX_AUDIO_BYTES
    block = start + _read_up_to(record.raw_stream, limit + 1)
    body = None if len(block) > limit + MAX_HTTP_HEAD_BYTES else _decode_body(block[head.length :], head, limit)
    if body is None:
        return WarcRecord(
            number, url, "rejected", "too_large", f"{url[:200]}: the {kind} has more than {limit // 1024**2} MiB"
        )
    if kind == "audio" and record.rec_headers.get_header("WARC-Truncated"):
        reason = f"{url[:200]}: the crawler truncated it; raise its content limit"
        return WarcRecord(number, url, "rejected", "truncated", reason)
    return WarcRecord(number, url, kind, body=body, charset=head.charset, mime=head.mime)


def _parse_http_head(start: bytes) -> _HttpHead | None:
    """Parse the head at the start of a response; None if there is no complete head."""
    end = re.search(rb"\r?\n\r?\n", start)
    if start[:5].upper() != b"HTTP/" or not end:
        return None
    parsed = StatusAndHeadersParser([], verify=False).parse(io.BytesIO(start[: end.end()]))
    names = ("content-type", "transfer-encoding", "content-encoding")
    headers = {name: str(parsed.get_header(name) or "").lower() for name in names}
    mime, charset = _content_type(headers["content-type"])
    status = str(parsed.statusline).split(" ", 1)[0]
    chunked, encoding = "chunked" in headers["transfer-encoding"], headers["content-encoding"].strip()
    return _HttpHead(status, mime, charset, chunked, encoding, end.end())


def _resource_head(record: Any, start: bytes) -> _HttpHead:
    mime, charset = _content_type(str(record.content_type or "").lower())
    if not mime and HTML_START.match(start):
        mime = "text/html"
    return _HttpHead("200", mime, charset, False, "", 0)


def _content_type(text: str) -> tuple[str, str]:
    """Return the media type and charset of a Content-Type."""
    charset = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", text)
    return text.split(";", 1)[0].strip(), charset[1] if charset else ""


def _record_kind(mime: str, url: str) -> str:
    if mime in PAGE_TYPES:
        return "page"
    has_audio_suffix = url_suffix(url) in AUDIO_SUFFIXES and mime in UNSPECIFIC_TYPES
    return "audio" if has_audio_suffix or (mime.startswith("audio/") and mime not in PLAYLIST_TYPES) else "other"


def _decode_body(body: bytes, head: _HttpHead, limit: int) -> bytes | None:
    """Decode chunks and content encoding of a body; None if it exceeds the limit.

    Chunks are decoded first: warcio would unpack a whole chunk at once, and a chunk may be a bomb. Nutch writes
    unpacked bodies under headers that still declare an encoding; warcio leaves those unchanged.
    """
    stream: Any = io.BytesIO(body)
    if head.chunked:
        stream = ChunkedDataReader(stream)
    if head.encoding in CONTENT_ENCODINGS:
        stream = BufferedReader(stream, decomp_type=CONTENT_ENCODINGS[head.encoding])
    decoded = _read_up_to(stream, limit + 1)
    return None if len(decoded) > limit else decoded


def _read_up_to(stream: Any, size: int) -> bytes:
    """Read up to `size` bytes, fewer only at the end of the stream."""
    pieces, missing = [], size
    while missing > 0 and (piece := stream.read(min(missing, 256 * 1024))):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
