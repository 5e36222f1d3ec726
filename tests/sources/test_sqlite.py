"""SQLite files and CSV exports of the MSD: rows, rules, damage, and counts of the real files."""

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
from jobs.sources.formats.lastfm_similars_db import FORMAT as SIMILARS
from jobs.sources.formats.lastfm_similars_db import parse_pairs
from jobs.sources.formats.msd_artist_similarity_db import FORMAT as SIMILARITY
from jobs.sources.reading.independent_counts.sqlite_rows import count_rows, row_ids
from jobs.sources.reading.lines import READ_ERRORS
from jobs.sources.reading.sqlite import read_range
from tests.real_data import real
from tests.sources.builders import database
from tests.sources.expected_lines import by_file

ENDLESS = "CREATE VIEW songs AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
SONGS = (
    "CREATE TABLE songs (track_id text PRIMARY KEY, title text, song_id text, release text, artist_id text, artist_mbid text, "
    "artist_name text, duration real, artist_familiarity real, artist_hotttnesss real, year int)"
)


def read(spark: SparkSession, kind: str, *files: Path, **fields: Any) -> tuple[Parsed, dict[str, Any]]:
    source = Source(kind, kind, str(files[0]), **fields)
    names = [path for file in files for path in FORMATS[kind].files(Source(kind, kind, str(file), **fields))]
    counted = FORMATS[kind].count(spark, source, names)
    parsed = FORMATS[kind].parse(spark, source, names)
    parsed.lines.persist()
    counts = by_file(parsed.count_kinds(), counted)
    for row in counts.values():
        assert row["lines_in"] == row["good"] + row["quarantined"] + row["blank"]
    return parsed, {Path(file).name: row for file, row in counts.items()}


def test_track_metadata_db_gives_catalogue_rows(spark: SparkSession, tmp_path: Path) -> None:
    values = [
        ("TR1", "Undo", "SO1", "Vespertine", "AR1", "", "Björk", 338.2, 0.1, 0.2, 2001),
        ("TR2", "", "SO2", None, None, None, None, None, None, None, 0),
        ("", "nobody", "SO3", "", "", "", "", 1.0, 0, 0, 0),
        ("TR4", "no song", None, "", "", "", "", 1.0, 0, 0, 0),
        ("TR5", 1984, "SO5", b"Jump", "AR5", "", "Bj\xf6rk".encode("latin-1"), "long", 0, 0, 10**12),
    ]
    file = database(tmp_path / "track_metadata.db", SONGS, rows=[("songs", values)])
    parsed, counts = read(spark, "msd_track_metadata_db", file, namespace="msd")
    rows = {row["track_id"]: row.asDict() for row in parsed.rows.drop("file").collect()}
    assert rows["msd:TR1"] == {
        "track_id": "msd:TR1", "song_id": "SO1", "title": "Undo", "artist_id": "AR1", "artist": "Björk", "release": "Vespertine",
        "year": 2001, "duration_s": 338.2,
    }  # fmt: skip
    assert {value for name, value in rows["msd:TR2"].items() if name not in ("track_id", "song_id")} == {None}
    assert [rows["msd:TR5"][name] for name in ("title", "release", "artist", "year", "duration_s")] == [
        "1984", "Jump", "Björk", None, None,
    ]  # fmt: skip
    assert {(row["line"], row["rule"]) for row in parsed.rejected.collect()} == {(3, "missing_id"), (4, "missing_id")}
    assert (counts[file.name]["lines_in"], counts[file.name]["good"]) == (5, 3)


