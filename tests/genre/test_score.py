"""Scoring by content: contents that were scored on one night are not scored on the next."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from jobs.audio import mel
from jobs.audio.config import MelConfig
from jobs.context import JobContext, Night
from jobs.genre import score
from jobs.genre.config import GenreScoreConfig
from jobs.lake.partitions import Partitions
from models.clip_network import predict
from models.genre_networks import build, make_config, to_bytes, to_card
from tests.audio.conftest import Ingested, ingested
from tests.audio.hostile import tone, wav

__all__ = ["ingested"]
MEL = MelConfig(presets=("pmrs-4s",), clips=2)
NETWORK = make_config("genre_cnn", n_outputs=2, conv=(4, 4, 4, 4), dense=8)
GENRES = ["Rock", "Trance"]


def score_night(night: Night) -> tuple[JobContext, dict[str, int]]:
    """Run both jobs of a night; return the rows that the second wrote."""
    night = replace(night, sources=replace(night.sources, jobs={"genre_train": {"model": "genre_cnn"}}))
    for job, name, config in ((mel, "mel", MEL), (score, "genre_score", GenreScoreConfig())):
        ctx = JobContext(night, name, config)
        job.run(ctx)
        ctx.commit()
    return ctx, {manifest.table: manifest.rows for manifest in ctx.pending}


def test_content_is_scored_once_with_the_networks_mean_prediction(ingested: Ingested, tmp_path: Path) -> None:
    for name, pitch in (("a", 300.0), ("b", 900.0), ("c", 2000.0)):
        wav(tmp_path / f"{name}.wav", tone(9.0, pitch=pitch))
    files = {name: tmp_path / f"{name}.wav" for name in "abc"}
    first = ingested({"x": files["a"], "y": files["b"]})
    network = build(NETWORK.network).eval()
    card = {"network": to_card(NETWORK), "genres": GENRES, "preset": "pmrs-4s"}
    first.models.register("genre_cnn-pmrs7-pmrs-4s", to_bytes(network), card)
    _, written = score_night(first)
    assert written == {"audio_scores": 2, "genre_scores": 2}
    ctx, written = score_night(ingested({"x": files["a"], "twin": files["a"], "z": files["c"]}, 1))
    assert written == {"audio_scores": 1, "genre_scores": 3}
    rows = {row["track_id"]: row for row in ctx.read("genre_scores").collect()}
    assert rows["x"]["probabilities"] == rows["twin"]["probabilities"]
    mel = ctx.read("mel", Partitions.CACHE)
    clips = ctx.read("track_clips").join(mel, ["content_hash", "producer_version"]).orderBy("clip").collect()
    for track, row in rows.items():
        mels = np.stack([np.frombuffer(clip["mel"], np.float16).reshape(599, 128) for clip in clips if clip["track_id"] == track])
        probabilities, embeddings = predict(network, mels)
        np.testing.assert_allclose(np.array(row["probabilities"])[[5, 6]], probabilities.mean(0), atol=1e-4)
        np.testing.assert_allclose(row["embedding"], embeddings.mean(0), atol=1e-4)
        assert not any(row["probabilities"][:5])
