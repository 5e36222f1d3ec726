"""The published collections: their documents, validators and indexes. Names are an interface."""

from typing import Any

from pymongo import ASCENDING, IndexModel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.mongo.names import RECOMMENDATIONS
from jobs.publish import artist_collections
from jobs.publish.documents import strings, track_details
from jobs.training.pretrained import TOP_TAGS

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
            "source": {"enum": ["audio_model", "label", "terms", "audio_tags", "none"]},
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


def music_documents(
    tracks: DataFrame, track_genres: DataFrame, genres: tuple[str, ...], embeddings: DataFrame, tags: tuple[str, ...]
) -> DataFrame:
    """Return a document per track: its genre, probabilities above 0.001 by genre name, confidence and source.

    `audio_tags`: the most probable tags of its audio, null without. `embeddings`: rows of `track_embeddings`; `tags`: the names
    of their column `tags`.
    """
    pairs = F.arrays_zip(F.array(*[F.lit(g) for g in genres]).alias("genre"), F.col("probabilities").alias("probability"))
    likely = F.filter(pairs, lambda pair: pair["probability"] > 0.001)
    rows = track_genres.join(tracks.select("track_id", "title", "artist"), "track_id")
    rows = rows.join(embeddings.select("track_id", top_tags(tags).alias("audio_tags")), "track_id", "left")
    fields = ("track_id", "title", "artist", "genre", "confidence", "genres", "source", "model", "audio_tags")
    shown = rows.withColumn("genres", likely)
    return shown.select(F.col("track_id").alias("_id"), *fields)


def top_tags(tags: tuple[str, ...]) -> Column:
    """Return the TOP_TAGS most probable tags of column `tags`: an array of `{tag, probability}`, the most probable first."""
    # the cast: without tags, no element gives the array a type
    names = F.array(*[F.lit(tag) for tag in tags]).cast("array<string>")
    named = F.arrays_zip(F.col("tags").alias("probability"), names.alias("tag"))
    # the array is sorted by probability, then in the reverse order of the names
    ordered = F.slice(F.reverse(F.array_sort(named)), 1, TOP_TAGS)

    def document(pair: Column) -> Column:
        probability = F.round(pair["probability"].cast("double"), 4)
        return F.struct(pair["tag"].alias("tag"), probability.alias("probability"))

    return F.transform(ordered, document)
