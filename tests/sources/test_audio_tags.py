"""Audio trees: ids, labels and tags. Broken tags are dropped without their file; tags reach the catalogue."""

import hashlib
import os
import struct
import tarfile
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutagen.id3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import Row, SparkSession

from jobs.catalogue.tracks import add_undescribed_tracks
from jobs.errors import SourceError
from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.options import validated
from jobs.sources.parsing.audio_tags import fix_mojibake, read_tags
from tests.real_data import real
from tests.sources.builders import sound

id3: Any = mutagen.id3  # its classes have no types


def tag(path: Path, **tags: str) -> Path:
    opened = mutagen.File(path, easy=True)
    assert opened is not None
    if opened.tags is None:
        opened.add_tags()
    for name, text in tags.items():
        opened[name] = text
    opened.save()
    return path


def read(spark: SparkSession, root: Path, **options: Any) -> tuple[dict[str, Row], dict[str, str], Parsed]:
    """Return rows by track id, and rules by file name."""
    source = Source("audio", "audio_tree", str(root), namespace=options.pop("namespace", ""), options=options)
    handler = FORMATS["audio_tree"]
    validated(handler.options, source.options, source.name)
    parsed = handler.parse(spark, source, handler.files(source))
    parsed.lines.persist()
    rules = {Path(row["file"]).name: row["rule"] for row in parsed.rejected.collect()}
    return {row["track_id"]: row for row in parsed.rows.collect()}, rules, parsed


def test_gtzan_labels_come_from_folders_or_prefixes(spark: SparkSession, tmp_path: Path) -> None:
    for genre in ("blues", "rock"):
        sound(tmp_path / "genres" / genre / f"{genre}.00000.wav")
        sound(tmp_path / "flat" / f"{genre}.00001.wav")
    for root, labels in (("genres", "folder"), ("genres", "prefix"), ("flat", "prefix")):
        rows, rules, _ = read(spark, tmp_path / root, labels=labels, namespace="gtzan")
        number = "00001" if root == "flat" else "00000"
        assert {name: row["label"] for name, row in rows.items()} == {
            f"gtzan:blues.{number}": "blues", f"gtzan:rock.{number}": "rock",
        }  # fmt: skip
        assert not rules


def test_fma_ids_have_no_leading_zeros(spark: SparkSession, tmp_path: Path) -> None:
    tag(sound(tmp_path / "000" / "000002.mp3"), title="Food", artist="AWOL")
    sound(tmp_path / "000" / "000140.mp3")
    sound(tmp_path / "155" / "155066.mp3")
    sound(tmp_path / "155" / "notes.mp3")
    sound(tmp_path / "155" / "2.mp3")
    rows, rules, _ = read(spark, tmp_path, ids="fma", namespace="fma", tags=True)
    assert {name: (row["title"], row["artist"]) for name, row in rows.items()} == {
        "fma:2": ("Food", "AWOL"), "fma:140": (None, None), "fma:155066": (None, None),
    }  # fmt: skip
    assert rules == {"notes.mp3": "bad_id", "2.mp3": "same_id"}


def test_tags_are_read_from_every_file_type(spark: SparkSession, tmp_path: Path) -> None:
    tags = {"title": "Undo", "artist": "Björk", "album": "Vespertine", "date": "2001-08-27", "genre": "Electronic"}
    for suffix in (".mp3", ".flac", ".ogg"):
        tag(sound(tmp_path / "a" / f"x{suffix[1:]}{suffix}"), **tags)
    for suffix in (".wav", ".aiff"):
        opened = mutagen.File(sound(tmp_path / "a" / f"x{suffix[1:]}{suffix}"))
        assert opened is not None
        opened.add_tags()
        for frame, name in (
            ("TIT2", "title"),
            ("TPE1", "artist"),
            ("TALB", "album"),
            ("TDRC", "date"),
            ("TCON", "genre"),
        ):
            opened.tags.add(getattr(id3, frame)(encoding=3, text=[tags[name]]))
        opened.save()
    sound(tmp_path / "a" / "x_plain.wav")
    (tmp_path / "a" / "noise.mp3").write_bytes(b"ID3" + os.urandom(3000))
    rows, rules, parsed = read(spark, tmp_path / "a", tags=True, ids="path")
    for kind in ("mp3", "flac", "ogg", "wav", "aiff"):
        row = rows[f"x{kind}"]
        values = [row[name] for name in ("title", "artist", "release", "year", "label")]
        assert values == ["Undo", "Björk", "Vespertine", 2001, "Electronic"], kind
    assert [rows["x_plain"][name] for name in ("title", "artist", "label")] == ["x plain", None, None]
    assert rows["noise"]["title"] == "noise"
    assert not rules
    assert {row["good"] for row in parsed.count_kinds().collect()} == {1}


