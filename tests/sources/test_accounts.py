"""Every line of every text format is good, quarantined or blank, whatever bytes it is made of; real files count right."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.sources.config import load_sources, newest_date
from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS
from jobs.sources.ingest.accounts import account, quarantine_rows
from tests.real_data import real
from tests.sources.literal import accounts, by_file

BATCHES = (
    ("app_log", "table", "lastfm_1k", "lastfm_1k_tracks", "lastfm_360k", "lastfm_360k_profiles"),
    ("msd_unique_tracks", "msd_unique_artists", "msd_artist_terms", "msd_mismatches", "msd_summary_csv", "msd_artist_location"),
    ("msd_artist_similarity", "msd_song_to_tracks", "genre_labels", "user_profiles", "deletions"),
    ("taste_profile", "msd_challenge_visible", "msd_challenge_hidden", "fma_genres", "fma_tracks"),
    ("kkbox_train", "kkbox_songs", "kkbox_song_extra_info", "kkbox_members"),
    ("thirty_music_sessions", "thirty_music_loves", "thirty_music_playlists"),
    ("thirty_music_tracks", "thirty_music_persons", "thirty_music_users"),
)
"""Every text format; those of a line are parsed in one Spark action."""
SUFFIX = {"app_log": ".jsonl", "msd_artist_terms": ".csv", "genre_labels": ".cls", "user_profiles": ".tsv"}
OPTIONS: dict[str, dict[str, Any]] = {
    "table": {"columns": {"user": "u", "track": "t", "time": "s"}, "names": ["u", "t", "s"], "time_unit": "s"}
}
HEAD = {
    "msd_summary_csv": b"track_id,song_id,title,artist_id,artist_name,release,year,duration\n",
    "fma_tracks": b",album,album,artist,artist,track,track,track,track\n,date_released,title,id,name,duration,genre_top,genres_all,"
    b"title\ntrack_id,,,,,,,,\n",
}
"""Without these first lines the file is refused before its lines are looked at."""
PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"\n", b"\r\n", b"\t", b" ", b"<SEP>", b"#", b'{"user_id": "u"}', b"[]", b"\xef\xbb\xbf", b"\xff", b"TRAAAAA128F0000001",
         b"SOAAAAA12A00000001", b"7", b'"', b",", b"Feb 24, 2006", b"ERROR: <", b"\x00", b"\r",
         b'event.session\t1\t1390231051\t{"numtracks":1} {"subjects":[{"id":1}],"objects":[{"id":2,"playstart":0}]}']
    ),
)


def read(spark: SparkSession, kind: str, *files: Path, **options: Any) -> tuple[Parsed, dict[str, Any]]:
    """The format's answer for some files, and the account of each file by its name."""
    source = Source(kind, kind, str(files[0].parent if len(files) > 1 else files[0]), options=options)
    names = [str(file) for file in files]
    handler = FORMATS[kind]
    counted = handler.count(spark, source, names)
    parsed = handler.parse(spark, source, names)
    return parsed, {Path(file).name: row for file, row in by_file(parsed.account(), counted).items()}


def any_bytes() -> list[bytes]:
    """Contents of files as hypothesis thinks of them, the same ones each time: all drawn before Spark starts on them."""
    found = []

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(content=st.lists(PIECES, max_size=30).map(b"".join))
    def draw(content: bytes) -> None:
        found.append(content)

    draw()
    return sorted(set(found))


def test_every_text_format_meets_any_bytes() -> None:
    """Who registers a format says here whether it reads lines of text; the others have fuzzing of their own."""
    other = {"audio_tree", "crawl", "lastfm_similars_db", "lastfm_tags_db", "msd_artist_similarity_db", "msd_artist_term_db",
             "msd_h5", "msd_track_metadata_db"}  # fmt: skip
    assert {kind for batch in BATCHES for kind in batch} == set(FORMATS) - other


@pytest.mark.slow
@pytest.mark.parametrize("kinds", BATCHES, ids=lambda kinds: kinds[0])
def test_any_bytes_are_accounted_for(spark: SparkSession, tmp_path: Path, kinds: tuple[str, ...]) -> None:
    asked, written = [], {}
    drawn = any_bytes()
    assert len(drawn) > 30
    for kind in kinds:
        folder = tmp_path / kind
        folder.mkdir()
        contents = {str(folder / f"{n}{SUFFIX.get(kind, '.txt')}"): HEAD.get(kind, b"") + some for n, some in enumerate(drawn)}
        for path, content in contents.items():
            Path(path).write_bytes(content)
        asked.append((Source(kind, kind, next(iter(contents)), options=OPTIONS.get(kind, {})), list(contents)))
        written.update(contents)
    found = accounts(spark, asked)
    assert set(found) == set(written)
    for path, content in written.items():
        row = found[path]
        text = content.removeprefix(b"\xef\xbb\xbf")  # a byte order mark is no line
        by_hand = text.count(b"\n") + (len(text) > 0 and not text.endswith(b"\n"))
        told = (row["lines_in"], row["good"] + row["quarantined"] + row["blank"])
        assert told == (by_hand, by_hand), f"{path} with the bytes {content!r}"


