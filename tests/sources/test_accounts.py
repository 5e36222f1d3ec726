"""Every line of every text format is good, quarantined or blank, whatever its bytes; real files have the expected
counts.
"""

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
from jobs.sources.ingest.accounts import account_snapshot, quarantine_rows
from tests.real_data import real
from tests.sources.expected_lines import accounts, by_file

BATCHES = (
    ("app_log", "table", "lastfm_1k", "lastfm_1k_tracks", "lastfm_360k", "lastfm_360k_profiles"),
    (
        "msd_unique_tracks",
        "msd_unique_artists",
        "msd_artist_terms",
        "msd_mismatches",
        "msd_summary_csv",
        "msd_artist_location",
    ),
    ("msd_artist_similarity", "msd_song_to_tracks", "genre_labels", "user_profiles", "deletions"),
    ("taste_profile", "msd_challenge_visible", "msd_challenge_hidden", "fma_genres", "fma_tracks"),
    ("kkbox_train", "kkbox_songs", "kkbox_song_extra_info", "kkbox_members"),
    ("thirty_music_sessions", "thirty_music_loves", "thirty_music_playlists"),
    ("thirty_music_tracks", "thirty_music_persons", "thirty_music_users"),
)
"""Every text format; those of a batch are parsed in one Spark action."""
SUFFIX = {"app_log": ".jsonl", "msd_artist_terms": ".csv", "genre_labels": ".cls", "user_profiles": ".tsv"}
OPTIONS: dict[str, dict[str, Any]] = {
    "table": {"columns": {"user": "u", "track": "t", "time": "s"}, "names": ["u", "t", "s"], "time_unit": "s"}
}
HEAD = {
    "msd_summary_csv": b"track_id,song_id,title,artist_id,artist_name,release,year,duration\n",
    "fma_tracks": b",album,album,artist,artist,track,track,track,track\n,date_released,title,id,name,duration,genre_top,genres_all,"
    b"title\ntrack_id,,,,,,,,\n",
}
"""First lines without which a file is refused."""
PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"\n",
            b"\r\n",
            b"\t",
            b" ",
            b"<SEP>",
            b"#",
            b'{"user_id": "u"}',
            b"[]",
            b"\xef\xbb\xbf",
            b"\xff",
            b"TRAAAAA128F0000001",
            b"SOAAAAA12A00000001",
            b"7",
            b'"',
            b",",
            b"Feb 24, 2006",
            b"ERROR: <",
            b"\x00",
            b"\r",
            b'event.session\t1\t1390231051\t{"numtracks":1} {"subjects":[{"id":1}],"objects":[{"id":2,"playstart":0}]}',
        ]
    ),
)


def read(spark: SparkSession, kind: str, *files: Path, **options: Any) -> tuple[Parsed, dict[str, Any]]:
    """Return the parsed files, and the account of each by its name."""
    source = Source(kind, kind, str(files[0].parent if len(files) > 1 else files[0]), options=options)
    names = [str(file) for file in files]
    handler = FORMATS[kind]
    counted = handler.count(spark, source, names)
    parsed = handler.parse(spark, source, names)
    return parsed, {Path(file).name: row for file, row in by_file(parsed.count_kinds(), counted).items()}


def any_bytes() -> list[bytes]:
    """Return random file contents from hypothesis, the same ones every time, drawn before Spark starts."""
    contents = []

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(content=st.lists(PIECES, max_size=30).map(b"".join))
    def draw(content: bytes) -> None:
        contents.append(content)

    draw()
    return sorted(set(contents))


def test_every_text_format_is_in_a_batch() -> None:
    """A new format is added here if it reads lines of text; the others have fuzzing of their own."""
    other = {"audio_tree", "crawl", "lastfm_similars_db", "lastfm_tags_db", "msd_artist_similarity_db", "msd_artist_term_db",
             "msd_h5", "msd_track_metadata_db"}  # fmt: skip
    assert {kind for batch in BATCHES for kind in batch} == set(FORMATS) - other


