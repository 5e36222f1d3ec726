"""Tables of the artist level: similar tracks and artists, artist radio and daily mixes."""

from pathlib import Path
from unittest.mock import patch

import pytest
from pyspark.sql import SparkSession

from jobs.artists import artists
from jobs.artists.config import ArtistsConfig
from jobs.artists.features import load_features
from jobs.artists.mixes import FAVOURITE
from jobs.artists.radio import build_top_tracks
from jobs.context import JobContext, Night
from jobs.errors import SourceError
from jobs.job_config import build_config
from jobs.lake import collect
from jobs.settings import Settings
from tests.artists.small_catalogue import DAY, rows_of, small_tables, write_tables


def test_similar_tracks_share_a_group_and_their_reason_follows_from_the_cosines(night: Night) -> None:
    rows = rows_of(night, "similar_tracks")
    assert {row["track_id"] for row in rows} == {f"t{a}.{n}" for a in range(9) for n in range(4)} - {"t8.3"} | {"x", "y", "n"}
    first = {row["track_id"]: row for row in rows if row["rank"] == 1}
    assert first["x"]["similar_id"].startswith(("t0", "t1", "t2", "n"))
    assert {"played by the same people", "sounds similar", "both Rock"} == set(first["x"]["why"].split(", "))
    assert first["t8.0"]["cos_audio"] is None
    assert first["t8.0"]["similar_id"][1] in "678"
    assert all(0.1 <= row["score"] <= 1 and row["track_id"] != row["similar_id"] for row in rows)
    for row in rows:
        cosines = {name: row[f"cos_{name}"] for name in ("collaborative", "audio", "genre")}
        weighted = {name: cosines[name] * (2 if name == "collaborative" else 1) for name in cosines if cosines[name] is not None}
        assert weighted[row["top_modality"]] == pytest.approx(max(weighted.values()), abs=1e-4)
        assert row["score"] == pytest.approx(sum(weighted.values()) / 4, abs=1e-3)


