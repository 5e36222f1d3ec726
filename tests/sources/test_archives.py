"""Archives of MSD files: every member is accounted for, however hostile the archive."""

import gzip
import io
import os
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.testing import assertDataFrameEqual

from jobs.errors import SourceError
from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.formats.msd_h5 import read_archive
from jobs.sources.reading.archives import TAR_ERRORS, iter_members
from jobs.sources.reading.independent_counts import byte_stream, tar_members
from jobs.sources.reading.lines import READ_ERRORS
from tests.real_data import real
from tests.sources.builders import hdf5
from tests.sources.expected_lines import by_file

REAL_TRACKS = ("TRAAABD128F429CF47", "TRAAADZ128F9348C2E", "TRAAAEF128F4273421", "TRAAAFD128F92F423A")


def track(letter: str) -> str:
    return f"TR{letter * 5}128F0000001"


def pack(path: Path, *entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    stream = io.BytesIO()
    with tarfile.TarFile(fileobj=stream, mode="w", format=form) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    path.write_bytes(stream.getvalue() if path.suffix == ".tar" else gzip.compress(stream.getvalue(), 1))
    return path


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(data), kind, link
    return info, data


def read(spark: SparkSession, *files: Path) -> tuple[Parsed, dict[str, Any]]:
    source = Source("msd", "msd_h5", str(files[0].parent))
    names = [str(file) for file in files]
    counted = FORMATS["msd_h5"].count(spark, source, names)
    parsed = FORMATS["msd_h5"].parse(spark, source, names)
    parsed.lines.persist()
    return parsed, {Path(file).name: row for file, row in by_file(parsed.count_kinds(), counted).items()}


def test_archive_members_are_lines_and_hostile_ones_are_rejected(spark: SparkSession, tmp_path: Path) -> None:
    entries = [
        entry("data", kind=tarfile.DIRTYPE),
        entry("data/a.h5", hdf5(track("A"))),
        entry("data/readme.txt", b"text"),
        entry("data/._a.h5", b"of macOS"),
        entry("../b.h5", hdf5(track("B"))),
        entry("/etc/c.h5", hdf5(track("C"))),
        entry("data/d.h5", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        entry("data/e.h5", kind=tarfile.LNKTYPE, link="data/a.h5"),
        entry("data/f.h5", kind=tarfile.FIFOTYPE),
        entry("data/g.h5", b"no HDF5"),
        entry("data/" + "long/" * 60 + "h.HDF5", hdf5(track("H"))),
        entry("summary.h5", hdf5(track("I"), "", track("J"))),
        entry("none.h5", hdf5()),
    ]
    files = [pack(tmp_path / "a.tar.gz", *entries), pack(tmp_path / "b.tar", *entries, form=tarfile.GNU_FORMAT)]
    parsed, counts = read(spark, *files)
    for file in files:
        rows = parsed.rows.where(parsed.rows.file == str(file)).collect()
        assert {row["track_id"] for row in rows} == {track(letter) for letter in "AHIJ"}
        assert {(row["artist"], row["year"], row["duration_s"]) for row in rows} == {("Björk", 1999, 61.5)}
        rejected = parsed.rejected.where(parsed.rejected.file == str(file)).collect()
        assert {row["line"]: row["rule"] for row in rejected} == {
            5: "unsafe_path", 6: "unsafe_path", 7: "not_a_file", 8: "not_a_file", 9: "not_a_file", 10: "bad_hdf5",
            12: "missing_id", 13: "no_track",
        }  # fmt: skip
        assert all("data/d.h5" in row["reason"] for row in rejected if row["line"] == 7)
        account = counts[file.name]
        assert (account["lines_in"], account["good"], account["quarantined"], account["blank"]) == (13, 2, 8, 3)


def test_archives_and_plain_files_are_read_together(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "A" / "B").mkdir(parents=True)
    (tmp_path / "A" / "B" / "one.h5").write_bytes(hdf5(track("B")))
    pack(tmp_path / "more.tgz", entry("x.h5", hdf5(track("C"))))
    files = FORMATS["msd_h5"].files(Source("msd", "msd_h5", str(tmp_path)))
    parsed, counts = read(spark, *map(Path, files))
    assert {row["track_id"] for row in parsed.rows.collect()} == {track("B"), track("C")}
    assert {name: row["good"] for name, row in counts.items()} == {"one.h5": 1, "more.tgz": 1}


@pytest.mark.parametrize(
    ("name", "harm", "word"),
    [
        ("a.tar.gz", lambda data: data[: len(data) // 2], "truncated"),
        ("a.tar", lambda data: data[:1700], "truncated"),
        ("a.tar", lambda data: data[:2560], "truncated"),  # at the end of a member: no end mark
        ("a.tar", lambda data: b"?" + data[1:], "damaged"),
        ("a.tar", lambda data: data + data, "second archive"),
        ("a.tar", lambda data: os.urandom(4096), "damaged"),
        ("a.tar", lambda data: b"", "truncated"),
    ],
)
def test_a_broken_archive_raises_with_its_name(
    spark: SparkSession, tmp_path: Path, name: str, harm: Any, word: str
) -> None:
    file = pack(tmp_path / name, entry("a.txt", bytes(1000)), entry("b.txt", b"b"))
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(SourceError, match=rf"{name}.*{word}"):
        read(spark, file)


def test_a_decompression_bomb_raises_in_bounded_memory(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byte_stream, "MIN_BOMB_BYTES", 32 * 1024**2)
    file = tmp_path / "bomb.tar.gz"
    info = tarfile.TarInfo("zeros.h5")
    info.size = 300 * 1024**2
    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.write(info.tobuf())
        for _ in range(300):
            stream.write(bytes(1024**2))
        stream.write(bytes(1024))
    tracemalloc.start()
    with pytest.raises(SourceError, match=r"bomb\.tar\.gz.*unpacks to more than"):
        read(spark, file)
    (member,) = iter_members(str(file), frozenset({".h5"}), limit=1024**2)
    assert (member.rule, member.data) == ("too_large", None)
    assert tracemalloc.get_traced_memory()[1] < 30 * 1024**2
    tracemalloc.stop()


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_header_of_many_megabytes_raises_in_bounded_memory(tmp_path: Path, kind: bytes) -> None:
    file = pack(tmp_path / "a.tar.gz", entry("x", bytes(40 * 1024**2), kind=kind), entry("a.h5", b"a"))
    tracemalloc.start()
    with pytest.raises(OSError, match="header of 41943040 bytes"):
        tar_members.count_members(str(file))
    with pytest.raises(TAR_ERRORS, match="header of"):
        list(iter_members(str(file), frozenset({".h5"})))
    assert tracemalloc.get_traced_memory()[1] < 8 * 1024**2
    tracemalloc.stop()


def test_an_hdf5_file_that_declares_too_much_is_rejected(spark: SparkSession, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        for name, fields in (("metadata/songs", ["artist_id", "artist_name", "release", "song_id", "title"]),
                             ("analysis/songs", ["track_id"]), ("musicbrainz/songs", [])):  # fmt: skip
            numbers = [("duration", "f8"), ("year", "i4")]
            file.create_dataset(name, (10**9,), [*((field, "S20") for field in fields), *numbers], chunks=(1000,))
    (tmp_path / "outside.h5").write_bytes(hdf5(track("A")))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        for group in ("metadata", "analysis", "musicbrainz"):
            file[group] = h5py.ExternalLink("outside.h5", group)
    parsed, counts = read(spark, tmp_path / "huge.h5", tmp_path / "link.h5")
    reasons = {Path(row["file"]).name: row["reason"] for row in parsed.rejected.collect()}
    assert "exceeds the size limit" in reasons["huge.h5"]
    assert "another file" in reasons["link.h5"]
    assert {row["quarantined"] for row in counts.values()} == {1}


BLOCKS = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from([bytes(512), bytes(1024), b"\x00", b"ustar\x0000"]),
    st.builds(
        lambda name, kind, data, form: entry(name, data, kind)[0].tobuf(form) + data + bytes(-len(data) % 512),
        st.sampled_from(["a.h5", "b/", "../c", "d/" * 60 + "e.h5", "é.h5"]),
        st.sampled_from([bytes([byte]) for byte in b"01235LKxgSV7\x00"]),
        st.sampled_from([b"", b"x" * 600, b"11 size=99\n", b"20 path=hello/w.h5\n\n", b"30 GNU.sparse.major=1\n"]),
        st.sampled_from([tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT]),
    ),
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    pieces=st.lists(BLOCKS, max_size=6),
    ends=st.booleans(),
    flips=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=2),
    packed=st.booleans(),
)
def test_tar_reader_and_counter_agree_on_random_bytes_or_the_counter_raises(
    tmp_path_factory: pytest.TempPathFactory,
    pieces: list[bytes],
    ends: bool,
    flips: list[tuple[int, int]],
    packed: bool,
) -> None:
    content = bytearray(b"".join(pieces) + bytes(1024) * ends)
    for offset, value in flips:
        if offset < len(content):
            content[offset] = value
    file = tmp_path_factory.getbasetemp() / "any.tar"
    file.write_bytes(gzip.compress(bytes(content), 1) if packed else bytes(content))
    frames = list(read_archive(str(file), ""))  # never raises
    try:
        lines = tar_members.count_members(str(file))
    except READ_ERRORS:
        return
    assert sum(len(frame[frame["kind"] != "extra"]) if "kind" in frame else len(frame) for frame in frames) == lines


def test_real_tracks_are_equal_in_a_folder_and_in_an_archive(spark: SparkSession, tmp_path: Path) -> None:
    files = [real(f"msd/{name}.h5") for name in REAL_TRACKS]
    with tarfile.open(tmp_path / "subset.tar.gz", "w:gz") as archive:
        suffixes = (".h5", ".cls", "Subset")
        archive.add(
            real("msd"), "MillionSongSubset", filter=lambda info: info if info.name.endswith(suffixes) else None
        )
    packed, counts = read(spark, tmp_path / "subset.tar.gz")
    plain, _ = read(spark, *files)
    assertDataFrameEqual(packed.rows.drop("file"), plain.rows.drop("file"), rtol=0, atol=0)
    row = counts["subset.tar.gz"]
    assert (row["lines_in"], row["good"], row["blank"]) == (6, 4, 2)
