"""Texts about tracks and users, and their vectors, which are computed once."""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.errors import SourceError
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.settings import Settings
from jobs.sources.config import load_sources
from jobs.text import vectors
from jobs.text.config import TextVectorsConfig
from jobs.text.sentences import build_tags, build_track_texts, build_user_texts
from jobs.text.vectors import PACKAGED, encoder_folder
from models.text_encoder import TextEncoder

DAY = dt.date(2026, 11, 14)


def test_track_texts_have_title_artist_release_and_tags(spark: SparkSession) -> None:
    tracks = spark.createDataFrame(
        [("a", "Title ", "Artist"), ("b", None, "Artist"), ("c", "  ", None), ("d", "Alone", "")],
        "track_id string, title string, artist string",
    )
    releases = spark.createDataFrame([("a", "Second"), ("a", "First"), ("b", None)], "track_id string, release string")
    tags = spark.createDataFrame([("a", "rock, pop")], "track_id string, tags string")
    texts = build_track_texts(tracks, releases, tags).collect()
    assert dict(texts) == {"a": "Title. Artist. First. rock, pop.", "b": "Artist.", "d": "Alone."}


def test_own_tags_precede_artist_terms_without_duplicates(spark: SparkSession) -> None:
    tracks = spark.createDataFrame([("a", "AR1"), ("b", "AR1"), ("c", None)], "track_id string, artist_id string")
    tags = spark.createDataFrame(
        [("a", "Slow", 20.0), ("a", "Rock", 100.0), ("a", "quiet", None)], "track_id string, tag string, weight double"
    )
    terms = spark.createDataFrame(
        [("AR1", "indie"), ("AR1", "rock"), ("AR2", "rock"), ("AR1", "british")], "artist_id string, term string"
    )
    assert dict(build_tags(tracks, tags, terms, 4).collect()) == {
        "a": "rock, slow, quiet, british", "b": "rock, british, indie",
    }  # fmt: skip


def test_user_texts_have_gender_age_and_country(spark: SparkSession) -> None:
    rows = [("a", "f", 27, "Norway"), ("b", "M", None, None), ("c", None, None, " "), ("d", "other", 40, None)]
    users = spark.createDataFrame(rows, "user_id string, gender string, age int, country string")
    assert dict(build_user_texts(users).collect()) == {
        "a": "female. in their 20s. Norway.", "b": "male.", "d": "other. in their 40s.",
    }  # fmt: skip


def run_job(
    spark: SparkSession, settings: Settings, folder: Path, days: int, titles: dict[str, str], **config: Any
) -> JobContext:
    """Run the job on a night with these titles (track -> title) and two users, one with a deletion request."""
    file = folder / "sources.toml"
    file.write_text('name = "written"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "/logs"\n')
    night = Night(DAY + dt.timedelta(days), "r", load_sources(file), settings, spark)
    ingest = JobContext(night, "snapshots", TextVectorsConfig())
    tables: dict[str, list[dict[str, Any]]] = {
        "tracks": [
            {"track_id": t, "title": title, "has_audio": False, "origin": "plays"} for t, title in titles.items()
        ],
        "users": [{"user_id": "u", "gender": "f"}, {"user_id": "gone", "country": "Iceland"}],
        "deletions": [{"user_hash": hashlib.sha256(b"gone").hexdigest()}],
    }
    for name, rows in tables.items():
        schema = table(name).read_schema
        ingest.write(name, spark.createDataFrame([[row.get(c) for c in schema.names] for row in rows], schema))
    ingest.commit()
    ctx = JobContext(night, "text_vectors", TextVectorsConfig(**config))
    vectors.run(ctx)
    ctx.commit()
    return ctx


def test_equal_texts_are_encoded_once(
    spark: SparkSession, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def night(days: int, **titles: str) -> tuple[JobContext, dict[str, int]]:
        ctx = run_job(spark, settings, tmp_path, days, titles, encoder=PACKAGED)
        return ctx, {manifest.table: manifest.rows for manifest in ctx.pending}

    ctx, written = night(0, a="Blue Train", b="Blue Train", c="Giant Steps")
    assert written == {"track_texts": 3, "user_texts": 1, "text_vectors": 2}
    encoder = TextEncoder(encoder_folder(PACKAGED))
    (user,) = ctx.read("user_texts").collect()
    vector_of = {row["content_hash"]: row["vector"] for row in ctx.read("text_vectors", Partitions.CACHE).collect()}
    assert user["content_hash"] not in vector_of, "vectors of users are stored with the user"
    for row, vector in [
        (user, user["vector"]),
        *((row, vector_of[row["content_hash"]]) for row in ctx.read("track_texts").collect()),
    ]:
        np.testing.assert_allclose(vector, encoder.encode([row["text"]])[0], atol=1e-4)
    # an encoder that is used again for the user would fail
    monkeypatch.setattr(vectors, "encoder_folder", lambda encoder: tmp_path)
    monkeypatch.setattr(vectors, "vector_version", lambda config: user["producer_version"])
    _, written = night(1, a="Giant Steps", z="Blue Train")
    assert written == {"track_texts": 2, "user_texts": 1}
    monkeypatch.undo()
    _, written = night(2, a="Naima")
    assert written == {"track_texts": 1, "user_texts": 1, "text_vectors": 1}


def test_without_an_encoder_the_tables_are_empty(spark: SparkSession, settings: Settings, tmp_path: Path) -> None:
    ctx = run_job(spark, settings, tmp_path, 0, {"a": "Blue Train"})
    assert {manifest.table: manifest.rows for manifest in ctx.pending} == {"track_texts": 0, "user_texts": 0}


def test_a_folder_without_an_encoder_raises_with_its_name(
    spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"config\.json"):
        run_job(spark, settings, tmp_path, 0, {"a": "Blue Train"}, encoder=str(tmp_path))
    with pytest.raises(SourceError, match="absolute folder"):
        run_job(spark, settings, tmp_path, 0, {"a": "Blue Train"}, encoder="encoders/mine")
