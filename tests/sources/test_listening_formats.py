"""Last.fm-1K and -360K, the Taste Profile and the challenge based on it: the result of every line."""

import hashlib
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.sources.config import load_sources
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from tests.real_data import real
from tests.sources.expected_lines import BLANK, GOOD, as_rows, parse, rows_of

ARTIST, TRACK = "a3cb23fc-acd3-4ce0-8f36-1e5aa6a18432", "f1b1cf71-bd35-4e99-8624-24a6e15f133a"
SHA = "00000c289a1829a808ac09c00daf10bc3c4e223b"


def hashed(*names: str) -> str:
    return "name-" + hashlib.sha256("\t".join(names).encode()).hexdigest()[:32]


PLAYS = [
    ("user\ttimestamp\tartist_id\tartist\tartist_id\tsong", BLANK),
    (f"user_1\t2009-05-04T23:08:57Z\t{ARTIST}\tBjörk\t{TRACK}\tUndo", GOOD),
    ("user_1\t2009-05-05T00:01:00Z\t\tDeep Dish\t\tFuck Me Im Famous (Pacha Ibiza)", GOOD),
    ("", BLANK),
]


def test_lastfm_1k_gives_plays(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        *PLAYS,
        ("user_1\t2009-05-04T23:08:57Z\ta\tb\tc", "fields"),
        ("user_1\t2009-05-04T23:08:57Z\ta\tb\tc\td\te", "fields"),
        (f"\t2009-05-04T23:08:57Z\t{ARTIST}\tBjörk\t{TRACK}\tUndo", "missing_user"),
        (f"user_1\t2009-05-04T23:08:57Z\t{ARTIST}\tBjörk\t\t", "missing_track"),
        (f"user_1\t04/05/2009\t{ARTIST}\tBjörk\t{TRACK}\tUndo", "bad_time"),
        (f"user_1\t1970-01-01T00:00:00Z\t{ARTIST}\tBjörk\t{TRACK}\tUndo", "before_2000"),
    ]
    rows = rows_of(spark, "lastfm_1k", tmp_path / "plays.tsv", lines, namespace="lfm")
    assert {(row["user_id"], row["track_id"], row["played_at"].isoformat(), row["dt"]) for row in rows} == {
        ("lfm:user_1", f"lfm:{TRACK}", "2009-05-04T23:08:57", date(2009, 5, 4)),
        (
            "lfm:user_1",
            "lfm:" + hashed("Deep Dish", "Fuck Me Im Famous (Pacha Ibiza)"),
            "2009-05-05T00:01:00",
            date(2009, 5, 5),
        ),
    }
    source = Source("s", "lastfm_1k", str(tmp_path / "plays.tsv"))
    assert FORMATS["lastfm_1k"].newest_date(source) == date(2009, 5, 5)


def test_lastfm_1k_gives_a_catalogue(spark: SparkSession, tmp_path: Path) -> None:
    lines = [*PLAYS, (f"user_2\tnever\t{ARTIST}\tBjörk\t\t", "missing_track"), ("one field", "fields")]
    rows = rows_of(spark, "lastfm_1k_tracks", tmp_path / "plays.tsv", lines)
    assert {(row["track_id"], row["title"], row["artist_id"], row["artist"]) for row in rows} == {
        (TRACK, "Undo", ARTIST, "Björk"),
        (hashed("Deep Dish", "Fuck Me Im Famous (Pacha Ibiza)"), "Fuck Me Im Famous (Pacha Ibiza)", None, "Deep Dish"),
    }


def test_lastfm_360k_gives_counts_per_artist(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        ("user-mboxsha1\tmusicbrainz-artist-id\tartist-name\tplays", BLANK),
        (f"{SHA}\t{ARTIST}\tbetty blowtorch\t2137", GOOD),
        (f'{SHA}\t\tdie "Ärzte"\t1099', GOOD),
        (f"{SHA}\t{ARTIST}\t\t7", GOOD),
        (f"sep 20, 2008\t{ARTIST}\tturbostaat\t12", "bad_user"),
        (f"\t{ARTIST}\tturbostaat\t12", "missing_user"),
        (f"{SHA}\t\t\t12", "missing_artist"),
        (f"{SHA}\t{ARTIST}\tturbostaat\t0", "bad_count"),
        (f"{SHA}\t{ARTIST}\tturbostaat\tmany", "bad_count"),
        (f"{SHA}\t{ARTIST}\tturbostaat", "fields"),
    ]
    rows = rows_of(spark, "lastfm_360k", tmp_path / "plays.tsv", lines, namespace="lfm")
    assert rows == [
        {"user_id": f"lfm:{SHA}", "artist_id": f"lfm:{ARTIST}", "artist": None, "plays": 7},
        {"user_id": f"lfm:{SHA}", "artist_id": f"lfm:{ARTIST}", "artist": "betty blowtorch", "plays": 2137},
        {"user_id": f"lfm:{SHA}", "artist_id": "lfm:" + hashed('die "Ärzte"'), "artist": 'die "Ärzte"', "plays": 1099},
    ]


