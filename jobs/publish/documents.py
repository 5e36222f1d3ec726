"""Parts that the documents of all published collections have in common."""

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def strings(*names: str) -> dict[str, Any]:
    """Return validator properties of string fields."""
    return {name: {"bsonType": "string"} for name in names}


def track_details(tracks: DataFrame, track_genres: DataFrame) -> DataFrame:
    """Return `track_id`, `title`, `artist`, `genre` of every track."""
    return tracks.select("track_id", "title", "artist").join(track_genres.select("track_id", "genre"), "track_id")


def content_digest(*names: str) -> Column:
    """Return the SHA-256 (32 hex digits) of the named fields; equal documents have equal digests."""
    return F.substring(F.sha2(F.to_json(F.struct(*names)), 256), 1, 32).alias("digest")