def test_an_audio_archive_gives_tracks_and_writes_files(spark: SparkSession, tmp_path: Path) -> None:
    for genre in ("blues", "rock"):
        sound(tmp_path / "genres" / genre / f"{genre}.00000.wav")
    tag(sound(tmp_path / "genres" / "rock" / "tagged.ogg"), title="T", artist="A")
    sound(tmp_path / "genres" / "twice" / "tagged.ogg")
    (tmp_path / "genres" / "rock" / "empty.wav").touch()
    (tmp_path / "genres" / "rock" / "link.wav").symlink_to("/etc/passwd")
    (tmp_path / "genres" / "readme.txt").write_text("x")
    with tarfile.open(tmp_path / "genres.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "genres", "genres")
    with pytest.raises(SourceError, match="audio_folder"):
        read(spark, tmp_path / "genres.tar.gz", labels="folder")
    folder = tmp_path / "audio"
    rows, _, parsed = read(
        spark, tmp_path / "genres.tar.gz", labels="folder", tags=True, audio_folder=str(folder), namespace="g"
    )
    assert {name: row["label"] for name, row in rows.items()} == {
        "g:blues.00000": "blues", "g:rock.00000": "rock", "g:tagged": "rock",
    }  # fmt: skip
    assert rows["g:tagged"]["artist"] == "A"
    for row in rows.values():
        assert hashlib.sha256(Path(row["path"]).read_bytes()).hexdigest() == row["content_hash"]
    assert len(list(folder.rglob("*.*"))) == 2  # the two .wav are the same sound
    assert sorted(row["rule"] for row in parsed.rejected.collect()) == ["empty_file", "not_a_file", "same_id"]
    (row,) = parsed.count_kinds().collect()
    assert (row["good"], row["quarantined"], row["blank"]) == (3, 3, 5)
    files = [str(tmp_path / "genres.tar.gz")]
    assert FORMATS["audio_tree"].count(spark, Source("a", "audio_tree", files[0]), files) == {files[0]: 11}


def test_duplicate_names_need_ids_by_path(spark: SparkSession, tmp_path: Path) -> None:
    for album in ("one", "two"):
        sound(tmp_path / album / "01.wav")
    assert set(read(spark, tmp_path, ids="path", namespace="me")[0]) == {"me:one/01", "me:two/01"}
    assert read(spark, tmp_path)[1] == {"01.wav": "same_id"}


def test_unusual_tags_are_normalized(tmp_path: Path) -> None:
    file = sound(tmp_path / "a.mp3")
    tags = id3.ID3()
    tags.add(id3.TIT2(encoding=0, text=["Björk".encode().decode("latin-1")]))
    tags.add(id3.TPE1(encoding=1, text=["", "Second\0"]))
    tags.add(id3.TCON(encoding=3, text=["(17)"]))
    tags.add(id3.TDRC(encoding=3, text=["0000"]))
    tags.add(id3.TALB(encoding=3, text=["x" * 5000]))
    tags.save(file)
    assert read_tags(str(file)) == {"title": "Björk", "artist": "Second", "label": "Rock"}
    assert [fix_mojibake(text) for text in ("Sigur Rós", "東京", "BjÃ¶rk")] == ["Sigur Rós", "東京", "Björk"]


@pytest.mark.parametrize("options", [{"ids": "stem"}, {"tags": "yes"}, {"labels": "x"}])
def test_an_invalid_option_raises_with_its_name(options: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=next(iter(options))):
        validated(FORMATS["audio_tree"].options, options, "sources.toml, source 1")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["mp3", "flac", "ogg", "wav", "m4a"]),
    flips=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=12), truncate_at=st.integers(0, 3000),
)  # fmt: skip
def test_damaged_tags_never_raise(
    tmp_path_factory: pytest.TempPathFactory, kind: str, flips: list[tuple[int, int]], truncate_at: int
) -> None:
    intact = tmp_path_factory.getbasetemp() / f"intact.{kind}"
    if not intact.exists():
        source = sound(intact.with_suffix(".flac" if kind == "m4a" else intact.suffix))
        if kind in ("mp3", "flac", "ogg"):
            tag(source, title="T", artist="A", date="1999", genre="Rock")
        if kind == "m4a":
            intact.write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + b"\0\0\0\x10moov\0\0\0\x08udta" * 20)
    content = bytearray(intact.read_bytes()[:truncate_at] if truncate_at > 200 else intact.read_bytes())
    for offset, value in flips:
        content[offset % len(content)] = value
    file = intact.with_name(f"damaged.{kind}")
    file.write_bytes(content)
    assert all(isinstance(value, str | int) for value in read_tags(str(file)).values())


def frame_of(name: bytes, data: bytes, version: int, flags: int = 0) -> bytes:
    size = len(data)
    encoded_size = bytes((size >> 7 * n) & 127 for n in (3, 2, 1, 0)) if version == 4 else struct.pack(">I", size)
    return name + encoded_size + struct.pack(">H", flags) + data


def id3_of(frames: bytes, version: int, flags: int = 0, size: int | None = None) -> bytes:
    size = len(frames) if size is None else size
    tag = b"ID3" + bytes([version, 0, flags]) + bytes((size >> 7 * n) & 127 for n in (3, 2, 1, 0)) + frames
    return tag + (b"\xff\xfb\x90\0" + bytes(413)) * 5  # and some MPEG frames of silence


