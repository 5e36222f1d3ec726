"""What the artist level compares: factors, sound, genre and text, as much as the driver holds, and who is who."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from jobs.artists import artists, known
from jobs.artists.config import Config
from jobs.artists.known import artist_key, load_features, same_artist_labels
from jobs.context import JobContext, Night
from jobs.errors import MemoryLimitError
from jobs.lake.adapters import texts
from jobs.lake.collect import DRIVER_BYTES
from jobs.settings import Settings
from tests.artists.world import DAY, rows_of, small_world, written


def test_what_an_encoder_has_read_is_one_way_more_to_be_alike(
    night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a8 nothing is heard and nobody listens: what is written about it is like a5's, of another group; of a0 nothing is."""
    told = Night(DAY, "r", night.sources, Settings(var=tmp_path), night.spark)
    rows, draw = small_world(), np.random.default_rng(3)
    rows["item_factors"] = [row for row in rows["item_factors"] if not row["track_id"].startswith("t8")]
    rows["item_factors"].append({"track_id": "t8.0", "factors": [0.0] * 6})
    own = {artist: draw.normal(size=4) for artist in (1, 2, 3, 4, 5, 6, 7)}
    own[8] = own[5]
    read_of = [(f"t{artist}.{n}", own[artist] + draw.normal(size=4) * 0.05) for artist in own for n in range(4)]
    key = {"producer_version": "m"}
    rows["track_texts"] = [{"track_id": name, "text": name, "content_hash": name, **key} for name, _ in read_of]
    rows["text_vectors"] = [{"content_hash": name, "vector": vector.tolist(), **key} for name, vector in read_of]
    written(JobContext(told, "literal", Config()), rows)

    def nearest(config: Config) -> dict[str, Any]:
        ctx = JobContext(told, "artists", config, force=True)
        artists.run(ctx)
        ctx.commit()
        return {row["artist_id"]: row for row in rows_of(told, "similar_artists", "rank = 1")}

    read = nearest(Config())
    assert (read["a8"]["similar_id"], read["a8"]["top_modality"], read["a8"]["why"]) == ("a5", "text", "written about alike")
    assert read["a8"]["cos_text"] > 0.9
    assert read["a8"]["score"] == pytest.approx(read["a8"]["cos_text"] / 5, abs=1e-3)
    assert read["a0"]["cos_text"] is None
    monkeypatch.setattr(texts, "ROW_BYTES", DRIVER_BYTES)
    for unread in (nearest(Config(text=0.0)), nearest(Config())):
        assert "a8" not in unread
        assert unread["a5"]["cos_text"] is None, "the rest is worth having without"


def test_vectors_that_the_driver_would_not_hold_are_reckoned(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "DRIVER_BYTES", 10_000)
    with pytest.raises(MemoryLimitError, match="Vectors of 38 tracks need"):
        load_features(JobContext(night, "artists", Config()), Config())


def test_an_artist_known_by_name_alone_is_not_like_the_one_who_bears_it(night: Night) -> None:
    found = load_features(JobContext(night, "artists", Config()), Config())
    assert found is not None
    assert same_artist_labels(found).tolist() == list(range(10)), "Nameless is nobody else's name"
    place = found.facts["artist"].to_pylist().index("Artist 0")
    renamed = pa.array(["Nameless" if n == place else name for n, name in enumerate(found.facts["artist"].to_pylist())])
    spelt = replace(found, facts=found.facts.set_column(found.facts.schema.get_field_index("artist"), "artist", renamed))
    assert same_artist_labels(spelt)[found.artist_ids.to_pylist().index("name:Nameless")] == found.artist[place]


def test_names_stand_for_artists_without_an_id(spark: SparkSession) -> None:
    rows = [("a1", "Ann"), (None, "Ann"), (None, None)]
    keys = spark.createDataFrame(rows, "artist_id string, artist string").select(artist_key()).collect()
    assert [row[0] for row in keys] == ["a1", "name:Ann", None]
    spelt = [("a1", "Ann"), ("a1", "Ann"), ("a1", "Anna"), ("a2", None)]
    tracks = spark.createDataFrame(spelt, "artist_id string, artist string")
    names = artists.artist_names(tracks, spark.createDataFrame([("a1",), ("a2",)], "artist_id string"))
    assert sorted((row["artist_id"], row["artist"]) for row in names.collect()) == [("a1", "Ann"), ("a2", None)]
