"""The artist level in MongoDB, and the audit before it is published."""

from typing import Any

import pytest
from pydantic import SecretStr
from pyspark.sql import DataFrame, SparkSession

from jobs.errors import AuditError
from jobs.lake.schemas import table
from jobs.mongo import views
from jobs.mongo.connection import MongoDatabase
from jobs.mongo.document_digest import document_digest
from jobs.mongo.names import SECONDARY_VIEWS, collection_name
from jobs.publish import artist_collections
from jobs.publish.artist_audit import KINDS, Listening, audit_artist_level
from jobs.publish.collections import INDEXES, VALIDATORS
from jobs.publish.insert import insert_all, prepare
from jobs.settings import Settings

COSINE = {"score": 0.5, "cos_collaborative": 0.8, "top_modality": "collaborative", "why": "played by the same people"}
ROWS: dict[str, list[dict[str, Any]]] = {
    "similar_tracks": [
        {"track_id": "t1", "rank": 1, "similar_id": "t2", **COSINE}, {"track_id": "t1", "rank": 2, "similar_id": "t3", **COSINE},
        {"track_id": "t2", "rank": 1, "similar_id": "t1", **COSINE},
    ],
    "similar_artists": [{"artist_id": "a1", "artist": "Ann", "rank": 1, "similar_id": "a2", "similar_artist": "Bob", **COSINE}],
    "artist_radio": [
        {"artist_id": "a1", "artist": "Ann", "rank": rank, "track_id": f"t{rank}", "score": 1.0, "why": "w"} for rank in (1, 2)
    ],
    "daily_mixes": [
        {"user_id": "u", "list": "Rock", "mix": 1, "rank": 1, "track_id": "t1", "score": 0.9, "seen": True, "why": "w"},
        {"user_id": "u", "list": "Rock", "mix": 1, "rank": 2, "track_id": "t2", "score": 0.8, "seen": False, "why": "w"},
    ],
}  # fmt: skip


def frames(spark: SparkSession, changed: dict[str, list[dict[str, Any]]] | None = None) -> dict[str, DataFrame]:
    by_table = {}
    for name, rows in (ROWS | (changed or {})).items():
        schema = table(name).read_schema
        by_table[name] = spark.createDataFrame([tuple(row.get(field.name) for field in schema) for row in rows], schema)
    return by_table


def tracks(spark: SparkSession) -> DataFrame:
    rows = [("t1", "One", "Ann", "Rock"), ("t2", "Two", "Bob", None), ("t3", None, None, None)]
    return spark.createDataFrame(rows, "track_id string, title string, artist string, genre string")


def test_users_and_themes_with_bars_get_distinct_document_ids(spark: SparkSession) -> None:
    item = {"rank": 1, "track_id": "t1", "score": 0.9, "seen": True, "why": "w"}
    rows = [{"user_id": "a", "list": "b|Rock", "mix": 1, **item}, {"user_id": "a|b", "list": "Rock", "mix": 1, **item},
            {"user_id": "a", "list": "Trance", "mix": 2, **item}]  # fmt: skip
    mixes = frames(spark, {"daily_mixes": rows})["daily_mixes"]
    ids = {row["_id"] for row in artist_collections.daily_mixes(mixes, tracks(spark)).collect()}
    assert ids == {"a|1", "a|b|1", "a|2"}


def test_views_return_documents_of_the_live_night_by_name(
    spark: SparkSession, mongo: MongoDatabase, mongo_uri: SecretStr, settings: Settings
) -> None:
    tables, catalogue = frames(spark), tracks(spark)
    documents = {
        "similar_tracks": artist_collections.similar_tracks(tables["similar_tracks"], catalogue),
        "similar_artists": artist_collections.similar_artists(tables["similar_artists"]),
        "artist_radio": artist_collections.artist_radio(tables["artist_radio"], catalogue),
        "daily_mixes": artist_collections.daily_mixes(tables["daily_mixes"], catalogue),
    }
    assert set(documents) == set(artist_collections.VALIDATORS) == set(KINDS) <= set(SECONDARY_VIEWS)
    stamp, with_uri = {"run_id": "r", "date": "2026-11-14"}, settings.model_copy(update={"mongo_uri": mongo_uri})
    for name, frame in documents.items():
        collection = collection_name(name, "r")
        prepare(mongo, collection, VALIDATORS[name], INDEXES[name])
        sent = [insert_all(frame, with_uri, mongo.name, collection, stamp) for _ in range(2)]
        assert sent == [mongo[collection].count_documents({})] * 2, "a task that runs twice changes nothing"
        assert all(document["digest"] == document_digest(document) for document in mongo[collection].find())
    views.repoint_secondary(mongo, "r")
    document: Any = mongo.similar_tracks.find_one({"artist": "Ann", "title": "One"})
    assert [(item["rank"], item["track_id"], item["title"], item["artist"]) for item in document["items"]] == [
        (1, "t2", "Two", "Bob"), (2, "t3", None, None),
    ]  # fmt: skip
    assert (document["_id"], document["track_id"], document["genre"], document["run_id"]) == ("t1", "t1", "Rock", "r")
    document = mongo.similar_artists.find_one({"items.artist_id": "a2"})
    assert (document["artist_id"], document["artist"], document["items"][0]["artist"]) == ("a1", "Ann", "Bob")
    document = mongo.artist_radio.find_one({"artist": "Ann"})
    assert [item["title"] for item in document["items"]] == ["One", "Two"]
    document = mongo.daily_mixes.find_one({"user_id": "u", "items.track_id": "t2"})
    assert (document["_id"], document["mix"], [item["seen"] for item in document["items"]]) == ("u|1", 1, [True, False])


def mixed(**change: Any) -> dict[str, list[dict[str, Any]]]:
    return {"daily_mixes": [ROWS["daily_mixes"][0], ROWS["daily_mixes"][1] | change]}


@pytest.mark.parametrize(
    ("changed", "message"),
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
        (mixed(score=None), "daily_mixes: 1 lists with scores outside 0 to 1"),
        (mixed(user_id="eve", rank=1), "mixes of 1 users who must not have any"),
        (mixed(track_id="t3"), "1 tracks that their user has erased"),
        (mixed(track_id="t4"), "1 tracks that are marked as unseen and are not"),
    ],
)
def test_audit_raises_with_the_first_problem(
    spark: SparkSession, changed: dict[str, list[dict[str, Any]]], message: str | None
) -> None:
    pairs = "user_id string, track_id string"
    listening = Listening(
        spark.createDataFrame([("u", 3)], "user_id string, n_seen long"),
        spark.createDataFrame([("u", "t1"), ("u", "t4")], pairs),
        spark.createDataFrame([("u", "t3")], pairs),
    )
    catalogue = tracks(spark).unionByName(spark.createDataFrame([("t4", "Four", "Ann", None)], tracks(spark).schema))
    if message is None:
        audit_artist_level(frames(spark, changed), catalogue, listening)
        return
    with pytest.raises(AuditError, match=message):
        audit_artist_level(frames(spark, changed), catalogue, listening)