def riff(tag: bytes, size: int) -> bytes:
    """Return a .wav whose last chunk, of a declared size, is the tag."""
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 2**31, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    return head + struct.pack("<4sI", b"data", 8) + bytes(8) + struct.pack("<4sI", b"ID3 ", size) + tag


ZEROS = zlib.compress(bytes(400 * 1024**2), 1)
TITLE = {version: frame_of(b"TIT2", b"\x03Song", version) for version in (3, 4)}
FLAC = b"fLaC\0\0\0\x22" + bytes.fromhex("100010000000000000000ac440f0000003e8") + bytes(16)
BOMBS: dict[str, Callable[[], bytes]] = {
    "packed3.mp3": lambda: id3_of(frame_of(b"TPE1", struct.pack(">I", 5) + ZEROS, 3, 0x80) + TITLE[3], 3),
    "packed4.mp3": lambda: id3_of(frame_of(b"TPE1", bytes(4) + ZEROS, 4, 0x09) + TITLE[4], 4),
    "packed.wav": lambda: riff(id3_of(frame_of(b"TPE1", bytes(4) + ZEROS, 4, 0x09) + TITLE[4], 4), 2**31 - 100),
    "picture.mp3": lambda: id3_of(TITLE[3] + frame_of(b"APIC", b"\0image/png\0\3\0" + bytes(6 * 1024**2), 3), 3),
    "vast.mp3": lambda: id3_of(TITLE[3] + frame_of(b"APIC", b"\0image/png\0\3\0" + bytes(100 * 1024**2), 3), 3),
    "lying.mp3": lambda: id3_of(TITLE[3], 3, size=2**28 - 1),
    "text.mp3": lambda: id3_of(frame_of(b"TPE1", b"\x03" + b"a" * 6 * 1024**2, 4) + TITLE[4], 4),
    "frames.mp3": lambda: id3_of(TITLE[3] + frame_of(b"XYZA", b"a", 3) * 600_000, 3),
    "spread.mp3": lambda: id3_of(TITLE[3] + b"\xff\x00" * 3 * 1024**2, 3, 0x80),
    "picture.flac": lambda: FLAC + b"".join(b"\6\xff\xff\xff" + bytes(2**24 - 1) for _ in range(4)),
    "blocks.flac": lambda: FLAC + b"\1\0\0\0" * 3 * 1024**2,
    "comments.flac": lambda: FLAC + b"\x84\x7a\xac\x48" + struct.pack("<II", 0, 1_340_000) + b"\2\0\0\0a=" * 1_340_000,
    "atoms.m4a": lambda: (
        b"\0\0\0\x14ftypM4A \0\0\0\0M4A " + struct.pack(">I4sQ", 1, b"moov", 2**40) + b"\0\0\0\x08free" * 10**6
    ),
    "chunk.aiff": lambda: b"FORM\x7f\xff\xff\xffAIFFID3 \x7f\xff\xff\xf0" + id3_of(TITLE[3], 3, size=2**28 - 1),
}


@pytest.mark.parametrize("name", BOMBS)
def test_hostile_tags_are_read_in_bounded_memory_and_time(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(BOMBS[name]())
    start = time.process_time()
    tracemalloc.start()
    try:
        tags = read_tags(str(file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 192 * 1024**2, f"{peak / 1024**2:.0f} MiB"
    assert time.process_time() - start < 20
    assert tags in ({}, {"title": "Song"})
    # a large picture is skipped; a compressed or huge frame loses only itself
    assert bool(tags) == (name in ("packed3.mp3", "packed4.mp3", "packed.wav", "picture.mp3", "text.mp3")), tags


def test_tags_describe_tracks_without_a_catalogue_entry(spark: SparkSession) -> None:
    fields = "track_id string, song_id string, title string, artist_id string, artist string"
    tracks = spark.createDataFrame([("known", None, "Catalogue", None, "C")], fields)
    audio = spark.createDataFrame(
        [
            ("known", "Tag", "T"),
            ("new", "a", None),
            ("new", "z", "Artist"),
            ("new", None, "Artist"),
            ("bare", "name", None),
        ],
        "track_id string, title string, artist string",
    )
    played = spark.createDataFrame([("new",), ("played",), ("known",)], "track_id string")
    rows = {row["track_id"]: row for row in add_undescribed_tracks(tracks, audio, played).collect()}
    values = {name: (row["title"], row["artist"], row["origin"]) for name, row in rows.items()}
    assert values == {
        "known": ("Catalogue", "C", "catalogue"), "new": ("z", "Artist", "audio"), "bare": ("name", None, "audio"),
        "played": (None, None, "plays"),
    }  # fmt: skip


def test_real_clips_have_ids_and_labels(spark: SparkSession) -> None:
    rows, rules, _ = read(spark, real("gtzan60"), labels="prefix", tags=True)
    assert (len(rows), len({row["label"] for row in rows.values()}), rules) == (60, 10, {})
    assert len(read(spark, real("free_music/audio"), labels="prefix", tags=True)[0]) == 153
