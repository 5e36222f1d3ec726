"""Crawls: music in pages, audio with its page, and hostile files."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.formats.crawl import read_crawl
from jobs.sources.options import validated
from jobs.sources.parsing.crawl_pages import address_digest
from jobs.sources.reading.independent_counts import byte_stream
from jobs.sources.reading.independent_counts.warc_records import count_records
from jobs.sources.reading.lines import READ_ERRORS
from jobs.sources.reading.warc_files import read_warc
from tests.sources.builders import record, warc
from tests.sources.expected_lines import by_file

SITE = "https://music.example"


def ld(value: Any) -> bytes:
    return (
        f'<html><head><script type="application/ld+json">{json.dumps(value)}</script></head>schema.org</html>'.encode()
    )


def read(spark: SparkSession, *files: Path, **options: Any) -> tuple[Parsed, dict[str, Any]]:
    source = Source("web", "crawl", str(files[0].parent), namespace="web", options=options)
    handler = FORMATS["crawl"]
    validated(handler.options, source.options, source.name)
    names = [str(file) for file in files]
    counted = handler.count(spark, source, names)
    parsed = handler.parse(spark, source, names)
    parsed.lines.persist()
    counts = by_file(parsed.count_kinds(), counted)
    for row in counts.values():
        assert row["lines_in"] == row["good"] + row["quarantined"] + row["blank"]
    return parsed, {Path(file).name: row for file, row in counts.items()}


SONG = {
    "@context": "https://schema.org", "@type": "MusicRecording", "name": "Undo &amp; more", "duration": "PT5M38.5S",
    "byArtist": {"@type": "MusicGroup", "name": "Björk"}, "inAlbum": {"@type": "MusicAlbum", "name": "Vespertine"},
    "datePublished": "2001-08-27", "url": "/undo", "audio": {"@type": "AudioObject", "contentUrl": "/media/undo.mp3"},
}  # fmt: skip
ALBUM = {
    "@context": "https://schema.org", "@graph": [
        {"@type": "MusicAlbum", "name": "Debut", "byArtist": {"@id": "#b"}, "datePublished": "1993",
         "track": {"@type": "ItemList", "itemListElement": [
             {"@type": "ListItem", "item": {"@type": "MusicRecording", "name": "Human Behaviour", "duration": "PT4M12S"}},
             {"@type": "ListItem", "item": {"@type": ["Thing", "MusicRecording"], "name": "Crying"}}]}},
        {"@type": "MusicGroup", "@id": "#b", "name": "Björk"},
        {"@type": "BreadcrumbList", "itemListElement": []},
    ],
}  # fmt: skip
MICRODATA = b"""<!doctype html><html><head><link rel="canonical" href="/m"><title>x</title></head><body>
<div itemscope itemtype="https://schema.org/MusicAlbum"><h1 itemprop="name">Homogenic</h1>
 <span itemprop="byArtist" itemscope itemtype="https://schema.org/MusicGroup"><a itemprop="name">Bj\xf6rk</a></span>
 <meta itemprop="datePublished" content="1997-09-22">
 <ul><li itemprop="track" itemscope itemtype="https://schema.org/MusicRecording">
   <b itemprop="name">J\xf3ga <i>(live)</i></b><br><time itemprop="duration" datetime="PT5M5S">5:05</time>
   <audio itemprop="audio" src="https://cdn.example/joga.ogg"></audio>
 <li itemprop="track" itemscope itemtype="https://schema.org/MusicRecording"><b itemprop="name">Hunter</b></ul></div>"""


def of_nutch(url: str, body: bytes, http: bytes = b"") -> bytes:
    """Return a record as Nutch's WARCExporter writes it: without a type if the server's headers were not stored."""
    kind = b"response" if http else b"resource"
    lines = [
        b"WARC/1.0", b"WARC-Record-ID: <urn:uuid:8c5b2a0e-0000-4000-8000-000000000000>", b"Content-Length: %d" % len(http + body),
        b"WARC-Date: 2026-11-14T10:00:00Z", b"WARC-Type: " + kind, b"WARC-IP-Address: IP", b"WARC-Target-URI: " + url.encode(),
        *([b"Content-Type: application/http; msgtype=response"] if http else []),
    ]  # fmt: skip
    return b"\r\n".join([*lines, b"", http + body, b"", b""])


def test_nutch_records_without_a_type_are_recognized_by_their_first_tag(tmp_path: Path) -> None:
    # where the headers that it kept end with one line break, it writes two more
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n\r\n"
    entries = [
        (of_nutch(f"{SITE}/a", ld(SONG)), "page"),
        (of_nutch(f"{SITE}/b", b'\xef\xbb\xbf\n<?xml version="1.0"?>\n<!DOCTYPE html><html></html>'), "page"),
        (of_nutch(f"{SITE}/c", ld(SONG), http), "page"),
        (of_nutch(f"{SITE}/d.mp3", b"ID3"), "audio"),
        (of_nutch(f"{SITE}/e.json", b'{"a": "<html>"}'), "other"),
        (of_nutch(f"{SITE}/f.xml", b"<headline/>"), "other"),
    ]
    file = tmp_path / "part-r-00000.warc.gz"
    file.write_bytes(b"".join(gzip.compress(entry) for entry, _ in entries))
    assert [record.kind for record in read_warc(str(file))] == [kind for _, kind in entries]
    assert count_records(str(file)) == len(entries)


def test_pages_become_tracks_and_audio_is_linked_to_them(spark: SparkSession, tmp_path: Path) -> None:
    packed: dict[str, Any] = {"headers": {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}}
    page = gzip.compress(ld(SONG))
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (page[:50], page[50:], b""))
    first = warc(
        tmp_path / "a.warc.gz",
        record(f"{SITE}/song?id=1", chunked, **packed),
        record("https://cdn.example/joga.ogg", b"OggS joga", mime="application/octet-stream"),
        record(f"{SITE}/album", ld(ALBUM), kind="resource"),
        record(f"{SITE}/about", b"<html>schema.org</html>"),
        record(f"{SITE}/gone", ld(SONG), status="404 Not Found"),
        record(f"{SITE}/style.css", b"a {}", mime="text/css"),
        record(f"{SITE}/list.m3u", b"#EXTM3U", mime="audio/x-mpegurl"),
        record("dns:music.example", b"1.2.3.4", mime="text/dns", kind="resource"),
    )
    second = warc(
        tmp_path / "b.warc",
        record(f"{SITE}/m?from=list", MICRODATA, mime="text/html; charset=ISO-8859-1"),
        record(f"{SITE}/media/undo.mp3", b"ID3 undo", mime="audio/mpeg"),
        record(f"{SITE}/media/stray_song.flac", b"fLaC", mime="audio/flac"),
        record(f"{SITE}/broken", b'schema.org<script type="application/ld+json">{"@type": "MusicRecording", </script>'),
        record(f"{SITE}/unnamed", ld([{"@type": "MusicRecording", "duration": "PT1S"}, {**SONG, "url": "/other"}])),
        record(f"{SITE}/empty.mp3", b"", mime="audio/mpeg"),
        record(f"{SITE}/cut.mp3", b"ID3", mime="audio/mpeg", warc={"WARC-Truncated": "length"}),
    )
    parsed, counts = read(spark, first, second, audio_folder=str(tmp_path / "audio"))
    rows = {row["title"]: row for row in parsed.rows.where("title != 'Undo & more'").collect()}
    (song, other) = sorted(parsed.rows.where("title = 'Undo & more'").collect(), key=lambda row: row["file"])
    assert song["track_id"] == f"web:{address_digest('music.example/undo')}"
    assert [song[name] for name in ("artist", "release", "year", "duration_s")] == ["Björk", "Vespertine", 2001, 338.5]
    assert other["track_id"] == f"web:{address_digest('music.example/other')}"
    human = rows["Human Behaviour"]
    assert [human[name] for name in ("artist", "release", "year", "duration_s")] == ["Björk", "Debut", 1993, 252.0]
    assert rows["Crying"]["track_id"] == f"web:{address_digest('music.example/album#crying')}"
    joga = rows["Jóga (live)"]
    assert [joga[name] for name in ("artist", "release", "year", "duration_s")] == ["Björk", "Homogenic", 1997, 305.0]
    assert joga["track_id"] == f"web:{address_digest('music.example/m#jóga (live)')}"
    assert set(rows) == {"Human Behaviour", "Crying", "Jóga (live)", "Hunter"}

    audio = {(row["track_id"], row["title"]): row for row in parsed.extra_tables["audio_files"].collect()}
    stray = f"web:{address_digest('music.example/media/stray_song.flac')}"
    assert set(audio) == {
        (song["track_id"], "Undo & more"), (other["track_id"], "Undo & more"), (joga["track_id"], "Jóga (live)"),
        (stray, "stray song"),
    }  # fmt: skip
    for row in audio.values():
        assert Path(row["path"]).stat().st_size == row["bytes"]
        assert Path(row["path"]).stem == row["content_hash"]
    assert Path(audio[joga["track_id"], "Jóga (live)"]["path"]).suffix == ".ogg"
    assert len([path for path in (tmp_path / "audio").rglob("*") if path.is_file()]) == 3

    rejected = {(Path(row["file"]).name, row["line"]): row["rule"] for row in parsed.rejected.collect()}
    assert rejected == {
        ("b.warc", 5): "bad_json_ld", ("b.warc", 6): "missing_title", ("b.warc", 7): "empty_file", ("b.warc", 8): "truncated",
    }  # fmt: skip
    account = {name: (row["lines_in"], row["good"], row["quarantined"], row["blank"]) for name, row in counts.items()}
    assert account == {"a.warc.gz": (9, 3, 0, 6), "b.warc": (8, 3, 4, 1)}


def test_without_an_audio_folder_audio_is_rejected_or_skipped(spark: SparkSession, tmp_path: Path) -> None:
    file = warc(tmp_path / "a.warc.gz", record(f"{SITE}/a.mp3", b"ID3", mime="audio/mpeg"))
    assert [row["rule"] for row in read(spark, file)[0].rejected.collect()] == ["no_audio_folder"]
    assert read(spark, file, audio_folder="")[1]["a.warc.gz"]["blank"] == 2
    with pytest.raises(SourceError, match="absolute path"):
        read(spark, file, audio_folder="audio")


def test_damaged_and_hostile_warc_files_raise_with_their_name(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_stream, "MIN_BOMB_BYTES", 8 * 1024**2)
    plain = warc(tmp_path / "plain.warc", record(f"{SITE}/a", ld(SONG)), record(f"{SITE}/b", ld(SONG))).read_bytes()
    packed = warc(tmp_path / "packed.warc.gz", record(f"{SITE}/a", ld(SONG))).read_bytes()
    head = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.example/\r\n"
    length = plain.index(b"Content-Length: ", plain.index(b"response")) + 16
    cases = {
        "cut.warc": (plain[:-300], "truncated"),
        "cut.warc.gz": (packed[:-20], "truncated"),
        "short.warc": (plain[:length] + b"1" + plain[length + 3 :], "Content-Length"),
        "long.warc": (plain[:length] + b"9" + plain[length:], "truncated"),
        "twice.warc": (head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "Content-Length"),
        "none.warc": (head + b"\r\n\r\n", "Content-Length"),
        "line.warc.gz": (gzip.compress(head + b"X: " + b"x" * 10**6), "header line"),
        "head.warc.gz": (gzip.compress(head + b"X: x\r\n" * 10**6), "head of more than"),
        "bomb.warc.gz": (gzip.compress(head + b"Content-Length: 60000000\r\n\r\n" + bytes(60_000_000)), "unpacks to more"),
        "foreign.warc": (b"<html>", "no WARC record"),
        "noise.warc.gz": (b"\x1f\x8b" + bytes(range(256)), "cannot be read"),
    }  # fmt: skip
    tracemalloc.start()
    for name, (content, word) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=rf"{name} cannot be read to its end.*{word}|{name} {word}"):
            FORMATS["crawl"].count(spark, Source("web", "crawl", str(tmp_path)), [str(tmp_path / name)])
    assert tracemalloc.get_traced_memory()[1] < 80 * 1024**2
    tracemalloc.stop()


def test_a_record_that_is_too_large_rejects_only_itself(tmp_path: Path) -> None:
    chunk = gzip.compress(bytes(100 * 1024**2), 9)
    file = warc(
        tmp_path / "a.warc.gz",
        record(f"{SITE}/large", b"x" * 5 * 1024**2),
        record(f"{SITE}/bomb", gzip.compress(bytes(100 * 1024**2), 9), headers={"Content-Encoding": "gzip"}),
        record(f"{SITE}/chunk", b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk),
               headers={"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}),
        record(f"{SITE}/head", ld(SONG), headers={"X": "x" * 100_000}),
        record(f"{SITE}/fine", ld(SONG)),
    )  # fmt: skip
    tracemalloc.start()
    frames = list(read_crawl(str(file), "", None))
    assert tracemalloc.get_traced_memory()[1] < 60 * 1024**2
    tracemalloc.stop()
    rules = [frame["rule"][0] for frame in frames if "rule" in frame]
    assert rules == ["too_large", "too_large", "too_large", "bad_http"]
    assert sum(frame["kind"].tolist().count("good") for frame in frames if "kind" in frame) == 1


PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [b"<div itemscope itemtype='https://schema.org/MusicRecording'>", b"<b itemprop=name>", b"</b>", b"</div>",
         b'<script type="application/ld+json">', b"</script>", b'{"@type": "MusicRecording", "name": "x", "url": "http://[",',
         b'"audio": "//["}', b"schema.org", b"&#xd800;", b"&amp", b"<a itemprop=url href='http://[x'>", b"<![x[", b"<!", b"<?",
         b"<link rel=canonical href='//['>", b"[" * 2000, b"]" * 2000, b"<meta charset=utf-7>", b"+2AA-", b"\xff", b"\n"]
    ),
)  # fmt: skip


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    bodies=st.lists(st.lists(PIECES, max_size=12).map(b"".join), min_size=1, max_size=3),
    flips=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=2), packed=st.booleans(),
)  # fmt: skip
def test_random_pages_and_damage_are_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], flips: list[tuple[int, int]], packed: bool
) -> None:
    file = tmp_path_factory.getbasetemp() / ("any.warc.gz" if packed else "any.warc")
    warc(file, *(record(f"{SITE}/{number}", body) for number, body in enumerate(bodies)))
    content = bytearray(file.read_bytes())
    for offset, value in flips:
        content[offset % len(content)] = value
    file.write_bytes(content)
    frames = list(read_crawl(str(file), "", None))
    kinds = [kind for frame in frames for kind in (frame["kind"] if "kind" in frame else ["rejected"] * len(frame))]
    try:
        lines = count_records(str(file))
    except READ_ERRORS:
        assert flips
        return
    assert len([kind for kind in kinds if kind != "extra"]) == lines
