"""From a crawled page to catalogue rows: which track each recording is, and which audio is its."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import pandas as pd

from jobs.sources.parsing.schema_org import Recording, recordings
from jobs.sources.parsing.web_pages import Page, read_page
from jobs.sources.reading.warcs import Record
from jobs.sources.reading.whole_files import MORE, reject, skip

MUSIC = ("MusicRecording", "MusicAlbum")
PORTS = {"http": 80, "https": 443}


def describe(record: Record, prefix: str) -> Iterator[pd.DataFrame]:
    """Frames of a page: its recordings, the audio that they name, and the line that it is."""
    if not any(word.encode() in record.body for word in ("application/ld+json", "schema.org")) and b"\0" not in record.body:
        yield skip(record.number)  # most pages of a crawl: not worth taking apart
        return
    try:
        page = read_page(record.body, record.charset)
        found = recordings(page.trees)
    except (RecursionError, AssertionError, ValueError) as error:
        yield reject("bad_page", f"{record.shown}: the page cannot be taken apart: {error}"[:500], [record.number])
        return
    pairs = identified(found, _page_address(page, record.url), record.url)
    fault = _fault(record.shown, page, found)
    yield _links(pairs, record.url, prefix)
    # of several descriptions by one id the first: JSON-LD goes before microdata
    tracks = dict(reversed(pairs))
    rows = [{"track_id": prefix + track, **_columns(one)} for track, one in tracks.items()]
    kinds = [MORE if fault or place else "good" for place in range(len(rows))]
    yield pd.DataFrame([{"line": record.number, "kind": kind, **row} for kind, row in zip(kinds, rows, strict=True)])
    if fault:
        yield reject(*fault, [record.number])
    elif not rows:
        yield skip(record.number)


def identified(found: Sequence[Recording], page: str, url: str) -> list[tuple[str, Recording]]:
    """Track id of each recording that has a title.

    The id is a digest of the recording's own address on the page's site, else of the page's: with the title behind it where
    the page has several such recordings.
    """
    named = [one for one in found if one.title]
    own = [_own_address(one, url) for one in named]
    titles = {str(one.title).casefold() for one, key in zip(named, own, strict=True) if key in (None, page)}
    several = len(titles) > 1
    places = [f"{page}#{str(one.title).casefold()}" if several else page for one in named]
    keys = [place if key in (None, page) else str(key) for key, place in zip(own, places, strict=True)]
    return [(digest(key), one) for key, one in zip(keys, named, strict=True)]


def _own_address(one: Recording, page: str) -> str | None:
    try:
        return address(urljoin(page, one.url), page, fragment=True) if one.url else None
    except ValueError:
        return None


def address(url: str, page: str, fragment: bool = False) -> str | None:
    """An address without its scheme, host in small letters; None unless it is on the page's site: others speak for themselves."""
    try:
        parts, home = urlsplit(url.strip()), urlsplit(page)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or _site(host) != _site((home.hostname or "").lower()):
        return None
    where = host if port in (None, PORTS[parts.scheme]) else f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{where}{parts.path or '/'}{query}{f'#{parts.fragment}' if fragment and parts.fragment else ''}"


def digest(key: str) -> str:
    """24 hexadecimal digits of the SHA-256: an id of one length, whatever the address."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:24]


def _site(host: str) -> str:
    return host.removeprefix("www.")


def _page_address(page: Page, url: str) -> str:
    """The canonical address that a page tells, if it is on its site; else the address it was fetched from."""
    try:
        told = address(urljoin(url, page.canonical), url) if page.canonical else None
    except ValueError:
        told = None
    return told or address(url, url) or url


def _fault(url: str, page: Page, found: Sequence[Recording]) -> tuple[str, str] | None:
    """Rule and reason of a page that cannot be taken whole. Malformed blocks that are not of music do no harm beside sound ones."""
    if unnamed := sum(1 for one in found if not one.title):
        return "missing_title", f"{url}: {unnamed} of its {len(found)} recordings have no name"
    if page.malformed and (not found or any(word in block for block in page.malformed for word in MUSIC)):
        return "bad_json_ld", f"{url}: its JSON-LD is not JSON"
    return None


def _links(pairs: Sequence[tuple[str, Recording]], url: str, prefix: str) -> pd.DataFrame:
    """A row for each audio file that a recording names, wherever it lies."""
    rows = []
    for track, one in pairs:
        for place in one.audio:
            try:
                whole = urljoin(url, place.strip())
            except ValueError:
                continue
            if key := address(whole, whole):
                rows.append({"kind": MORE, "into": "link", "link": key, "track_id": prefix + track, "title": one.title})
    return pd.DataFrame(rows)


def _columns(one: Recording) -> dict[str, Any]:
    told = {"title": one.title, "artist": one.artist, "release": one.release}
    return {**told, "year": one.year, "duration_s": one.duration_s}
