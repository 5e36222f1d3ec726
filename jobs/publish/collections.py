"""The published collections: their documents, validators and indexes. Names are an interface."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.mongo.names import RECOMMENDATIONS
from jobs.publish import artist_collections
from jobs.publish.documents import strings, track_details

ITEM_FIELDS = ("rank", "track_id", "title", "artist", "genre", "score", "source", "tier", "why")


VALIDATORS: dict[str, dict[str, Any]] = {
    RECOMMENDATIONS: {
        "bsonType": "object",
        "required": ["_id", "user_id", "list", "items", "run_id", "date", "digest"],
        "properties": {
            **strings("_id", "user_id", "list", "run_id", "date", "digest"),
            "items": {
                "bsonType": "array",
                "minItems": 1,
                "items": {
                    "bsonType": "object",
                    "required": ["rank", "track_id", "score", "source", "tier", "why"],
                    "properties": {
                        "rank": {"bsonType": "int", "minimum": 1},
                        "score": {"bsonType": "double", "minimum": 0, "maximum": 1},
                        "tier": {"enum": ["personal", "cold_start", "popular", "fallback_unplayed"]},
                        **strings("track_id", "source", "why"),
                    },
                },
            },
        },
    },
    "classified_music": {
        "bsonType": "object",
        "required": ["_id", "track_id", "confidence", "source", "run_id", "date", "digest"],
        "properties": {
            **strings("_id", "track_id", "run_id", "date", "digest"),
            "confidence": {"bsonType": "double", "minimum": 0, "maximum": 1},
            "source": {"enum": ["audio_model", "label", "terms", "none"]},
        },
    },
    **artist_collections.VALIDATORS,
}

INDEXES: dict[str, list[IndexModel]] = {
    RECOMMENDATIONS: [
        IndexModel([("user_id", ASCENDING), ("list", ASCENDING)], unique=True),
        IndexModel([("items.track_id", ASCENDING)]),
    ],
    "classified_music": [IndexModel([("genre", ASCENDING), ("confidence", ASCENDING)])],
    **artist_collections.INDEXES,
}


def list_documents(ranked: DataFrame, tracks: DataFrame, track_genres: DataFrame) -> DataFrame:
    """Return a document per user and list: `_id`, `user_id`, `list`, `items` by rank."""
    items = F.sort_array(F.collect_list(F.struct(*ITEM_FIELDS)))
    # the catalogue's details fit into every task's memory; the broadcast avoids sorting a night's lists by track
    items_with_details = ranked.join(F.broadcast(track_details(tracks, track_genres)), "track_id")
    documents = items_with_details.groupBy("user_id", "list").agg(items.alias("items"))
    identity = F.concat_ws("|", "user_id", "list").alias("_id")
    return documents.select(identity, "user_id", "list", "items")


def music_documents(tracks: DataFrame, track_genres: DataFrame, genres: tuple[str, ...]) -> DataFrame:
    """Return a document per track: its genre, probabilities above 0.001 by genre name, confidence and source."""
    pairs = F.arrays_zip(F.array(*[F.lit(g) for g in genres]).alias("genre"), F.col("probabilities").alias("probability"))
    likely = F.filter(pairs, lambda pair: pair["probability"] > 0.001)
    rows = track_genres.join(tracks.select("track_id", "title", "artist"), "track_id")
    fields = ("track_id", "title", "artist", "genre", "confidence", "genres", "source", "model")
    shown = rows.withColumn("genres", likely)
    return shown.select(F.col("track_id").alias("_id"), *fields)