def test_artist_databases_give_terms_and_similar_artists(spark: SparkSession, tmp_path: Path) -> None:
    terms = database(
        tmp_path / "artist_term.db", "CREATE TABLE artist_term (artist_id TEXT, term TEXT)",
        "CREATE TABLE artist_mbtag (artist_id TEXT, mbtag TEXT)",
        rows=[("artist_term", [("AR1", "Rock"), ("AR1", " ")]), ("artist_mbtag", [("AR1", "uk"), ("", "us")])],
    )  # fmt: skip
    parsed, counts = read(spark, "msd_artist_term_db", terms)
    assert {(row["artist_id"], row["term"]) for row in parsed.rows.collect()} == {("AR1", "rock"), ("AR1", "uk")}
    assert (counts[terms.name]["lines_in"], counts[terms.name]["quarantined"]) == (4, 2)
    similar = database(
        tmp_path / "similar.db", "CREATE TABLE similarity (target TEXT, similar TEXT)",
        rows=[("similarity", [("AR1", "AR2"), ("AR2", "AR1"), ("AR3", None)])],
    )  # fmt: skip
    parsed, _ = read(spark, "msd_artist_similarity_db", similar)
    assert {(row["artist_id"], row["similar_id"]) for row in parsed.rows.collect()} == {("AR1", "AR2"), ("AR2", "AR1")}
    assert [(row["line"], row["rule"]) for row in parsed.rejected.collect()] == [(3, "missing_artist")]


def test_lastfm_databases_give_tags_and_similar_tracks(spark: SparkSession, tmp_path: Path) -> None:
    tags = database(
        tmp_path / "lastfm_tags.db", "CREATE TABLE tids (tid TEXT)", "CREATE TABLE tags (tag TEXT)",
        "CREATE TABLE tid_tag (tid INT, tag INT, val FLOAT)",
        rows=[("tids", [("TRA",), ("TRB",)]), ("tags", [("Rock",), ("",)]),
              ("tid_tag", [(1, 1, 100), (2, 1, 7.5), (3, 1, 1), (1, 2, 1), (2, 1, "much")])],
    )  # fmt: skip
    parsed, _ = read(spark, "lastfm_tags_db", tags)
    assert {(row["track_id"], row["tag"], row["weight"]) for row in parsed.rows.collect()} == {
        ("TRA", "Rock", 100.0), ("TRB", "Rock", 7.5),
    }  # fmt: skip
    assert {row["line"]: row["rule"] for row in parsed.rejected.collect()} == {
        3: "missing_id",
        4: "missing_id",
        5: "bad_weight",
    }
    listed = [("TRA", "TRB,1,TRC,0.5"), ("TRB", "TRA"), ("TRC", ""), ("", "TRA,1")]
    similars = database(
        tmp_path / "lastfm_similars.db", "CREATE TABLE similars_src (tid TEXT PRIMARY KEY, target TEXT)",
        "CREATE TABLE similars_dest (tid TEXT PRIMARY KEY, target TEXT)",
        rows=[("similars_src", listed), ("similars_dest", [("TRB", "TRA,1")])],
    )  # fmt: skip
    parsed, counts = read(spark, "lastfm_similars_db", similars)
    pairs = sorted(tuple(row)[1:] for row in parsed.rows.select("file", "track_id", "similar_id", "score").collect())
    assert pairs == [("TRA", "TRB", 1.0), ("TRA", "TRB", 1.0), ("TRA", "TRC", 0.5)]
    row = counts[similars.name]
    assert (row["lines_in"], row["good"], row["quarantined"]) == (5, 2, 3)
    assert parse_pairs("A,1,B") is None
    assert parse_pairs("A,nan") is None


