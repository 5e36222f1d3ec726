"""Convert a crawled page to catalogue rows: identify the track of each recording and its audio."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import pandas as pd

from jobs.sources.parsing.schema_org import Recording, recordings
from jobs.sources.parsing.web_pages import Page, read_page
from jobs.sources.reading.python_readers import EXTRA, blank_frame, rejected_frame
from jobs.sources.reading.warc_files import WarcRecord

MUSIC = ("MusicRecording", "MusicAlbum")
PORTS = {"http": 80, "https": 443}


def page_frames(record: WarcRecord, prefix: str) -> Iterator[pd.DataFrame]:
    """Yield frames of a page: its recordings, the audio that they link, and the line itself."""
    if (
        not any(word.encode() in record.body for word in ("application/ld+json", "schema.org"))
        and b"\0" not in record.body
    ):
        yield blank_frame(record.number)  # most pages of a crawl: no need to parse them
        return
    try:
        page = read_page(record.body, record.charset)
        recordings_of_page = recordings(page.trees)
    except (RecursionError, AssertionError, ValueError) as error:
        yield rejected_frame(
            "bad_page", f"{record.short_url}: the page cannot be parsed: {error}"[:500], [record.number]
        )
        return
    pairs = identify_recordings(recordings_of_page, _page_address(page, record.url), record.url)
    page_error = _page_error(record.short_url, page, recordings_of_page)
    yield _link_rows(pairs, record.url, prefix)
    # of several descriptions with one id the first: JSON-LD precedes microdata
    tracks = dict(reversed(pairs))
    rows = [{"track_id": prefix + track, **_catalogue_columns(recording)} for track, recording in tracks.items()]
    kinds = [EXTRA if page_error or index else "good" for index in range(len(rows))]
    yield pd.DataFrame([{"line": record.number, "kind": kind, **row} for kind, row in zip(kinds, rows, strict=True)])
    if page_error:
        yield rejected_frame(*page_error, [record.number])
    elif not rows:
        yield blank_frame(record.number)


def identify_recordings(recordings_of_page: Sequence[Recording], page: str, url: str) -> list[tuple[str, Recording]]:
    """Return (track id, recording) for each recording with a title.

    The id is a digest of the recording's own address on the page's site, or else of the page's address. If a page has
    several recordings without an address, their titles are appended to it.
    """
    with_title = [recording for recording in recordings_of_page if recording.title]
    own_addresses = [_own_address(recording, url) for recording in with_title]
    titles = [str(recording.title).casefold() for recording in with_title]
    without_address = [address in (None, page) for address in own_addresses]
    several = len({title for title, by_page in zip(titles, without_address, strict=True) if by_page}) > 1
    page_keys = [f"{page}#{title}" if several else page for title in titles]
    keys = [
        page_key if by_page else str(address)
        for page_key, by_page, address in zip(page_keys, without_address, own_addresses, strict=True)
    ]
    return [(address_digest(key), recording) for key, recording in zip(keys, with_title, strict=True)]


def _own_address(recording: Recording, page: str) -> str | None:
    try:
        return same_site_address(urljoin(page, recording.url), page, fragment=True) if recording.url else None
    except ValueError:
        return None


def same_site_address(url: str, page: str, fragment: bool = False) -> str | None:
    """Return an address without its scheme, its host in lower case; None if it is not on the page's site."""
    try:
        parts, home = urlsplit(url.strip()), urlsplit(page)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or _site(host) != _site((home.hostname or "").lower()):
        return None
    site = host if port in (None, PORTS[parts.scheme]) else f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{site}{parts.path or '/'}{query}{f'#{parts.fragment}' if fragment and parts.fragment else ''}"


def address_digest(key: str) -> str:
    """Return 24 hexadecimal digits of the SHA-256: an id of fixed length."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:24]


def _site(host: str) -> str:
    return host.removeprefix("www.")


def _page_address(page: Page, url: str) -> str:
    """Return the page's canonical address if it is on the same site; otherwise the address that was fetched."""
    try:
        canonical = same_site_address(urljoin(url, page.canonical), url) if page.canonical else None
    except ValueError:
        canonical = None
    return canonical or same_site_address(url, url) or url


def _page_error(url: str, page: Page, recordings_of_page: Sequence[Recording]) -> tuple[str, str] | None:
    """Return the rule and reason of a page that is rejected; None if it is valid.

    Malformed JSON-LD blocks that do not describe music do not matter if other blocks are valid.
    """
    if n_untitled := sum(1 for recording in recordings_of_page if not recording.title):
        return "missing_title", f"{url}: {n_untitled} of its {len(recordings_of_page)} recordings have no name"
    if page.malformed and (not recordings_of_page or any(word in block for block in page.malformed for word in MUSIC)):
        return "bad_json_ld", f"{url}: its JSON-LD is not JSON"
    return None


def _link_rows(pairs: Sequence[tuple[str, Recording]], url: str, prefix: str) -> pd.DataFrame:
    """Return a row for each audio file that a recording links, on any site."""
    rows = []
    for track, recording in pairs:
        for audio_url in recording.audio:
            try:
                absolute = urljoin(url, audio_url.strip())
            except ValueError:
                continue
            if key := same_site_address(absolute, absolute):
                rows.append(
                    {
                        "kind": EXTRA,
                        "row_type": "link",
                        "link": key,
                        "track_id": prefix + track,
                        "title": recording.title,
                    }
                )
    return pd.DataFrame(rows)


def _catalogue_columns(recording: Recording) -> dict[str, Any]:
    texts = {"title": recording.title, "artist": recording.artist, "release": recording.release}
    return {**texts, "year": recording.year, "duration_s": recording.duration_s}
