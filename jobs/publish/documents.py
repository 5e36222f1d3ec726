"""Parts that the documents of all published collections have in common."""

from typing import Any

from pyspark.sql import DataFrame


def strings(*names: str) -> dict[str, Any]:
    """Return validator properties of string fields."""
    return {name: {"bsonType": "string"} for name in names}


def track_details(tracks: DataFrame, track_genres: DataFrame) -> DataFrame:
    """Return `track_id`, `title`, `artist`, `genre` of every track."""
    return tracks.select("track_id", "title", "artist").join(track_genres.select("track_id", "genre"), "track_id")

