"""The artist level on a handful of tracks: what is near, why, what is on the radio, what is in a mix, and for whom nothing is."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.artists import artists, known
from jobs.artists.config import Config
from jobs.artists.known import all_known, artist_key, namesakes
from jobs.artists.mixes import FAVOURITE, Mixing, mixes_of
from jobs.artists.radio import build_tops
from jobs.context import JobContext, Night
from jobs.errors import SourceError, TooMuch
from jobs.forget.wishes import sha256
from jobs.lake import collect, texts
from jobs.lake.collect import DRIVER_BYTES
from jobs.lake.schemas import audio, table
from jobs.settings import Settings
from jobs.sources.config import load_sources

DAY = dt.date(2026, 11, 14)
GROUPS = 3
"""Artists a0 to a8, three to a group; four tracks each. Tracks of a group have nearly the same factors and sound."""


def written(ctx: JobContext, rows: dict[str, list[dict[str, Any]]]) -> None:
    for name, some in rows.items():
        schema = table(name).read_schema
        whole = [tuple(row.get(field.name) for field in schema) for row in some]
        ctx.write(name, ctx.spark.createDataFrame(whole, schema))
    ctx.commit()


def small_world() -> dict[str, list[dict[str, Any]]]:
    """Tables of a night. a8 has no audio, track t8.3 no factors either, tracks x and y no artist; n is known by name alone."""
    draw = np.random.default_rng(2)
    directions, sounds = draw.normal(size=(GROUPS, 6)), draw.normal(size=(GROUPS, 2))
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (
        "tracks", "item_factors", "track_descriptors", "track_genres", "history", "listeners", "artist_terms/msd",
        "events/app", "deletions/wishes")}  # fmt: skip

    def track(name: str, group: int, artist_id: str | None, artist: str | None, heard: bool = True, loud: bool = True) -> None:
        rows["tracks"].append({"track_id": name, "title": f"Title {name}", "artist_id": artist_id, "artist": artist,
                               "song_id": f"S{name}", "has_audio": loud, "known_from": "catalogue"})  # fmt: skip
        genre = ("Rock", "Trance", None)[group]
        shares = [float(group == place) for place in range(2)] if genre else []
        label = {"genre": genre, "confidence": 1.0, "probabilities": shares, "source": "label"}
        rows["track_genres"].append({"track_id": name, **label})
        if heard:
            factors = (directions[group] + draw.normal(size=6) * 0.3).tolist()
            rows["item_factors"].append({"track_id": name, "factors": factors})
        if loud:
            of_group = enumerate(audio.NUMBERS)
            numbers = {column.name: float(sounds[group, place % 2] + draw.normal() * 0.2) for place, column in of_group}
            vectors = {column.name: (sounds[group] + draw.normal(size=2) * 0.2).tolist() for column in audio.VECTORS}
            rows["track_descriptors"].append({"track_id": name, "content_hash": name, "made_by": "m", **numbers, **vectors})

    for artist in range(9):
        for number in range(4):
            silent = artist == 8
            track(f"t{artist}.{number}", artist // 3, f"a{artist}", f"Artist {artist}", not (silent and number == 3), not silent)
    track("x", 0, None, None)
    track("y", 1, None, None)
    track("n", 0, None, "Nameless")
    for artist in range(3):
        rows["artist_terms/msd"] += [{"artist_id": f"a{artist}", "term": term} for term in ("loud", f"own {artist}")]
    return rows


def listen(rows: dict[str, list[dict[str, Any]]], user: str, *tracks: str, rating: float = 2.0) -> None:
    rows["listeners"].append({"user_id": user, "heard": len(tracks)})
    rows["history"] += [{"user_id": user, "track_id": t, "rating": rating, "plays": 2, "liked": False} for t in tracks]


@pytest.fixture(scope="module")
def night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The small world in a lake: ann likes groups 0 and 1, bob wants tracks forgotten and has blocked one, cid likes little."""
    var = tmp_path_factory.mktemp("artists")
    sources = var / "sources.toml"
    sources.write_text(
        'name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/x"\n'
        '[[source]]\nname = "msd"\nformat = "msd_unique_tracks"\npath = "/x"\n'
        '[[source]]\nname = "wishes"\nformat = "deletions"\npath = "/x"\n'
    )
    night = Night(DAY, "r", load_sources(sources), Settings(var=var), spark)
    rows = small_world()
    ann = [f"t{artist}.{number}" for artist in (0, 1, 3, 4) for number in range(3)]
    listen(rows, "ann", *ann)
    listen(rows, "bob", *ann)
    listen(rows, "cid", "t0.0", "t0.1")
    rows["deletions/wishes"] = [{"user_hash": sha256("bob"), "track_id": name} for name in ("t0.0", "t2.0")]
    rows["events/app"] = [{"user_id": "bob", "track_id": "t1.1", "event": "block", "on_time": True,
                           "played_at": dt.datetime(2026, 11, 14, 1, tzinfo=dt.UTC)}]  # fmt: skip
    written(JobContext(night, "literal", Config()), rows)
    ctx = JobContext(night, "artists", Config())
    artists.run(ctx)
    ctx.commit()
    return night


