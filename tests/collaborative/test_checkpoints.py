"""A fit that died goes on from the last iteration it had kept, to the same bits; nobody goes on from another fit's."""

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
Found = list[NDArray[np.float32]]
BOTH_WAYS = pytest.mark.parametrize("way", ["driver", "tasks"])


class Killed(BaseException):
    """Ends a fit where a kill would."""


@pytest.fixture(scope="module")
def history(spark: SparkSession) -> DataFrame:
    """Synthetic: 40 users of 15 tracks."""
    draw = np.random.default_rng(9)
    heard = [(f"u{u:02d}", f"t{t:02d}") for u in range(40) for t in range(15) if draw.random() < 0.4 or t == u % 15]
    rows = [(user, track, float(draw.integers(1, 9))) for user, track in heard]
    return spark.createDataFrame(rows, "user_id string, track_id string, rating double").cache()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileStore:
    """An empty lake, in which each iteration is kept."""
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "YOUNG", dt.timedelta(0))
    return FileStore(str(tmp_path))


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def chosen(way: str) -> None:
        monkeypatch.setattr(model, "BLOCK_INTERACTIONS", 60)
        if way == "tasks":
            monkeypatch.setattr(als_blocks, "LIKE_BYTES", 2**40)

    return chosen


def fit(
    history: DataFrame, store: FileStore, config: IALSConfig = CONFIG, dies_at: int = 0, used: bool = True
) -> tuple[Found, list[int]]:
    """Both sides' factors in the order of their ids, and the iterations that were done; `used`: nothing fails behind the fit."""
    done: list[int] = []

    def told(iteration: int) -> None:
        done.append(iteration)
        if iteration == dies_at:
            raise Killed

    strengths = build_confidence(history, config.min_rating)
    users, items = numbered(strengths, "user_id", "user"), numbered(strengths, "track_id", "item")
    with ials.factorize(strengths, users, items, config, told, store) as frames:
        tables = [frame.orderBy(frame.columns[0]).toArrow() for frame in frames]
        if not used:
            raise Killed
    return [np.array(table["factors"].to_pylist(), np.float32) for table in tables], done


def dies(history: DataFrame, store: FileStore, config: IALSConfig = CONFIG, at: int = 2) -> None:
    with pytest.raises(Killed):
        fit(history, store, config, dies_at=at)


def kept(store: FileStore) -> list[str]:
    return [file.name for file in store.walk("checkpoints")]


def same(found: Found, others: Found) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(found, others, strict=True))


@BOTH_WAYS
def test_a_fit_that_died_goes_on_to_the_bits_of_one_that_did_not(
    history: DataFrame, store: FileStore, tmp_path: Path, way: str, choose: Callable[[str], None]
) -> None:
    choose(way)
    whole, done = fit(history, FileStore(str(tmp_path / "undisturbed")))
    assert done == [1, 2, 3, 4]
    dies(history, store)
    assert len(kept(store)) == 1
    dies(history, store, at=3)
    assert len(kept(store)) == 1
    found, done = fit(history, store)
    assert done == [4]
    assert same(found, whole)
    assert not kept(store), "the factors are where they belong"


def test_what_one_way_has_kept_the_other_goes_on_from(
    history: DataFrame, store: FileStore, tmp_path: Path, choose: Callable[[str], None]
) -> None:
    whole, _ = fit(history, FileStore(str(tmp_path / "undisturbed")))
    dies(history, store)
    choose("tasks")
    found, done = fit(history, store)
    assert done == [3, 4]
    assert same(found, whole)


def test_a_death_behind_the_fit_repeats_no_iteration(history: DataFrame, store: FileStore) -> None:
    with pytest.raises(Killed):
        fit(history, store, used=False)
    assert fit(history, store)[1] == []


@pytest.mark.parametrize(
    "changed", [{"rank": 5}, {"iterations": 5}, {"seed": 8}, {"steps": 0}, {"regularisation": 0.02}]
)
def test_other_settings_begin_anew_and_the_stale_checkpoint_goes(
    history: DataFrame, store: FileStore, tmp_path: Path, changed: dict[str, float]
) -> None:
    config = replace(CONFIG, **changed)  # type: ignore[arg-type]
    dies(history, store)
    (stale,) = kept(store)
    dies(history, store, config, at=1)
    assert len(kept(store)) == 1
    assert kept(store) != [stale]
    found, done = fit(history, store, config)
    assert done == list(range(2, config.iterations + 1))
    assert same(found, fit(history, FileStore(str(tmp_path / "undisturbed")), config)[0])


@pytest.mark.parametrize("change", ["a listen more", "a listen less", "a play more"])
def test_another_history_begins_anew(history: DataFrame, store: FileStore, tmp_path: Path, change: str) -> None:
    first = history.orderBy("user_id", "track_id").limit(1)
    rest = history.join(first, ["user_id", "track_id"], "left_anti")
    other = {
        "a listen more": history.union(first.withColumn("track_id", F.lit("t99"))),
        "a listen less": rest,
        "a play more": rest.union(first.withColumn("rating", F.col("rating") + 1)),
    }[change]
    dies(history, store)
    found, done = fit(other, store)
    assert done == [1, 2, 3, 4]
    assert same(found, fit(other, FileStore(str(tmp_path / "undisturbed")))[0])


def test_a_checkpoint_that_cannot_be_read_or_written_stops_no_fit(
    history: DataFrame, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = fit(history, store)
    dies(history, store)
    store.write_bytes(kept(store)[0], b"cut sh")
    found, done = fit(history, store)
    assert done == [1, 2, 3, 4]
    assert same(found, whole)

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(FileStore, "write_bytes", full)
    assert same(fit(history, store)[0], whole)


def test_a_checkpoint_is_written_at_most_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("jobs.lake.checkpoints.time.monotonic", lambda: now[0])
    checkpoint = Checkpoint(FileStore(str(tmp_path)), "fit", {})
    read: list[int | None] = []
    for second in (1, 61, 62, 120, 125):
        now[0] = 100.0 + second
        checkpoint.keep({"second": np.array(second)})
        found = checkpoint.load()
        read.append(None if found is None else int(found["second"]))
    assert read == [None, 61, 61, 61, 125]


def test_two_nights_at_work_in_one_lake_keep_their_own(
    history: DataFrame, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "YOUNG", dt.timedelta(hours=1))
    other = replace(CONFIG, seed=8)
    dies(history, store)
    dies(history, store, other)
    assert len(kept(store)) == 2
    for config in (CONFIG, other):
        assert fit(history, store, config)[1] == [3, 4]


def test_what_a_kill_left_half_written_goes_with_the_next_fit(store: FileStore) -> None:
    store.write_bytes("checkpoints/fit/.0a.tmp", b"half")
    store.write_bytes("checkpoints/other/1b.safetensors", b"another's")
    Checkpoint(store, "fit", {"likes": "of today"})
    assert kept(store) == ["checkpoints/other/1b.safetensors"]
