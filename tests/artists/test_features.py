"""Features of the artist level: factors, audio, genre and text; its memory limit; the identity of artists."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.artists import artists, features
from jobs.artists.config import ArtistsConfig
from jobs.artists.features import artist_key, load_features, same_artist_labels
from jobs.context import JobContext, Night
from jobs.errors import MemoryLimitError
from jobs.lake.adapters import texts
from jobs.lake.collect import DRIVER_BYTES
from jobs.settings import Settings
from tests.artists.small_catalogue import DAY, rows_of, small_tables, write_tables


def test_text_vectors_are_one_more_modality(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a8 has neither audio nor plays, and a text like that of a5, an artist of another group. a0 has no text."""
    with_texts = Night(DAY, "r", night.sources, Settings(var=tmp_path), night.spark)
    rows, rng = small_tables(), np.random.default_rng(3)
    rows["item_factors"] = [row for row in rows["item_factors"] if not row["track_id"].startswith("t8")]
    rows["item_factors"].append({"track_id": "t8.0", "factors": [0.0] * 6})
    text_of = {artist: rng.normal(size=4) for artist in (1, 2, 3, 4, 5, 6, 7)}
    text_of[8] = text_of[5]
    vectors = [(f"t{artist}.{n}", text_of[artist] + rng.normal(size=4) * 0.05) for artist in text_of for n in range(4)]
    key = {"producer_version": "m"}
    rows["track_texts"] = [{"track_id": name, "text": name, "content_hash": name, **key} for name, _ in vectors]
    rows["text_vectors"] = [{"content_hash": name, "vector": vector.tolist(), **key} for name, vector in vectors]
    write_tables(JobContext(with_texts, "literal", ArtistsConfig()), rows)

    def nearest(config: ArtistsConfig) -> dict[str, Any]:
        ctx = JobContext(with_texts, "artists", config, force=True)
        artists.run(ctx)
        ctx.commit()
        return {row["artist_id"]: row for row in rows_of(with_texts, "similar_artists", "rank = 1")}

    with_text = nearest(ArtistsConfig())
    a8 = with_text["a8"]
    assert (a8["similar_id"], a8["top_modality"], a8["why"]) == ("a5", "text", "similar in title or tags")
    assert with_text["a8"]["cos_text"] > 0.9
    assert with_text["a8"]["score"] == pytest.approx(with_text["a8"]["cos_text"] / 5, abs=1e-3)
    assert with_text["a0"]["cos_text"] is None
    monkeypatch.setattr(texts, "ROW_BYTES", DRIVER_BYTES)
    for without_text in (nearest(ArtistsConfig(text=0.0)), nearest(ArtistsConfig())):
        assert "a8" not in without_text
        assert without_text["a5"]["cos_text"] is None, "the rest is worth having without"


def test_vectors_larger_than_the_driver_limit_raise(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "DRIVER_BYTES", 10_000)
    with pytest.raises(MemoryLimitError, match="Vectors of 38 tracks need"):
        load_features(JobContext(night, "artists", ArtistsConfig()), ArtistsConfig())


def test_artist_without_an_id_is_the_artist_of_the_same_name(night: Night) -> None:
    features = load_features(JobContext(night, "artists", ArtistsConfig()), ArtistsConfig())
    assert features is not None
    assert same_artist_labels(features).tolist() == list(range(10)), "Nameless is nobody else's name"
    index = features.facts["artist"].to_pylist().index("Artist 0")
    renamed = pa.array(["Nameless" if n == index else name for n, name in enumerate(features.facts["artist"].to_pylist())])
    changed = replace(features, facts=features.facts.set_column(features.facts.schema.get_field_index("artist"), "artist", renamed))
    assert same_artist_labels(changed)[features.artist_ids.to_pylist().index("name:Nameless")] == features.artist[index]


def test_artists_without_an_id_are_identified_by_name(spark: SparkSession) -> None:
    rows = [("a1", "Ann"), (None, "Ann"), (None, None)]
    keys = spark.createDataFrame(rows, "artist_id string, artist string").select(artist_key()).collect()
    assert [row[0] for row in keys] == ["a1", "name:Ann", None]
    spelt = [("a1", "Ann"), ("a1", "Ann"), ("a1", "Anna"), ("a2", None)]
    tracks = spark.createDataFrame(spelt, "artist_id string, artist string")
    names = artists.artist_names(tracks, spark.createDataFrame([("a1",), ("a2",)], "artist_id string"))
    assert sorted((row["artist_id"], row["artist"]) for row in names.collect()) == [("a1", "Ann"), ("a2", None)]
