"""A killed fit resumes from its last checkpoint to the same bits, and never from another fit's."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.lake import checkpoints
from jobs.lake.checkpoints import Checkpoint
from jobs.lake.files import FileStore
from jobs.recommenders import als_blocks, ials
from jobs.recommenders.confidence import build_confidence, numbered
from models import ials as model
from models.ials import IALSConfig

CONFIG = IALSConfig(rank=6, iterations=4)
Factors = list[NDArray[np.float32]]
EACH_LOCATION = pytest.mark.parametrize("location", ["driver", "tasks"])


class Killed(BaseException):
    """Ends a fit as a kill would: no `except Exception` catches it."""


@pytest.fixture(scope="module")
def history(spark: SparkSession) -> DataFrame:
    """Synthetic ratings of 40 users and 15 tracks."""
    rng = np.random.default_rng(9)
    pairs = [(f"u{u:02d}", f"t{t:02d}") for u in range(40) for t in range(15) if rng.random() < 0.4 or t == u % 15]
    rows = [(user, track, float(rng.integers(1, 9))) for user, track in pairs]
    return spark.createDataFrame(rows, "user_id string, track_id string, rating double").cache()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    """An empty lake in which every iteration writes a checkpoint."""
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "YOUNG", dt.timedelta(0))
    return FileStore(str(tmp_path))


@pytest.fixture
def run_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def set_location(location: str) -> None:
        monkeypatch.setattr(model, "BLOCK_INTERACTIONS", 60)
        if location == "tasks":
            monkeypatch.setattr(als_blocks, "INTERACTION_BYTES", 2**40)

    return set_location


def fit(
    history: DataFrame, store: FileStore, config: IALSConfig = CONFIG, kill_at: int = 0, completes: bool = True
) -> tuple[Factors, list[int]]:
    """Return both factor matrices in the order of their ids, and the iterations done.

    `kill_at`: the iteration after which the fit is killed (0: none). `completes`: False kills it after the fit.
    """
    done: list[int] = []

    def on_iteration(iteration: int) -> None:
        done.append(iteration)
        if iteration == kill_at:
            raise Killed

    confidence = build_confidence(history, config.min_rating)
    users, items = numbered(confidence, "user_id", "user"), numbered(confidence, "track_id", "item")
    with ials.factorize(confidence, users, items, config, on_iteration, store) as frames:
        tables = [frame.orderBy(frame.columns[0]).toArrow() for frame in frames]
        if not completes:
            raise Killed
    return [np.array(table["factors"].to_pylist(), np.float32) for table in tables], done


def fit_killed(history: DataFrame, store: FileStore, config: IALSConfig = CONFIG, at: int = 2) -> None:
    with pytest.raises(Killed):
        fit(history, store, config, kill_at=at)


def checkpoint_names(store: FileStore) -> list[str]:
    return [file.name for file in store.walk("checkpoints")]


def equal_factors(actual: Factors, expected: Factors) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(actual, expected, strict=True))


@EACH_LOCATION
def test_killed_fit_resumes_to_the_bits_of_an_uninterrupted_one(
    history: DataFrame, store: FileStore, tmp_path: Path, location: str, run_in: Callable[[str], None]
) -> None:
    run_in(location)
    uninterrupted, done = fit(history, FileStore(str(tmp_path / "undisturbed")))
    assert done == [1, 2, 3, 4]
    fit_killed(history, store)
    assert len(checkpoint_names(store)) == 1
    fit_killed(history, store, at=3)
    assert len(checkpoint_names(store)) == 1
    actual, done = fit(history, store)
    assert done == [4]
    assert equal_factors(actual, uninterrupted)
    assert not checkpoint_names(store), "the factors are where they belong"


def test_tasks_resume_from_a_checkpoint_of_the_driver(
    history: DataFrame, store: FileStore, tmp_path: Path, run_in: Callable[[str], None]
) -> None:
    uninterrupted, _ = fit(history, FileStore(str(tmp_path / "undisturbed")))
    fit_killed(history, store)
    run_in("tasks")
    actual, done = fit(history, store)
    assert done == [3, 4]
    assert equal_factors(actual, uninterrupted)


def test_kill_after_the_fit_repeats_no_iteration(history: DataFrame, store: FileStore) -> None:
    with pytest.raises(Killed):
        fit(history, store, completes=False)
    assert fit(history, store)[1] == []


@pytest.mark.parametrize(
    "changed", [{"rank": 5}, {"iterations": 5}, {"seed": 8}, {"cg_steps": 0}, {"regularization": 0.02}]
)
def test_other_settings_start_again_and_remove_the_stale_checkpoint(
    history: DataFrame, store: FileStore, tmp_path: Path, changed: dict[str, float]
) -> None:
    config = replace(CONFIG, **changed)  # type: ignore[arg-type]
    fit_killed(history, store)
    (stale,) = checkpoint_names(store)
    fit_killed(history, store, config, at=1)
    assert len(checkpoint_names(store)) == 1
    assert checkpoint_names(store) != [stale]
    actual, done = fit(history, store, config)
    assert done == list(range(2, config.iterations + 1))
    assert equal_factors(actual, fit(history, FileStore(str(tmp_path / "undisturbed")), config)[0])


@pytest.mark.parametrize("change", ["a pair more", "a pair less", "a play more"])
def test_another_history_starts_again(history: DataFrame, store: FileStore, tmp_path: Path, change: str) -> None:
    first = history.orderBy("user_id", "track_id").limit(1)
    rest = history.join(first, ["user_id", "track_id"], "left_anti")
    other = {
        "a pair more": history.union(first.withColumn("track_id", F.lit("t99"))),
        "a pair less": rest,
        "a play more": rest.union(first.withColumn("rating", F.col("rating") + 1)),
    }[change]
    fit_killed(history, store)
    actual, done = fit(other, store)
    assert done == [1, 2, 3, 4]
    assert equal_factors(actual, fit(other, FileStore(str(tmp_path / "undisturbed")))[0])


def test_unreadable_or_unwritable_checkpoint_does_not_fail_the_fit(
    history: DataFrame, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, _ = fit(history, store)
    fit_killed(history, store)
    store.write_bytes(checkpoint_names(store)[0], b"cut sh")
    actual, done = fit(history, store)
    assert done == [1, 2, 3, 4]
    assert equal_factors(actual, uninterrupted)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(FileStore, "write_bytes", full)
    assert equal_factors(fit(history, store)[0], uninterrupted)


def test_checkpoint_is_written_at_most_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("jobs.lake.checkpoints.time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(FileStore(str(tmp_path)), "fit", {})
    read: list[int | None] = []
    for second in (1, 61, 62, 120, 125):
        now[0] = 100.0 + second
        checkpoint.save({"second": np.array(second)})
        state = checkpoint.load()
        read.append(None if state is None else int(state["second"]))
    assert read == [None, 61, 61, 61, 125]


def test_concurrent_fits_in_one_lake_keep_separate_checkpoints(
    history: DataFrame, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "YOUNG", dt.timedelta(hours=1))
    other = replace(CONFIG, seed=8)
    fit_killed(history, store)
    fit_killed(history, store, other)
    assert len(checkpoint_names(store)) == 2
    for config in (CONFIG, other):
        assert fit(history, store, config)[1] == [3, 4]


def test_next_fit_removes_half_written_checkpoints_of_its_own_folder(store: FileStore) -> None:
    store.write_bytes("checkpoints/fit/.0a.tmp", b"half")
    store.write_bytes("checkpoints/other/1b.safetensors", b"another's")
    Checkpoint(store, "fit", {"likes": "of today"})
    assert checkpoint_names(store) == ["checkpoints/other/1b.safetensors"]