@pytest.mark.slow
@pytest.mark.parametrize("kinds", BATCHES, ids=lambda kinds: kinds[0])
def test_random_bytes_are_accounted_for(spark: SparkSession, tmp_path: Path, kinds: tuple[str, ...]) -> None:
    sources, written = [], {}
    drawn = any_bytes()
    assert len(drawn) > 30
    for kind in kinds:
        folder = tmp_path / kind
        folder.mkdir()
        contents = {
            str(folder / f"{n}{SUFFIX.get(kind, '.txt')}"): HEAD.get(kind, b"") + content
            for n, content in enumerate(drawn)
        }
        for path, content in contents.items():
            Path(path).write_bytes(content)
        sources.append((Source(kind, kind, next(iter(contents)), options=OPTIONS.get(kind, {})), list(contents)))
        written.update(contents)
    counts = accounts(spark, sources)
    assert set(counts) == set(written)
    for path, content in written.items():
        row = counts[path]
        text = content.removeprefix(b"\xef\xbb\xbf")  # a byte order mark is no line
        by_hand = text.count(b"\n") + (len(text) > 0 and not text.endswith(b"\n"))
        totals = (row["lines_in"], row["good"] + row["quarantined"] + row["blank"])
        assert totals == (by_hand, by_hand), f"{path} with the bytes {content!r}"


def test_app_log_lines_break_the_expected_rules(spark: SparkSession, tmp_path: Path) -> None:
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
    # ten of fifteen lines are bad, so the account does not pass
    with pytest.raises(SourceError, match="10 of 15 lines break a rule"):
        account_snapshot(Source("app", "app_log", str(file)), counted, parsed, once)


def test_a_truncated_gz_raises_with_its_name(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "dt=2026-11-14"
    folder.mkdir()
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(os.urandom(9000))[:4000])
    with pytest.raises(SourceError, match=r"a\.jsonl\.gz"):
        read(spark, "app_log", folder / "a.jsonl.gz")


TOP = 'name = "x"\ngenres = "pmrs7"\n'
SOURCE = TOP + '[[source]]\npath = "p"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('genres = "pmrs7"\n[[source]]\n', ": the key name is missing; it must be lower-case letters"),
        (TOP, ": the key source is missing; it must be one or more tables"),
        (TOP + "source = []", ": source must be one or more tables"),
        (TOP + "colour = 1\n" + SOURCE[len(TOP) :], ": the key colour is unknown; known are name, genres"),
        (SOURCE, ", source 1: the key format is missing"),
        (SOURCE + 'format = "polka"', ", source 1: the format 'polka' is unknown"),
        (SOURCE + 'format = "app_log"\n[[source]]\nformat = "app_log"\npath = 3', ", source 2: path must be a path"),
        (SOURCE + 'format = "app_log"\nseperator = ";"', ", source 1: the key seperator is unknown; known are format"),
        (
            SOURCE + 'format = "app_log"\ntruncated = "skip"',
            r", source 1: truncated must be \"refuse\" .* it is 'skip'",
        ),
        (SOURCE + 'format = "app_log"\nnamespace = "a b"', ", source 1: namespace must be letters, digits"),
        (SOURCE + 'format = "app_log"\nname = "Log"', ", source 1: name must be lower-case letters"),
        (SOURCE + 'format = "app_log"\nas_of = 2026-11-01', ", source 1: app_log has dates of its own"),
        (
            SOURCE + 'format = "taste_profile"',
            ", source 1: taste_profile has no times; set the date of its counts: as_of",
        ),
        (SOURCE + 'format = "taste_profile"\nas_of = "2026-11-01"', ", source 1: as_of must be a plain TOML date"),
        (SOURCE + 'format = "table"\ncolumns = {user="u", track="t"}', ", source 1: the key columns.time is missing"),
        (
            SOURCE + 'format = "table"\ncolumns = {user="u", track="t", time="i", colour="c"}',
            ": the key columns.colour is unknown",
        ),
        (SOURCE + 'format = "audio_tree"\naudio_folder = "here"', ", source 1: audio_folder must be an absolute path"),
        (TOP + '[[source]]\nformat = "app_log"\npath = "${PMRS_NOT_SET}/x"', "PMRS_NOT_SET"),
        ("name = ", "is not TOML"),
        (SOURCE + 'format = "audio_tree"\nname = "mel"', ", source 1: the name 'mel' is that of a job"),
        (SOURCE + 'format = "app_log"\n[[source]]\npath = "q"\nformat = "app_log"', ": two sources are called app_log"),
    ],
)
def test_a_bad_sources_file_gives_one_sentence_with_file_table_and_key(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "sources.toml"
    file.write_text(text)
    with pytest.raises(SourceError, match=message) as error:
        load_sources(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_sources_without_dates_raise(tmp_path: Path) -> None:
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
def test_real_files_have_the_expected_row_counts(spark: SparkSession, kind: str, path: str, good: int) -> None:
    _, counts = read(spark, kind, real(path))
    (row,) = counts.values()
    assert (row["good"], row["quarantined"]) == (good, 0)