def test_similar_artists_share_a_group_and_artists_without_a_name_have_none(night: Night) -> None:
    rows = rows_of(night, "similar_artists")
    nearest = {row["artist_id"]: row["similar_id"] for row in rows if row["rank"] == 1}
    assert set(nearest) == {f"a{artist}" for artist in range(9)} | {"name:Nameless"}
    group = {f"a{artist}": artist // 3 for artist in range(9)} | {"name:Nameless": 0}
    assert all(group[one] == group[other] for one, other in nearest.items())
    named = next(row for row in rows if row["artist_id"] == "name:Nameless")
    assert (named["artist"], named["similar_artist"][:6]) == ("Nameless", "Artist")


def test_radio_starts_with_the_artist_and_alternates_artists(night: Night) -> None:
    rows = rows_of(night, "artist_radio", "artist_id = 'a0'")
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    owner = [row["track_id"].split(".")[0].replace("t", "a") for row in rows]
    assert owner[0] == "a0"
    assert max(owner.count(one) for one in owner) == 3
    assert owner[1] != "a0"
    assert len({row["track_id"] for row in rows}) == len(rows)
    assert rows[0]["track_id"] == "t0.0", "the one of most listeners"
    assert rows[1]["why"].startswith(("Artist", "Nameless"))
    assert " is similar to Artist 0: " in rows[1]["why"]


def test_mix_is_a_cluster_of_liked_tracks_with_similar_unseen_ones(night: Night) -> None:
    rows = rows_of(night, "daily_mixes", "user_id = 'ann'")
    by_list = {name: [row for row in rows if row["list"] == name] for name in ("Rock", "Trance")}
    assert {row["list"] for row in rows} == set(by_list)
    for group, mix in enumerate(by_list.values()):
        assert [row["rank"] for row in mix] == list(range(1, len(mix) + 1))
        assert [row["seen"] for row in mix[:2]] == [True, False]
        artists_of = {int(row["track_id"][1]) // 3 for row in mix if row["track_id"].startswith("t")}
        assert artists_of == {group}
        assert {row["why"] for row in mix if row["seen"]} == {FAVOURITE}
        for row in mix:
            assert row["seen"] == (row["reason_track_id"] is None) == (row["top_modality"] is None)
            if not row["seen"]:
                assert row["why"].endswith(f"Title {row['reason_track_id']} by Artist {row['reason_track_id'][1]}")
    assert rows_of(night, "daily_mixes", "user_id = 'cid'") == []


def test_deleted_and_blocked_tracks_are_in_no_mix_of_their_user(night: Night) -> None:
    rows = rows_of(night, "daily_mixes", "user_id = 'bob'")
    assert rows
    assert not {"t0.0", "t1.1", "t2.0"} & {name for row in rows for name in (row["track_id"], row["reason_track_id"])}
    assert {"t2.0"} & {row["track_id"] for row in rows_of(night, "daily_mixes", "user_id = 'ann'")}


def test_any_number_of_tasks_gives_the_same_digests(night: Night) -> None:
    again = JobContext(night, "artists", ArtistsConfig(per_task=3))
    artists.run(again)
    digests = {m.table: m.digest for m in again.pending}
    assert set(digests) == {"similar_tracks", "similar_artists", "artist_radio", "daily_mixes"}
    assert digests == {name: night.lake.manifest(name, DAY.isoformat()).digest for name in digests}  # type: ignore[union-attr]


def test_too_large_catalogue_gives_empty_tables_and_a_warning_with_its_size(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """The night continues: lists do not need the artist level."""
    monkeypatch.setattr(collect.collect_arrow, "__defaults__", (1_000, None))
    ctx = JobContext(night, "artists", ArtistsConfig())
    with patch.object(artists.LOG, "warning") as warning:
        artists.run(ctx)
    assert "the item factors: 38 rows" in warning.call_args.kwargs["error"]
    assert [m.rows for m in ctx.pending] == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["min_likes_per_mix", "mixes", "min_rating", "audio", "per_task"])
def test_settings_below_their_minimum_raise(name: str) -> None:
    below = {"min_rating": 0.0, "audio": -1.0}.get(name, 0)
    with pytest.raises(SourceError, match=rf"^\[jobs\.artists\]: {name} must be (above 0|0 or more); it is"):
        build_config(ArtistsConfig, {name: below}, "[jobs.artists]")


def test_without_factors_and_audio_the_tables_are_empty(night: Night, tmp_path: Path) -> None:
    bare = Night(DAY, "r", night.sources, Settings(var=tmp_path), night.spark)
    rows = small_tables()
    write_tables(JobContext(bare, "literal", ArtistsConfig()), rows | {"item_factors": [], "track_descriptors": []})
    ctx = JobContext(bare, "artists", ArtistsConfig())
    artists.run(ctx)
    assert [m.rows for m in ctx.pending] == [0, 0, 0, 0]
    assert load_features(ctx, ArtistsConfig()) is None


def test_zero_neighbors_give_empty_tables(night: Night) -> None:
    ctx = JobContext(night, "artists", ArtistsConfig(neighbors=0))
    artists.run(ctx)
    assert [m.rows for m in ctx.pending] == [0, 0, 0, 0]


def test_top_tracks_have_one_track_per_song_the_most_popular(spark: SparkSession) -> None:
    tracks = [("t1", "s", "a"), ("t2", "s", "a"), ("t3", None, "a"), ("t4", None, None)]
    ratings = [("u", "t2", 1.0), ("v", "t2", 1.0), ("u", "t1", 1.0), ("u", "t3", 0.0)]
    tops = build_top_tracks(
        spark.createDataFrame(tracks, "track_id string, song_id string, artist_id string"),
        spark.createDataFrame(ratings, "user_id string, track_id string, rating double"), 1.0, 5,
    )  # fmt: skip
    assert [tuple(row) for row in tops.orderBy("artist_id", "track_rank").collect()] == [("a", "t2", 1), ("a", "t3", 2)]