def test_long_lists_are_read_in_bounded_memory(tmp_path: Path) -> None:
    listed = ",".join(f"TR{number:016d},0.{number:05d}" for number in range(500))
    rows = [(f"TR{number:016d}", listed) for number in range(1_000)]
    file = database(
        tmp_path / "long.db", "CREATE TABLE similars_src (tid TEXT, target TEXT)", rows=[("similars_src", rows)]
    )
    tracemalloc.start()
    try:
        n_rows = sum(len(frame) for frame in read_range(str(file), SIMILARS.queries[0], 1, 1_000, "x:"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_rows == 500_000
    assert peak < 64 * 1024**2, f"{peak / 1024**2:.0f} MiB"


def test_a_file_of_another_kind_raises_one_sentence(spark: SparkSession, tmp_path: Path) -> None:
    cases = {
        "text.db": ("no SQLite", "not a database"),
        "empty.db": ("", "no table songs"),
        "other.db": ("CREATE TABLE other (a)", "no table songs"),
        "narrow.db": ("CREATE TABLE songs (track_id)", "no column artist_id"),
        "view.db": (ENDLESS, "no table songs"),
        "keys.db": (SONGS + " WITHOUT ROWID", "no such column"),
    }
    for name, (content, word) in cases.items():
        file = tmp_path / name
        if name in ("text.db", "empty.db"):
            file.write_text(content * 200)
        else:
            database(file, content)
        with pytest.raises(SourceError, match=rf"{name} .*{word}"):
            FORMATS["msd_track_metadata_db"].files(Source("songs", "msd_track_metadata_db", str(file)))


def similar_artists(path: Path, rows: int) -> Path:
    values = [(f"AR{number:016d}", f"AR{number + 1:016d}") for number in range(rows)]
    return database(
        path,
        "PRAGMA page_size = 1024",
        "CREATE TABLE similarity (target TEXT, similar TEXT)",
        rows=[("similarity", values)],
    )


def test_a_truncated_or_damaged_database_raises_with_its_name(spark: SparkSession, tmp_path: Path) -> None:
    file = similar_artists(tmp_path / "similarity.db", 2000)
    content = file.read_bytes()
    assert count_rows(str(file), 2) == 2000
    assert list(row_ids(str(file), 2)) == list(range(1, 2001))
    broken = bytearray(content)
    broken[40 * 1024] = 99  # the kind of a page
    for damaged_content, word in (
        (content[: len(content) // 2], "truncated|malformed"),
        (bytes(broken), "page 41 is damaged"),
    ):
        file.write_bytes(damaged_content)
        with pytest.raises(SourceError, match=rf"similarity\.db.*({word})"):
            read(spark, "msd_artist_similarity_db", file)


def test_a_damaged_row_rejects_only_itself(spark: SparkSession, tmp_path: Path) -> None:
    file = similar_artists(tmp_path / "similarity.db", 300)
    content = bytearray(file.read_bytes())
    offset = (
        content.find(b"AR%016d" % 150) - 5
    )  # the row's length, rowid (2 bytes), and the lengths of its header's fields
    assert content[offset + 2 : offset + 3] == b"\x03"
    content[offset + 2] = 200  # a header longer than the row
    file.write_bytes(content)
    parsed, counts = read(spark, "msd_artist_similarity_db", file)
    (row,) = parsed.rejected.collect()
    assert (row["rule"], row["line"]) == ("damaged", 151)
    assert counts[file.name]["good"] == 299


@settings(max_examples=150, deadline=None, derandomize=True)
@given(flips=st.lists(st.tuples(st.integers(1024, 20_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_random_damage_of_a_database_never_raises(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    file = tmp_path_factory.getbasetemp() / "flipped.db"
    if not hasattr(test_random_damage_of_a_database_never_raises, "content"):
        file.unlink(missing_ok=True)
        test_random_damage_of_a_database_never_raises.content = similar_artists(file, 300).read_bytes()  # type: ignore[attr-defined]
    content = bytearray(test_random_damage_of_a_database_never_raises.content)  # type: ignore[attr-defined]
    for offset, value in flips:
        content[offset % len(content)] = value
    content[:100] = test_random_damage_of_a_database_never_raises.content[:100]  # type: ignore[attr-defined]
    file.write_bytes(content)
    (query,) = SIMILARITY.queries
    frames = list(read_range(str(file), query, -(2**63), 2**63 - 1, ""))
    try:
        total = count_rows(str(file), 2)
    except READ_ERRORS:
        return
    assert sum(map(len, frames)) <= total + 1  # fewer: rowids out of order, which the account then shows


def test_text_exports_give_rows_and_rules(spark: SparkSession, tmp_path: Path) -> None:
    cases: dict[str, tuple[str, list[tuple[Any, ...]], dict[int, str], int]] = {
        "msd_artist_location": (
            "AR1<SEP>42.7<SEP>-84.5<SEP>TR1<SEP>The Meatmen\nAR2<SEP>91<SEP>0<SEP>TR1<SEP>x\nAR3<SEP><SEP><SEP>TR1<SEP>x\n"
            "AR4<SEP>1<SEP>1<SEP>x\n\n<SEP>1<SEP>1<SEP>TR1<SEP>x\nAR5<SEP>1<SEP>1<SEP>TR1<SEP>\n",
            [("AR1", "The Meatmen", 42.7, -84.5)],
            {2: "bad_place", 3: "bad_place", 4: "fields", 6: "missing_artist", 7: "missing_name"}, 1,
        ),
        "msd_artist_similarity": (
            'target,similar\nAR1,AR2\n"AR2","AR3"\nAR1\nAR1,\nAR1,AR2,AR3\n',
            [("AR1", "AR2"), ("AR2", "AR3")], {4: "fields", 5: "missing_artist", 6: "fields"}, 1,
        ),
        "msd_song_to_tracks": (
            "SOAAAAA12A00000001\tTRAAAAA128F0000001\tTRAAAAA128F0000002\nSOAAAAA12A00000002\nSOAAAAA12A00000003\t\n"
            "SOAAAAA12A00000004\tTR\nSONG\tTRAAAAA128F0000001\n \n",
            [("SOAAAAA12A00000001", "TRAAAAA128F0000001"), ("SOAAAAA12A00000001", "TRAAAAA128F0000002")],
            {4: "bad_track", 5: "bad_song"}, 1,
        ),
        "msd_summary_csv": (
            "year,track_id,song_id,title,artist_id,artist_name,release,duration,key\n"
            '2001,TR1,SO1,"Hello, ""you""",AR1,Björk,Debut,61.5,3\n0,TR2,SO2,,,,,0,\nx,TR3,SO3,,,,,1,\n1999,TR4,SO4,,,,,x,\n'
            "1999,,SO5,,,,,1,\n1999,TR6,,,,,,1,\n1999,TR7\n"
            '1999,TR8,SO8,"two\nlines",,,,1,\n',
            [("TR1", "SO1", 'Hello, "you"', "AR1", "Björk", "Debut", 2001, 61.5), ("TR2", "SO2", *[None] * 6)],
            {4: "bad_year", 5: "bad_duration", 6: "missing_track", 7: "missing_song", 8: "fields", 9: "fields", 10: "fields"}, 1,
        ),
        "genre_labels": (  # as CD2C and MAGD, MASD have it: a label, no second one, comments above
            "# tagtraum\n#\nTRAAAAK128F9318786\tPop_Rock\nTRAAAAW128F429D538\tMetal_Alternative\r\nTRAAAAW128F429D538\n",
            [("TRAAAAK128F9318786", "Pop_Rock", 1), ("TRAAAAW128F429D538", "Metal_Alternative", 1)], {5: "fields"}, 2,
        ),
    }  # fmt: skip
    for kind, (content, rows, rules, blank) in cases.items():
        file = tmp_path / f"{kind}.txt"
        file.write_text(content)
        parsed, counts = read(spark, kind, file)
        assert sorted(tuple(row)[1:] for row in parsed.rows.collect()) == sorted(rows), kind
        from jobs.sources.ingest.accounts import quarantine_rows

        rejected = quarantine_rows(parsed, Source(kind, kind, str(file))).collect()
        assert {row["line"]: row["rule"] for row in rejected} == rules, kind
        assert counts[file.name]["blank"] == blank, kind


def test_a_summary_csv_without_a_required_field_raises(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("track_id,title\n")
    with pytest.raises(SourceError, match=r"a\.csv has no field artist_id"):
        FORMATS["msd_summary_csv"].files(Source("csv", "msd_summary_csv", str(tmp_path / "a.csv")))


@pytest.mark.parametrize(
    ("kind", "path", "good", "rows"),
    [
        ("msd_artist_terms", "msd/subset_artist_mbtag.csv", 3_809, 3_809),
        ("msd_artist_similarity", "msd/subset_artist_similarity.csv", 42_969, 42_969),
        ("msd_artist_location", "msd/subset_artist_location.txt", 1_402, 1_402),
        ("msd_summary_csv", "msd/msd_2000_tracks.csv", 2_000, 2_000),
    ],
)
def test_real_files_have_the_expected_row_counts(
    spark: SparkSession, kind: str, path: str, good: int, rows: int
) -> None:
    parsed, counts = read(spark, kind, real(path))
    (row,) = counts.values()
    assert (row["good"], row["quarantined"], parsed.rows.count()) == (good, 0, rows)
