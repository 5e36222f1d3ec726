"""The published artist level: documents, validators and indexes of its four collections."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.publish.documents import strings

Schema = dict[str, Any]
NEIGHBOR = ("score", "cos_collaborative", "cos_audio", "cos_genre", "cos_text", "top_modality", "why")


def _lists(key: str, item: str, **more: Schema) -> Schema:
    """Return the validator of documents by `key` whose items have `item`, with additional fields."""
    fields = {"rank": {"bsonType": "int", "minimum": 1}, "score": {"bsonType": "double", "minimum": 0, "maximum": 1}}
    items = {
        "bsonType": "object",
        "required": ["rank", item, "score", "why"],
        "properties": {**fields, **strings(item, "why")},
    }
    return {
        "bsonType": "object",
        "required": ["_id", key, "items", "run_id", "date", "digest", *more],
        "properties": {
            **strings("_id", key, "run_id", "date", "digest"), **more,
            "items": {"bsonType": "array", "minItems": 1, "items": items},
        },
    }  # fmt: skip


VALIDATORS: dict[str, Schema] = {
    "similar_tracks": _lists("track_id", "track_id"),
    "similar_artists": _lists("artist_id", "artist_id"),
    "artist_radio": _lists("artist_id", "track_id"),
    "daily_mixes": _lists("user_id", "track_id", list={"bsonType": "string"}, mix={"bsonType": "int", "minimum": 1}),
}
BY_TRACK = IndexModel([("items.track_id", ASCENDING)])
BY_ARTIST = IndexModel([("artist", ASCENDING)])
INDEXES: dict[str, list[IndexModel]] = {
    "similar_tracks": [IndexModel([("artist", ASCENDING), ("title", ASCENDING)]), BY_TRACK],
    "similar_artists": [BY_ARTIST, IndexModel([("items.artist_id", ASCENDING)])],
    "artist_radio": [BY_ARTIST, BY_TRACK],
    "daily_mixes": [IndexModel([("user_id", ASCENDING), ("list", ASCENDING)], unique=True), BY_TRACK],
}


def _documents(
    rows: DataFrame, keys: tuple[str, ...], head: tuple[str, ...], item: tuple[str, ...], name: tuple[str, ...] = ()
) -> DataFrame:
    """Return a document per `keys`, with the fields `head` and `items` by rank; `_id` joins `name`, else `keys`."""
    items = F.sort_array(F.collect_list(F.struct("rank", *item))).alias("items")
    documents = rows.groupBy(*keys, *head).agg(items)
    return documents.select(F.concat_ws("|", *(name or keys)).alias("_id"), *keys, *head, "items")


def similar_tracks(rows: DataFrame, details: DataFrame) -> DataFrame:
    """Return the documents of table `similar_tracks`; `details`: see `documents.track_details`."""
    own = details.withColumnsRenamed(
        {name: f"own_{name}" for name in ("title", "artist", "genre")} | {"track_id": "of"}
    )
    similar = rows.withColumnsRenamed({"track_id": "of", "similar_id": "track_id"}).join(
        F.broadcast(details), "track_id"
    )
    rows_with_details = similar.join(F.broadcast(own), "of")
    item = ("track_id", "title", "artist", "genre", *NEIGHBOR)
    result_rows = _documents(rows_with_details, ("of",), ("own_title", "own_artist", "own_genre"), item)
    return result_rows.withColumnsRenamed(
        {"of": "track_id", "own_title": "title", "own_artist": "artist", "own_genre": "genre"}
    )


def similar_artists(rows: DataFrame) -> DataFrame:
    """Return the documents of table `similar_artists`."""
    names = {"artist_id": "of", "artist": "own", "similar_id": "artist_id", "similar_artist": "artist"}
    result_rows = _documents(rows.withColumnsRenamed(names), ("of",), ("own",), ("artist_id", "artist", *NEIGHBOR))
    return result_rows.withColumnsRenamed({"of": "artist_id", "own": "artist"})


def artist_radio(rows: DataFrame, details: DataFrame) -> DataFrame:
    """Return the documents of table `artist_radio`; `details`: see `documents.track_details`."""
    rows_with_details = rows.withColumnsRenamed({"artist_id": "of", "artist": "own"}).join(
        F.broadcast(details), "track_id"
    )
    result_rows = _documents(
        rows_with_details, ("of",), ("own",), ("track_id", "title", "artist", "genre", "score", "why")
    )
    return result_rows.withColumnsRenamed({"of": "artist_id", "own": "artist"})


def daily_mixes(rows: DataFrame, details: DataFrame) -> DataFrame:
    """Return the documents of table `daily_mixes`; `details`: see `documents.track_details`.

    Their ids contain the mix's number, not its theme: a theme is free text, in which a `|` may occur as in a user's id.
    """
    item = ("track_id", "title", "artist", "genre", "score", "seen", "top_modality", "why")
    rows_with_details = rows.join(F.broadcast(details), "track_id")
    return _documents(rows_with_details, ("user_id", "list"), ("mix", "anchor_artist"), item, name=("user_id", "mix"))
