"""The job `content` with `encoder = "genre_cnn"`: a network predicts factors of new tracks from their clips."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs.content import network
from jobs.content.config import ContentConfig
from jobs.content.features import fit_cold_start
from jobs.context import JobContext, Night
from jobs.errors import LakeError, SourceError
from jobs.job_config import build_config
from jobs.lake.adapters.descriptors import NAMES
from jobs.lake.schemas import table
from jobs.settings import Settings
from jobs.sources.config import load_sources
from models.data.clips import AugmentConfig
from models.genre_networks import make_config

LIKED, NEW = 32, 8
NO_AUGMENTATION = AugmentConfig(0.0, 0.0, 0, 0, 0)
SMALL = make_config(
    "genre_cnn", conv=(8, 8, 16, 16), dense=32, epochs=30, batch_size=8, lr=3e-3, patience=30, val_share=0.25,
    augment=NO_AUGMENTATION,
)  # fmt: skip
VECTORS = {"mfcc": 20, "mfcc_std": 20, "mfcc_delta_std": 20, "chroma": 12, "chroma_std": 12, "contrast": 7, "contrast_std": 7}


@pytest.fixture
def night_of(spark: SparkSession, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], JobContext]:
    """Return a function that writes a night of low and high sounds and gives its context.

    Factors and texts follow from the sound; descriptors are random. Every track has two clips; t0 ... are liked and n0 ... are
    unplayed.
    """
    monkeypatch.setattr("jobs.content.network.make_config", lambda name, **settings: SMALL.replace(**settings))

    def write_night() -> JobContext:
        file = tmp_path / "sources.toml"
        file.write_text('name = "clips"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "/logs"\n')
        night = Night(dt.date(2026, 11, 14), "r", load_sources(file), settings, spark)
        ctx, rng = JobContext(night, "ingest", ContentConfig()), np.random.default_rng(6)
        tracks = [*(f"t{n}" for n in range(LIKED)), *(f"n{n}" for n in range(NEW))]

        def write(name: str, rows: list[dict[str, object]]) -> None:
            schema = table(name).read_schema
            ctx.write(name, spark.createDataFrame([[row.get(field) for field in schema.names] for row in rows], schema))

        clips = []
        for n, track in enumerate(tracks):
            for clip in range(2):
                mel = rng.normal(0, 0.5, (599, 128))
                mel[:, slice(0, 64) if n % 2 else slice(64, 128)] += 1.0
                clips.append({"content_hash": f"c{track}", "producer_version": "m", "preset": "pmrs-4s", "clip": clip, "start": 0.0,
                              "tiled": False, "mel": bytearray(mel.astype(np.float16).tobytes())})
        write("mel", clips)
        write("track_clips", [{"track_id": t, "content_hash": f"c{t}", "producer_version": "m", "clips": 2} for t in tracks])
        write("track_descriptors", [
            {"track_id": t, "content_hash": f"c{t}", "producer_version": "m"}
            | {name: rng.normal(size=VECTORS[name]).tolist() if name in VECTORS else float(rng.normal()) for name in NAMES}
            for t in tracks
        ])
        liked, factors = tracks[:LIKED], ([0.0, 2.0], [3.0, 0.0])
        write("item_factors", [{"track_id": t, "factors": factors[n % 2]} for n, t in enumerate(liked)])
        write("history", [{"user_id": "u", "track_id": t, "rating": 1.0} for t in liked])
        texts = [(t, str(n % 2)) for n, t in enumerate(tracks)]
        write("track_texts", [{"track_id": t, "text": text, "content_hash": text, "producer_version": "m"} for t, text in texts])
        vectors: list[dict[str, object]] = [
            {"content_hash": str(n), "producer_version": "m", "vector": [1.0 * n, 1.0 - n, 0.5]} for n in (0, 1)
        ]
        write("text_vectors", vectors)
        ctx.commit()
        return JobContext(night, "content", ContentConfig())

    return write_night


@pytest.mark.parametrize("text", [False, True])
def test_network_predicts_factors_that_random_descriptors_do_not(night_of: Callable[[], JobContext], text: bool) -> None:
    ctx = night_of()
    assert fit_cold_start(ctx, ContentConfig()) is None, "random descriptors predict no factors"
    items = fit_cold_start(ctx, ContentConfig(encoder="genre_cnn", text=text))
    assert items is not None
    assert items.track_ids[items.n_played :] == tuple(f"n{n}" for n in range(NEW))
    expected = np.array([[n % 2, 1 - n % 2] for n in range(NEW)])
    assert (items.factors * expected).sum(1).min() > 0.8
    again = fit_cold_start(ctx, ContentConfig(encoder="genre_cnn", text=text))
    assert again is not None
    np.testing.assert_array_equal(again.factors, items.factors)


def test_text_vectors_beside_descriptors_predict_factors(night_of: Callable[[], JobContext]) -> None:
    items = fit_cold_start(night_of(), ContentConfig(text=True))
    assert items is not None
    expected = np.array([[n % 2, 1 - n % 2] for n in range(NEW)])
    assert (items.factors * expected).sum(1).mean() > 0.85


def test_track_without_a_text_gets_factors_too(night_of: Callable[[], JobContext]) -> None:
    ctx = night_of()
    ingest = JobContext(ctx.night, "ingest", ContentConfig())
    ingest.write("track_texts", ctx.read("track_texts").where("track_id != 'n0'"))
    ingest.commit()
    items = fit_cold_start(ctx, ContentConfig(text=True))
    assert items is not None
    assert "n0" in items.track_ids


def test_most_popular_returns_the_tracks_with_most_users(spark: SparkSession) -> None:
    n_users = {"a": 1, "b": 3, "c": 3, "d": 2, "elsewhere": 9}
    history = spark.createDataFrame([(t, n) for t, times in n_users.items() for n in range(times)], "track_id string, user int")
    factors = spark.createDataFrame([(t, [1.0]) for t in "abcd"], "track_id string, factors array<float>")
    assert {row["track_id"] for row in network.popular_tracks(factors, history, 2).collect()} == {"b", "c"}
    assert {row["track_id"] for row in network.popular_tracks(factors, history, 3).collect()} == {"b", "c", "d"}


@pytest.mark.parametrize("setting", [{"encoder": "transformer"}, {"preset": "4s"}, {"preset": "musicnn"}])
def test_unknown_encoder_or_preset_raises(setting: dict[str, str]) -> None:
    with pytest.raises(SourceError, match=rf"\[jobs\.content\]: {next(iter(setting))} = .* is unknown; it must be one of "):
        build_config(ContentConfig, setting, "[jobs.content]")


def test_missing_text_vectors_raise(night_of: Callable[[], JobContext]) -> None:
    ctx = night_of()
    empty = JobContext(ctx.night, "ingest", ContentConfig())
    empty.write_empty("track_texts")
    empty.commit()
    with pytest.raises(LakeError, match="text_vectors"):
        fit_cold_start(ctx, ContentConfig(text=True))