def rows_of(night: Night, name: str, where: str = "true") -> list[Any]:
    found = night.lake.read(night.spark, name, "on", DAY.isoformat()).where(where)
    return found.orderBy(*table(name).key).collect()


def test_similar_tracks_are_of_the_same_group_and_say_why(night: Night) -> None:
    rows = rows_of(night, "similar_tracks")
    assert {row["track_id"] for row in rows} == {f"t{a}.{n}" for a in range(9) for n in range(4)} - {"t8.3"} | {"x", "y", "n"}
    first = {row["track_id"]: row for row in rows if row["rank"] == 1}
    assert first["x"]["similar_id"].startswith(("t0", "t1", "t2", "n"))
    assert {"heard by the same listeners", "sounds alike", "both Rock"} == set(first["x"]["why"].split(", "))
    assert first["t8.0"]["by_sound"] is None
    assert first["t8.0"]["similar_id"][1] in "678"
    assert all(0.1 <= row["score"] <= 1 and row["track_id"] != row["similar_id"] for row in rows)
    for row in rows:
        by = {way: row[f"by_{way}"] for way in ("listeners", "sound", "genre")}
        weighed = {way: by[way] * (2 if way == "listeners" else 1) for way in by if by[way] is not None}
        assert weighed[row["carried_by"]] == pytest.approx(max(weighed.values()), abs=1e-4)
        assert row["score"] == pytest.approx(sum(weighed.values()) / 4, abs=1e-3)