def test_app_log_rules(spark: SparkSession, tmp_path: Path) -> None:
    good = {"user_id": "u", "track_id": "t", "event": "play", "played_at": "2026-11-14T10:00:00Z"}
    lines: list[tuple[str, str | None]] = [
        (json.dumps(good), None),
        (json.dumps(good), None),
        (json.dumps(good | {"event": "rate", "rating": 5}), None),
        (json.dumps(good | {"played_at": "2026-11-11T23:00:00Z"}), None),
        (json.dumps({"user_id": "gone", "event": "delete", "played_at": "2026-11-14T10:00:00Z"}), None),
        ("{", "not_json"),
        ("[1]", "not_object"),
        (json.dumps(good | {"user_id": ""}), "missing_user"),
        (json.dumps(good | {"track_id": None}), "missing_track"),
        (json.dumps(good | {"event": "dance"}), "unknown_event"),
        (json.dumps(good | {"played_at": "soon"}), "bad_time"),
        (json.dumps(good | {"played_at": "1970-01-01T00:00:00Z"}), "before_2000"),
        (json.dumps(good | {"played_at": "2026-11-15T00:11:00Z"}), "after_receipt"),
        (json.dumps(good | {"event": "rate", "rating": 9}), "bad_rating"),
        (json.dumps(good | {"ms_played": -1}), "bad_ms_played"),
        ("", None),
    ]
    folder = tmp_path / "dt=2026-11-14"
    folder.mkdir()
    file = folder / "part-0.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(line for line, _ in lines).encode() + b"\n"))
    parsed, counts = read(spark, "app_log", file)
    rejected = quarantine_rows(parsed, Source("app", "app_log", str(file))).collect()
    assert {row["line"]: row["rule"] for row in rejected} == {n: rule for n, (_, rule) in enumerate(lines, 1) if rule}
    assert (counts[file.name]["good"], counts[file.name]["blank"]) == (5, 1)
    assert parsed.deletions is not None
    assert parsed.deletions.count() == 1
    once = parsed.rows.dropDuplicates(["dt", "user_id", "track_id", "event", "played_at"])
    counted = FORMATS["app_log"].count(spark, Source("app", "app_log", str(file)), [str(file)])
    # the one account that is too rotten to pass: ten of fifteen lines
    with pytest.raises(SourceError, match="10 of 15 lines break a rule"):
        account(Source("app", "app_log", str(file)), counted, parsed, once)


def test_a_truncated_gz_is_named(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "dt=2026-11-14"
    folder.mkdir()
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(os.urandom(9000))[:4000])
    with pytest.raises(SourceError, match=r"a\.jsonl\.gz"):
        read(spark, "app_log", folder / "a.jsonl.gz")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('genres = "pmrs7"', "name"),
        ('name = "x"\ngenres = "pmrs7"', "source"),
        ('name = "x"\ngenres = "pmrs7"\n[[source]]\nformat = "polka"\npath = "p"', "polka"),
        ('name = "x"\ngenres = "pmrs7"\n[[source]]\nformat = "taste_profile"\npath = "p"', "as_of"),
        ('name = "x"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "${PMRS_NOT_SET}/x"', "PMRS_NOT_SET"),
        ("name = ", "TOML"),
        ('name = "x"\ngenres = "pmrs7"\n[[source]]\nname = "mel"\nformat = "audio_tree"\npath = "p"', "of a job"),
    ],
)
def test_a_bad_sources_file_is_one_clear_sentence(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(text)
    with pytest.raises(SourceError, match=word):
        load_sources(file)


def test_sources_without_dates_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.cls").write_text("TRAAAAA128F0000001\tRock\n")
    file = tmp_path / "sources.toml"
    file.write_text('name = "x"\ngenres = "pmrs7"\n[[source]]\nformat = "genre_labels"\npath = "labels.cls"\n')
    with pytest.raises(SourceError, match="as_of"):
        newest_date(load_sources(file))


@pytest.mark.parametrize(
    ("kind", "path", "good"),
    [
        ("taste_profile", "taste_profile/topUsers_10000.txt", 39_017),
        ("msd_unique_tracks", "msd/subset_unique_tracks.txt", 9_971),
        ("msd_unique_tracks", "taste_profile/songlist.txt", 20_001),
        ("msd_mismatches", "msd/sid_mismatches.txt", 19_094),
        ("genre_labels", "msd/msd_tagtraum_cd1.cls", 133_676),
        ("msd_unique_artists", "msd/subset_unique_artists.txt", 3_888),
        ("msd_artist_terms", "msd/subset_artist_term.csv", 97_493),
    ],
)
def test_real_files_have_the_rows_that_were_counted_by_hand(spark: SparkSession, kind: str, path: str, good: int) -> None:
    _, counts = read(spark, kind, real(path))
    (row,) = counts.values()
    assert (row["good"], row["quarantined"]) == (good, 0)
