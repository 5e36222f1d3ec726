"""An interrupted training of a network resumes after its last epoch, to the same weights."""

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from safetensors.numpy import load

from jobs.context import JobContext, Night
from jobs.genre import train
from jobs.genre.config import GenreTrainConfig
from jobs.lake import checkpoints
from jobs.settings import REPOSITORY, Settings
from jobs.sources.config import load_sources
from models.data.clips import AugmentConfig
from models.genre_networks import make_config
from tests.audio.conftest import DAY

NAME = "genre_cnn-pmrs7-pmrs-4s"
SMALL = make_config("genre_cnn", n_outputs=2, conv=(4, 4, 4, 4), dense=8, epochs=3, batch_size=4, val_share=0.25, threads=1)


class Died(Exception):
    """Simulates a kill."""


@pytest.fixture
def nights(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Night]:
    """Two nights with separate lakes and a clip per track, constant in time, so that rolling does not change it."""
    file = tmp_path / "sources.toml"
    file.write_text('name = "heard"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "/logs"\n')
    rng = np.random.default_rng(1)
    mels = [np.tile(rng.normal(n % 2, 0.5, 128).astype(np.float16), (599, 1)).tobytes() for n in range(10)]
    rows = [(f"t{n}", 0, [("Rock", "Trance")[n % 2]], bytearray(mel)) for n, mel in enumerate(mels)]
    clips = spark.createDataFrame(rows, "track_id string, clip int, genres array<string>, mel binary")
    monkeypatch.setattr(train, "_clips", lambda ctx, config: clips)
    monkeypatch.setattr(train, "make_config", lambda kind, **given: SMALL.replace(**given))
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    return [Night(DAY, "r", load_sources(file), Settings(var=tmp_path / name), spark) for name in ("whole", "broken")]


@pytest.mark.slow
def test_two_processes_train_the_weights_of_one(nights: list[Night], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dropout and augmentation the mean gradient of a batch does not depend on how ranks share it."""
    calm = SMALL.replace(dropout=0.0, augment=AugmentConfig(0.0, 0.0, 0, 0, 0), epochs=1, batch_size=2, lr=1e-2)
    monkeypatch.setattr(train, "make_config", lambda kind, **given: calm.replace(**given))
    # the processes are to import this very code
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    for night, workers in zip(nights, (0, 2), strict=True):
        train.run(JobContext(night, "genre_train", GenreTrainConfig(model="genre_cnn", workers=workers)))
    alone, together = (night.models.card(NAME) or {} for night in nights)
    assert alone["val_tracks"] == together["val_tracks"] != []
    for one, both in zip(alone["history"], together["history"], strict=True):
        assert both["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
        assert both["metrics"] == pytest.approx(one["metrics"], rel=1e-5)
    weights = [load(one.weights) for night in nights if (one := night.models.load(NAME))]
    # of weights that hardly matter, rounding makes Adam take other steps
    same = [np.abs(weights[0][name] - weights[1][name]) < 1e-5 for name in weights[0]]
    assert np.mean(np.concatenate([one.ravel() for one in same])) > 0.9
    assert not list(nights[1].lake.store.walk("checkpoints"))


def test_interrupted_training_resumes_to_the_same_weights(nights: list[Night]) -> None:
    uninterrupted, interrupted = nights
    train.run(JobContext(uninterrupted, "genre_train", GenreTrainConfig(model="genre_cnn")))

    def dies(step: str, done: int, total: int) -> None:
        if done == 2:
            raise Died

    interrupted.on_progress = dies
    with pytest.raises(Died):
        train.run(JobContext(interrupted, "genre_train", GenreTrainConfig(model="genre_cnn")))
    assert interrupted.lake.store.exists("checkpoints/genre_train")
    seen: list[int] = []
    interrupted.on_progress = lambda step, done, total: seen.append(done)
    train.run(JobContext(interrupted, "genre_train", GenreTrainConfig(model="genre_cnn")))
    assert seen == [2, 3]
    weights = [one.weights for night in nights if (one := night.models.load(NAME))]
    assert len(weights) == 2
    assert weights[0] == weights[1]
    assert not list(interrupted.lake.store.walk("checkpoints/genre_train"))