def test_similar_artists_are_of_the_same_group_and_nobody_is_nobodys(night: Night) -> None:
    rows = rows_of(night, "similar_artists")
    near = {row["artist_id"]: row["similar_id"] for row in rows if row["rank"] == 1}
    assert set(near) == {f"a{artist}" for artist in range(9)} | {"name:Nameless"}
    group = {f"a{artist}": artist // 3 for artist in range(9)} | {"name:Nameless": 0}
    assert all(group[one] == group[other] for one, other in near.items())
    named = next(row for row in rows if row["artist_id"] == "name:Nameless")
    assert (named["artist"], named["similar_artist"][:6]) == ("Nameless", "Artist")


def test_a_radio_begins_with_the_artist_and_takes_turns(night: Night) -> None:
    rows = rows_of(night, "artist_radio", "artist_id = 'a0'")
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    owner = [row["track_id"].split(".")[0].replace("t", "a") for row in rows]
    assert owner[0] == "a0"
    assert max(owner.count(one) for one in owner) == 3
    assert owner[1] != "a0"
    assert len({row["track_id"] for row in rows}) == len(rows)
    assert rows[0]["track_id"] == "t0.0", "the one of most listeners"
    assert rows[1]["why"].startswith(("Artist", "Nameless"))
    assert " is like Artist 0: " in rows[1]["why"]


def test_a_mix_is_a_cluster_of_the_users_own_likes_with_what_is_near_and_unheard(night: Night) -> None:
    rows = rows_of(night, "daily_mixes", "user_id = 'ann'")
    by_list = {name: [row for row in rows if row["list"] == name] for name in ("Rock", "Trance")}
    assert {row["list"] for row in rows} == set(by_list)
    for group, mine in enumerate(by_list.values()):
        assert [row["rank"] for row in mine] == list(range(1, len(mine) + 1))
        assert [row["heard"] for row in mine[:2]] == [True, False]
        artists_of = {int(row["track_id"][1]) // 3 for row in mine if row["track_id"].startswith("t")}
        assert artists_of == {group}
        assert {row["why"] for row in mine if row["heard"]} == {FAVOURITE}
        for row in mine:
            assert row["heard"] == (row["because_track_id"] is None) == (row["carried_by"] is None)
            if not row["heard"]:
                assert row["why"].endswith(f"Title {row['because_track_id']} by Artist {row['because_track_id'][1]}")
    assert rows_of(night, "daily_mixes", "user_id = 'cid'") == []


def test_what_is_to_be_forgotten_or_blocked_is_in_no_mix(night: Night) -> None:
    rows = rows_of(night, "daily_mixes", "user_id = 'bob'")
    assert rows
    assert not {"t0.0", "t1.1", "t2.0"} & {name for row in rows for name in (row["track_id"], row["because_track_id"])}
    assert {"t2.0"} & {row["track_id"] for row in rows_of(night, "daily_mixes", "user_id = 'ann'")}


def test_what_an_encoder_has_read_is_one_way_more_to_be_alike(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a8 nothing is heard and nobody listens: what is written about it is like a5's, of another group; of a0 nothing is."""
    told = Night(DAY, "r", night.sources, Settings(var=tmp_path), night.spark)
    rows, draw = small_world(), np.random.default_rng(3)
    rows["item_factors"] = [row for row in rows["item_factors"] if not row["track_id"].startswith("t8")]
    rows["item_factors"].append({"track_id": "t8.0", "factors": [0.0] * 6})
    own = {artist: draw.normal(size=4) for artist in (1, 2, 3, 4, 5, 6, 7)}
    own[8] = own[5]
    read_of = [(f"t{artist}.{n}", own[artist] + draw.normal(size=4) * 0.05) for artist in own for n in range(4)]
    key = {"made_by": "m"}
    rows["track_texts"] = [{"track_id": name, "text": name, "content_hash": name, **key} for name, _ in read_of]
    rows["text_vectors"] = [{"content_hash": name, "vector": vector.tolist(), **key} for name, vector in read_of]
    written(JobContext(told, "literal", Config()), rows)

    def nearest(config: Config) -> dict[str, Any]:
        ctx = JobContext(told, "artists", config, force=True)
        artists.run(ctx)
        ctx.commit()
        return {row["artist_id"]: row for row in rows_of(told, "similar_artists", "rank = 1")}

    read = nearest(Config())
    assert (read["a8"]["similar_id"], read["a8"]["carried_by"], read["a8"]["why"]) == ("a5", "text", "written about alike")
    assert read["a8"]["by_text"] > 0.9
    assert read["a8"]["score"] == pytest.approx(read["a8"]["by_text"] / 5, abs=1e-3)
    assert read["a0"]["by_text"] is None
    monkeypatch.setattr(texts, "ROW_BYTES", DRIVER_BYTES)
    for unread in (nearest(Config(text=0.0)), nearest(Config())):
        assert "a8" not in unread
        assert unread["a5"]["by_text"] is None, "the rest is worth having without"


def test_the_same_again_and_in_any_number_of_tasks(night: Night) -> None:
    again = JobContext(night, "artists", Config(per_task=3))
    artists.run(again)
    digests = {m.table: m.digest for m in again.pending}
    assert set(digests) == {"similar_tracks", "similar_artists", "artist_radio", "daily_mixes"}
    assert digests == {name: night.lake.manifest(name, DAY.isoformat()).digest for name in digests}  # type: ignore[union-attr]


def test_too_large_a_catalogue_goes_without_and_the_log_tells_its_size(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists do not need the artist level."""
    monkeypatch.setattr(collect.bounded, "__defaults__", (1_000, None))
    ctx = JobContext(night, "artists", Config())
    with patch.object(artists.LOG, "warning") as told:
        artists.run(ctx)
    assert "the item factors: 38 rows" in told.call_args.kwargs["error"]
    assert [m.rows for m in ctx.pending] == [0, 0, 0, 0]


def test_vectors_that_the_driver_would_not_hold_are_reckoned(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "DRIVER_BYTES", 10_000)
    with pytest.raises(TooMuch, match="Vectors of 38 tracks need"):
        all_known(JobContext(night, "artists", Config()), Config())


@pytest.mark.parametrize(
    "config", [Config(likes_per_mix=0), Config(mixes=0), Config(least_rating=0.0), Config(sound=-1.0), Config(per_task=0)]
)
def test_settings_that_make_nothing_are_refused_by_name(night: Night, config: Config) -> None:
    with pytest.raises(SourceError, match=r"\[jobs.artists\] is too little"):
        artists.run(JobContext(night, "artists", config))


def test_without_factors_and_audio_there_is_nothing(night: Night, tmp_path: Path) -> None:
    bare = Night(DAY, "r", night.sources, Settings(var=tmp_path), night.spark)
    rows = small_world()
    written(JobContext(bare, "literal", Config()), rows | {"item_factors": [], "track_descriptors": []})
    ctx = JobContext(bare, "artists", Config())
    artists.run(ctx)
    assert [m.rows for m in ctx.pending] == [0, 0, 0, 0]
    assert all_known(ctx, Config()) is None


def test_it_can_be_left_out(night: Night) -> None:
    ctx = JobContext(night, "artists", Config(similar=0))
    artists.run(ctx)
    assert [m.rows for m in ctx.pending] == [0, 0, 0, 0]


def mixing(vectors: np.ndarray, near: list[list[int]], genre: list[int], artist: list[int]) -> Mixing:
    places = np.array(near, np.int32)
    score, carried = np.where(places >= 0, 0.5, 0).astype(np.float32), np.zeros(places.shape, np.int8)
    ids = pa.array([f"t{n}" for n in range(len(near))])
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = (np.array(genre), pa.array(["Rock", "Trance"]), np.array(artist), pa.array(["Ann", "Bob", "Cid"]))
    return Mixing(ids, unit, places, score, carried, *names)


@pytest.mark.parametrize(
    ("genre", "artist", "theme"),
    [
        ([0, 0, 0, 1], [0, 0, 0, 0], ("Rock", None)),
        ([0, 0, 1, 1], [1, 1, 2, 0], ("Bob", "Bob")),
        ([-1] * 4, [0, 1, 2, -1], ("Mix 1", None)),
    ],
)
def test_a_mix_is_named_after_its_genre_else_an_artist_of_several_else_its_number(
    genre: list[int], artist: list[int], theme: tuple[str, str | None]
) -> None:
    """t4 is near to all, and nobody has heard it; t5 was skipped."""
    world = mixing(np.ones((6, 2)), [[4, 5]] * 6, [*genre, 0, 0], [*artist, 0, 0])
    heard, ratings = np.array([0, 1, 2, 3, 5]), np.array([1, 3, 1, 1, 0], np.float32)
    (mix,) = mixes_of(heard, ratings, world, Config(likes_per_mix=4))
    assert (mix.theme, mix.named_after) == theme
    assert mix.track.tolist() == [1, 4, 0, 2, 3]
    assert mix.because.tolist() == [-1, 0, -1, -1, -1]
    assert mixes_of(heard, ratings, world, Config(likes_per_mix=5)) == []


def test_of_two_mixes_of_one_genre_the_first_takes_its_name() -> None:
    vectors = np.array([[1, 0]] * 5 + [[0, 1]] * 4 + [[1, 0.1], [0.1, 1]])
    world = mixing(vectors, [[9]] * 5 + [[10]] * 4 + [[-1], [-1]], [0] * 11, [0] * 5 + [2] * 4 + [0, 0])
    made = mixes_of(np.arange(9), np.ones(9, np.float32), world, Config(likes_per_mix=4))
    assert [(mix.theme, mix.track.tolist()) for mix in made] == [("Rock", [0, 9, 1, 2, 3, 4]), ("Cid", [5, 10, 6, 7, 8])]


def test_an_artist_whose_name_is_a_mixs_number_takes_it_from_none() -> None:
    vectors = np.array([[1, 0]] * 5 + [[0, 1]] * 4 + [[1, 0.1], [0.1, 1]])
    world = mixing(vectors, [[9]] * 5 + [[10]] * 4 + [[-1], [-1]], [-1] * 11, [0] * 5 + [-1] * 6)
    world = replace(world, artists=pa.array(["Mix 2", "Bob", "Cid"]))
    made = mixes_of(np.arange(9), np.ones(9, np.float32), world, Config(likes_per_mix=4))
    assert [(mix.theme, mix.named_after) for mix in made] == [("Mix 2", "Mix 2"), ("Mix 3", None)]


def test_an_artist_known_by_name_alone_is_not_like_the_one_who_bears_it(night: Night) -> None:
    found = all_known(JobContext(night, "artists", Config()), Config())
    assert found is not None
    assert namesakes(found).tolist() == list(range(10)), "Nameless is nobody else's name"
    place = found.facts["artist"].to_pylist().index("Artist 0")
    renamed = pa.array(["Nameless" if n == place else name for n, name in enumerate(found.facts["artist"].to_pylist())])
    spelt = replace(found, facts=found.facts.set_column(found.facts.schema.get_field_index("artist"), "artist", renamed))
    assert namesakes(spelt)[found.artist_ids.to_pylist().index("name:Nameless")] == found.artist[place]


def test_of_several_tracks_of_a_song_the_most_heard_is_on_the_radio(spark: SparkSession) -> None:
    tracks = [("t1", "s", "a"), ("t2", "s", "a"), ("t3", None, "a"), ("t4", None, None)]
    heard = [("u", "t2", 1.0), ("v", "t2", 1.0), ("u", "t1", 1.0), ("u", "t3", 0.0)]
    tops = build_tops(
        spark.createDataFrame(tracks, "track_id string, song_id string, artist_id string"),
        spark.createDataFrame(heard, "user_id string, track_id string, rating double"), 1.0, 5,
    )  # fmt: skip
    assert [tuple(row) for row in tops.orderBy("artist_id", "place").collect()] == [("a", "t2", 1), ("a", "t3", 2)]


def test_names_stand_for_artists_without_an_id(spark: SparkSession) -> None:
    rows = [("a1", "Ann"), (None, "Ann"), (None, None)]
    keys = spark.createDataFrame(rows, "artist_id string, artist string").select(artist_key()).collect()
    assert [row[0] for row in keys] == ["a1", "name:Ann", None]
    spelt = [("a1", "Ann"), ("a1", "Ann"), ("a1", "Anna"), ("a2", None)]
    tracks = spark.createDataFrame(spelt, "artist_id string, artist string")
    names = artists.artist_names(tracks, spark.createDataFrame([("a1",), ("a2",)], "artist_id string"))
    assert sorted((row["artist_id"], row["artist"]) for row in names.collect()) == [("a1", "Ann"), ("a2", None)]
