"""The artist level in MongoDB as analysts read it, and the audit that lets nothing wrong get there."""

from typing import Any

import pytest
from pydantic import SecretStr
from pyspark.sql import DataFrame, SparkSession

from jobs.errors import AuditError
from jobs.lake.schemas import table
from jobs.mongo import views
from jobs.mongo.connection import MongoDatabase
from jobs.mongo.names import SECONDARY_VIEWS, collection_name
from jobs.publish import artist_collections
from jobs.publish.artist_audit import KINDS, Listening, audit_artist_level
from jobs.publish.collections import INDEXES, VALIDATORS
from jobs.publish.insert import insert_all, prepare
from jobs.settings import Settings

NEAR = {"score": 0.5, "cos_collaborative": 0.8, "top_modality": "collaborative", "why": "heard by the same listeners"}
ROWS: dict[str, list[dict[str, Any]]] = {
    "similar_tracks": [
        {"track_id": "t1", "rank": 1, "similar_id": "t2", **NEAR}, {"track_id": "t1", "rank": 2, "similar_id": "t3", **NEAR},
        {"track_id": "t2", "rank": 1, "similar_id": "t1", **NEAR},
    ],
    "similar_artists": [{"artist_id": "a1", "artist": "Ann", "rank": 1, "similar_id": "a2", "similar_artist": "Bob", **NEAR}],
    "artist_radio": [
        {"artist_id": "a1", "artist": "Ann", "rank": rank, "track_id": f"t{rank}", "score": 1.0, "why": "w"} for rank in (1, 2)
    ],
    "daily_mixes": [
        {"user_id": "u", "list": "Rock", "mix": 1, "rank": 1, "track_id": "t1", "score": 0.9, "seen": True, "why": "w"},
        {"user_id": "u", "list": "Rock", "mix": 1, "rank": 2, "track_id": "t2", "score": 0.8, "seen": False, "why": "w"},
    ],
}  # fmt: skip


def frames(spark: SparkSession, changed: dict[str, list[dict[str, Any]]] | None = None) -> dict[str, DataFrame]:
    made = {}
    for name, rows in (ROWS | (changed or {})).items():
        schema = table(name).read_schema
        made[name] = spark.createDataFrame([tuple(row.get(field.name) for field in schema) for row in rows], schema)
    return made


def tracks(spark: SparkSession) -> DataFrame:
    rows = [("t1", "One", "Ann", "Rock"), ("t2", "Two", "Bob", None), ("t3", None, None, None)]
    return spark.createDataFrame(rows, "track_id string, title string, artist string, genre string")


def test_themes_and_users_with_bars_keep_their_documents_apart(spark: SparkSession) -> None:
    place = {"rank": 1, "track_id": "t1", "score": 0.9, "seen": True, "why": "w"}
    rows = [{"user_id": "a", "list": "b|Rock", "mix": 1, **place}, {"user_id": "a|b", "list": "Rock", "mix": 1, **place},
            {"user_id": "a", "list": "Trance", "mix": 2, **place}]  # fmt: skip
    mixes = frames(spark, {"daily_mixes": rows})["daily_mixes"]
    ids = {row["_id"] for row in artist_collections.daily_mixes(mixes, tracks(spark)).collect()}
    assert ids == {"a|1", "a|b|1", "a|2"}


def test_an_analyst_finds_them_by_name_under_the_live_night(
    spark: SparkSession, mongo: MongoDatabase, mongo_uri: SecretStr, settings: Settings
) -> None:
    made, known = frames(spark), tracks(spark)
    documents = {
        "similar_tracks": artist_collections.similar_tracks(made["similar_tracks"], known),
        "similar_artists": artist_collections.similar_artists(made["similar_artists"]),
        "artist_radio": artist_collections.artist_radio(made["artist_radio"], known),
        "daily_mixes": artist_collections.daily_mixes(made["daily_mixes"], known),
    }
    assert set(documents) == set(artist_collections.VALIDATORS) == set(KINDS) <= set(SECONDARY_VIEWS)
    stamp, with_uri = {"run_id": "r", "date": "2026-11-14"}, settings.model_copy(update={"mongo_uri": mongo_uri})
    for name, frame in documents.items():
        place = collection_name(name, "r")
        prepare(mongo, place, VALIDATORS[name], INDEXES[name])
        sent = [insert_all(frame, with_uri, mongo.name, place, stamp) for _ in range(2)]
        assert sent == [mongo[place].count_documents({})] * 2, "a task that runs twice changes nothing"
    views.repoint_secondary(mongo, "r")
    one: Any = mongo.similar_tracks.find_one({"artist": "Ann", "title": "One"})
    assert [(item["rank"], item["track_id"], item["title"], item["artist"]) for item in one["items"]] == [
        (1, "t2", "Two", "Bob"), (2, "t3", None, None),
    ]  # fmt: skip
    assert (one["_id"], one["track_id"], one["genre"], one["run_id"]) == ("t1", "t1", "Rock", "r")
    one = mongo.similar_artists.find_one({"items.artist_id": "a2"})
    assert (one["artist_id"], one["artist"], one["items"][0]["artist"]) == ("a1", "Ann", "Bob")
    one = mongo.artist_radio.find_one({"artist": "Ann"})
    assert [item["title"] for item in one["items"]] == ["One", "Two"]
    one = mongo.daily_mixes.find_one({"user_id": "u", "items.track_id": "t2"})
    assert (one["_id"], one["mix"], [item["seen"] for item in one["items"]]) == ("u|1", 1, [True, False])


def mixed(**change: Any) -> dict[str, list[dict[str, Any]]]:
    return {"daily_mixes": [ROWS["daily_mixes"][0], ROWS["daily_mixes"][1] | change]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({name: [] for name in ROWS}, None),
        ({"similar_tracks": [ROWS["similar_tracks"][0] | {"rank": 2}]}, "similar_tracks: 1 lists with a repeated"),
        ({"similar_tracks": [ROWS["similar_tracks"][0] | {"similar_id": "t1"}]}, "1 items that are similar to themselves"),
        (
            {"similar_tracks": [ROWS["similar_tracks"][0] | {"similar_id": "t9"}]},
            "1 values of similar_id that are not in the catalogue",
        ),
        ({"similar_artists": [ROWS["similar_artists"][0] | {"score": float("nan")}]}, "similar_artists: 1 lists with scores"),
        ({"artist_radio": [ROWS["artist_radio"][0], ROWS["artist_radio"][1] | {"track_id": "t1"}]}, "artist_radio: 1 lists with"),
        (mixed(score=None), "daily_mixes: 1 lists with scores that are no number"),
        (mixed(user_id="eve", rank=1), "mixes of 1 users who must not have any"),
        (mixed(track_id="t3"), "1 tracks that their user wants forgotten"),
        (mixed(track_id="t4"), "1 tracks that are marked as unseen and are not"),
    ],
)
def test_what_is_wrong_is_named_and_stops_the_night(
    spark: SparkSession, changed: dict[str, list[dict[str, Any]]], said: str | None
) -> None:
    pairs = "user_id string, track_id string"
    listening = Listening(
        spark.createDataFrame([("u", 3)], "user_id string, n_seen long"),
        spark.createDataFrame([("u", "t1"), ("u", "t4")], pairs),
        spark.createDataFrame([("u", "t3")], pairs),
    )
    known = tracks(spark).unionByName(spark.createDataFrame([("t4", "Four", "Ann", None)], tracks(spark).schema))
    if said is None:
        audit_artist_level(frames(spark, changed), known, listening)
        return
    with pytest.raises(AuditError, match=said):
        audit_artist_level(frames(spark, changed), known, listening)