def test_lastfm_360k_gives_profiles(spark: SparkSession, tmp_path: Path) -> None:
    other = SHA.replace("0", "1")
    lines = [
        ("user-mboxsha1\tgender\tage\tcountry\tsignup", BLANK),
        (f"{SHA}\tf\t22\tGermany\tFeb 1, 2007", GOOD),
        (f"{other}\t\t-1337\tCanada\tDec 4, 2007", GOOD),
        ("sep 20, 2008\tm\t\tGermany\tFeb 1, 2007", "bad_user"),
        (f"{SHA}\tf\t22\tGermany", "fields"),
        (f"{SHA}\tf\told\tGermany\tFeb 1, 2007", "bad_age"),
    ]
    rows = rows_of(spark, "lastfm_360k_profiles", tmp_path / "profile.tsv", lines)
    assert rows == [
        {"user_id": SHA, "gender": "f", "age": 22, "country": "Germany", "registered": date(2007, 2, 1)},
        {"user_id": other, "gender": None, "age": None, "country": "Canada", "registered": date(2007, 12, 4)},
    ]


@pytest.mark.parametrize("kind", ["taste_profile", "msd_challenge_visible", "msd_challenge_hidden"])
def test_triplets_may_be_separated_by_tab_or_space(spark: SparkSession, tmp_path: Path, kind: str) -> None:
    user, song = "fd50c4007b68a3737fe052d5a4f78ce8aa117f3d", "SOBONKR12A58A7A7E0"
    lines = [
        (f"{user}\t{song}\t1", GOOD),
        (f"{user} SOEGIYH12A6D4FC0E3 17\r", GOOD),
        (f"{user}\t{song}", "fields"),
        (f"{user}\tTRAEHHJ12903CF492F\t1", "bad_song"),
        (f"{user}\t{song}\t-1", "bad_count"),
    ]
    rows = rows_of(spark, kind, tmp_path / "triplets.txt", lines, namespace="n")
    assert rows == [
        {"user_id": f"n:{user}", "song_id": song, "plays": 1},
        {"user_id": f"n:{user}", "song_id": "SOEGIYH12A6D4FC0E3", "plays": 17},
    ]


def test_hidden_triplets_have_a_table_of_their_own() -> None:
    assert FORMATS["msd_challenge_visible"].table == "play_counts"
    assert FORMATS["msd_challenge_hidden"].table == "hidden_play_counts"


@pytest.mark.parametrize("kind", ["lastfm_360k", "msd_challenge_visible", "msd_challenge_hidden"])
def test_counts_without_as_of_raise(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "sources.toml"
    text = f'name = "x"\ngenres = "pmrs7"\n[[source]]\nformat = "{kind}"\npath = "p"\n'
    file.write_text(text)
    with pytest.raises(SourceError, match="as_of"):
        load_sources(file)
    file.write_text(text + "as_of = 2012-05-01\n")
    assert load_sources(file).sources[0].as_of == date(2012, 5, 1)


def test_real_lastfm_1k_plays_have_the_expected_counts(spark: SparkSession) -> None:
    path = real("lastfm1k/userid-timestamp-artid-artname-traid-traname.tsv")
    parsed, row = parse(spark, "lastfm_1k", path)
    assert (row["lines_in"], row["good"], row["blank"], row["quarantined"]) == (86, 85, 1, 0)
    named_plays = [play for play in as_rows(parsed.rows, "events") if play["track_id"].startswith("name-")]
    assert len(named_plays) == 48  # awk -F'\t' 'NR > 1 && $5 == ""'
    tracks, row = parse(spark, "lastfm_1k_tracks", path)
    assert (row["good"], row["quarantined"]) == (85, 0)
    titles = {track["title"] for track in as_rows(tracks.rows.distinct(), "source_tracks")}
    assert {"Someday (Feat. Lisa Shaw)", "Move Me [Feat. Soliloquy]"} <= titles


def test_real_lastfm_1k_profiles_have_the_expected_counts(spark: SparkSession) -> None:
    parsed, row = parse(spark, "user_profiles", real("lastfm1k/userid-profile.tsv"))
    assert (row["lines_in"], row["good"], row["blank"]) == (993, 992, 1)
    users = as_rows(parsed.rows, "users")
    # awk: 706 without an age; 3 and 4 are ages that people typed, and within bounds
    assert sum(user["age"] is None for user in users) == 706
    assert users[0] == {
        "user_id": "user_000001",
        "gender": "m",
        "age": None,
        "country": "Japan",
        "registered": date(2006, 8, 13),
    }
