"""Documents of `classified_music`: genres and tags by name."""

import pytest
from pyspark.sql import SparkSession

from jobs.lake.schemas import table
from jobs.publish.collections import music_documents

GENRES, TAGS = ("Rock", "Trance"), tuple(f"tag{n}" for n in range(10))


@pytest.mark.parametrize("with_tags", [True, False])
def test_documents_have_the_most_probable_tags_if_there_are_any(spark: SparkSession, with_tags: bool) -> None:
    tracks = spark.createDataFrame([("a", "A", "X"), ("b", "B", "Y")], "track_id string, title string, artist string")
    track_genres = spark.createDataFrame(
        [("a", "Rock", 0.9, [0.9, 0.1], "audio_model", "m"), ("b", None, 0.0, [], "none", None)], table("track_genres").schema
    )
    rows = [("a", [n / 10 for n in range(10)])] if with_tags else []
    embeddings = spark.createDataFrame(rows, "track_id string, tags array<float>")
    frame = music_documents(tracks, track_genres, GENRES, embeddings, TAGS if with_tags else ())
    documents = {row["_id"]: row for row in frame.toArrow().to_pylist()}
    assert documents["a"]["genres"] == [{"genre": "Rock", "probability": 0.9}, {"genre": "Trance", "probability": 0.1}]
    assert documents["b"]["audio_tags"] is None
    if with_tags:
        assert documents["a"]["audio_tags"] == [{"tag": f"tag{n}", "probability": n / 10} for n in range(9, 1, -1)]
    else:
        assert documents["a"]["audio_tags"] is None
