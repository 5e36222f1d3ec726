"""Factors of new tracks from their clips, by a network that learns from those of liked ones: the job `content`, by = genre_cnn."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs.content import network
from jobs.content.features import Config, fit_cold_start
from jobs.context import JobContext, Night
from jobs.errors import LakeError, SourceError
from jobs.lake.adapters.descriptors import NAMES
from jobs.lake.schemas import table
from jobs.settings import Settings
from jobs.sources.config import load_sources
from models.data.clips import AugmentConfig
from models.genre_cnn import GenreCNNConfig

LIKED, NEW = 32, 8
AS_IT_IS = AugmentConfig(0.0, 0.0, 0, 0, 0)
SMALL = GenreCNNConfig(
    conv=(8, 8, 16, 16), dense=32, epochs=30, batch_size=8, lr=3e-3, patience=30, val_share=0.25, augment=AS_IT_IS
)
VECTORS = {"mfcc": 20, "mfcc_std": 20, "mfcc_delta_std": 20, "chroma": 12, "chroma_std": 12, "contrast": 7, "contrast_std": 7}


@pytest.fixture
def heard(spark: SparkSession, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], JobContext]:
    """A night whose tracks sound low or high, as those who listen like it; their descriptors say nothing, their titles all.

    Two clips each; t0 .. are liked, n0 .. have never been played.
    """
    monkeypatch.setattr("jobs.content.network.make_config", lambda name, **given: replace(SMALL, **given))

    def night() -> JobContext:
        file = tmp_path / "sources.toml"
        file.write_text('name = "heard"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "/logs"\n')
        one = Night(dt.date(2026, 11, 14), "r", load_sources(file), settings, spark)
        ctx, rng = JobContext(one, "ingest", Config()), np.random.default_rng(6)
        tracks = [*(f"t{n}" for n in range(LIKED)), *(f"n{n}" for n in range(NEW))]

        def put(name: str, rows: list[dict[str, object]]) -> None:
            schema = table(name).read_schema
            ctx.write(name, spark.createDataFrame([[row.get(field) for field in schema.names] for row in rows], schema))

        clips = []
        for n, track in enumerate(tracks):
            for clip in range(2):
                mel = rng.normal(0, 0.5, (599, 128))
                mel[:, slice(0, 64) if n % 2 else slice(64, 128)] += 1.0
                clips.append({"content_hash": f"c{track}", "producer_version": "m", "preset": "pmrs-4s", "clip": clip, "start": 0.0,
                              "tiled": False, "mel": bytearray(mel.astype(np.float16).tobytes())})
        put("mel", clips)
        put("track_clips", [{"track_id": t, "content_hash": f"c{t}", "producer_version": "m", "clips": 2} for t in tracks])
        put("track_descriptors", [
            {"track_id": t, "content_hash": f"c{t}", "producer_version": "m"}
            | {name: rng.normal(size=VECTORS[name]).tolist() if name in VECTORS else float(rng.normal()) for name in NAMES}
            for t in tracks
        ])
        liked, tastes = tracks[:LIKED], ([0.0, 2.0], [3.0, 0.0])
        put("item_factors", [{"track_id": t, "factors": tastes[n % 2]} for n, t in enumerate(liked)])
        put("history", [{"user_id": "u", "track_id": t, "rating": 1.0} for t in liked])
        texts = [(t, str(n % 2)) for n, t in enumerate(tracks)]
        put("track_texts", [{"track_id": t, "text": one, "content_hash": one, "producer_version": "m"} for t, one in texts])
        put("text_vectors", [{"content_hash": str(n), "producer_version": "m", "vector": [1.0 * n, 1.0 - n, 0.5]} for n in (0, 1)])
        ctx.commit()
        return JobContext(one, "content", Config())

    return night


@pytest.mark.parametrize("text", [False, True])
def test_the_network_hears_what_descriptors_do_not_say(heard: Callable[[], JobContext], text: bool) -> None:
    ctx = heard()
    assert fit_cold_start(ctx, Config()) is None, "numbers drawn at random say nothing, and that is found out"
    found = fit_cold_start(ctx, Config(encoder="genre_cnn", text=text))
    assert found is not None
    assert found.track_ids[found.n_played :] == tuple(f"n{n}" for n in range(NEW))
    wanted = np.array([[n % 2, 1 - n % 2] for n in range(NEW)])
    assert (found.factors * wanted).sum(1).min() > 0.8
    again = fit_cold_start(ctx, Config(encoder="genre_cnn", text=text))
    assert again is not None
    np.testing.assert_array_equal(again.factors, found.factors)


def test_text_beside_descriptors_is_learned_from(heard: Callable[[], JobContext]) -> None:
    found = fit_cold_start(heard(), Config(text=True))
    assert found is not None
    wanted = np.array([[n % 2, 1 - n % 2] for n in range(NEW)])
    assert (found.factors * wanted).sum(1).mean() > 0.85


def test_a_track_of_which_nothing_is_written_is_heard_all_the_same(heard: Callable[[], JobContext]) -> None:
    ctx = heard()
    written = JobContext(ctx.night, "ingest", Config())
    written.write("track_texts", ctx.read("track_texts").where("track_id != 'n0'"))
    written.commit()
    found = fit_cold_start(ctx, Config(text=True))
    assert found is not None
    assert "n0" in found.track_ids


def test_those_with_most_listeners_are_learned_from(spark: SparkSession) -> None:
    heard_by = {"a": 1, "b": 3, "c": 3, "d": 2, "elsewhere": 9}
    history = spark.createDataFrame([(t, n) for t, times in heard_by.items() for n in range(times)], "track_id string, user int")
    factors = spark.createDataFrame([(t, [1.0]) for t in "abcd"], "track_id string, factors array<float>")
    assert {row["track_id"] for row in network.most_popular(factors, history, 2).collect()} == {"b", "c"}
    assert {row["track_id"] for row in network.most_popular(factors, history, 3).collect()} == {"b", "c", "d"}


def test_text_that_nothing_has_read_and_a_way_to_hear_that_there_is_not_are_refused(heard: Callable[[], JobContext]) -> None:
    ctx = heard()
    with pytest.raises(SourceError, match="descriptors, genre_cnn, short_chunk"):
        fit_cold_start(ctx, Config(encoder="ears"))
    with pytest.raises(SourceError, match="pmrs-4s"):
        fit_cold_start(ctx, Config(preset="4s"))
    empty = JobContext(ctx.night, "ingest", Config())
    empty.write_empty("track_texts")
    empty.commit()
    with pytest.raises(LakeError, match="text_vectors"):
        fit_cold_start(ctx, Config(text=True))
