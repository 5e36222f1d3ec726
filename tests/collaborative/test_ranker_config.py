"""The ranker of a night: the live one, of any method; without one, PMRS with default settings."""

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.collaborative import candidates, factors
from jobs.collaborative.config import CandidatesConfig, CollaborativeConfig
from jobs.context import JobContext, Night
from jobs.errors import LakeError
from jobs.lake import checkpoints
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.recommenders.ranker_config import RANKING, ranker_from_card
from jobs.settings import Settings
from jobs.sources.config import load_sources

SOURCES = """
name = "small"
genres = "pmrs7"
[[source]]
format = "app_log"
path = "/logs"
"""
TRACKS = 12


@pytest.fixture
def night(spark: SparkSession, settings: Settings, tmp_path: Path) -> Night:
    """Forty users of even or of odd tracks, each without two of the six. One more user has only skipped."""
    file = tmp_path / "sources.toml"
    file.write_text(SOURCES)
    night = Night(dt.date(2026, 11, 14), "r", load_sources(file), settings, spark)
    ctx = JobContext(night, "literal", CandidatesConfig())
    history = [
        (f"u{u:02d}", f"t{t:02d}", 1.0 + (t == u % 2), 1, False, None)
        for u in range(40) for t in range(u % 2, TRACKS, 2) if t not in {(u + 2 * k) % TRACKS for k in (0, 1)}
    ]  # fmt: skip
    history.append(("skipper", "t00", 0.0, 0, False, None))
    ctx.write("history", spark.createDataFrame(history, table("history").schema))
    eligible = sorted({(row[0], 4) for row in history} | {("new", 0)})
    ctx.write("eligible_users", spark.createDataFrame(eligible, table("eligible_users").schema))
    rock = ("Rock", 0.5, [0.5 if genre == "Rock" else 0.5 / 6 for genre in ctx.genres.genres], "label", None)
    genres = [(f"t{t:02d}", *(rock if t % 4 < 2 else (None, 0.0, [], "none", None))) for t in range(TRACKS)]
    ctx.write("track_genres", spark.createDataFrame(genres, table("track_genres").schema))
    ctx.commit()
    return night


def candidate_lists(night: Night) -> dict[tuple[str, str], list[tuple[str, str | None, str]]]:
    for job, module in (("collaborative", factors), ("candidates", candidates)):
        ctx = JobContext(night, job, night.config_of(job))
        module.run(ctx)
        ctx.commit()
    rows = night.lake.read(night.spark, "candidates", Partitions.DATE, night.date.isoformat()).orderBy(
        "user_id", "list", "score", "track_id"
    )
    by_list: dict[tuple[str, str], list[tuple[str, str | None, str]]] = {}
    for row in rows.collect():
        by_list.setdefault((row["user_id"], row["list"]), []).append(
            (row["track_id"], row["reason_track_id"], row["method"])
        )
    return by_list


@pytest.mark.parametrize(
    ("method", "config"),
    [
        ("item_knn", {"neighbors": 5}),
        ("ease", {"regularization": 5.0}),
        ("sparse_ease", {"neighbors": 3, "shrinkage": 1.0, "regularization": 5.0}),
        ("bpr", {"rank": 4, "epochs": 40}),
        ("als", {"rank": 4}),
        ("blend", {"rank": 4, "ease_regularization": 5.0}),
        ("als_mllib", {"rank": 4, "iterations": 4, "blocks": 99}),
    ],
)
def test_live_ranker_gives_the_lists_and_their_reasons(night: Night, method: str, config: dict[str, float]) -> None:
    night.models.register(RANKING, b"weights", {"method": method, "settings": config})
    by_list = candidate_lists(night)
    assert {user for user, _ in by_list} == {f"u{u:02d}" for u in range(40)}, (
        "who liked nothing is left to popular tracks"
    )
    for user in ("u00", "u07"):
        even = int(user[1:]) % 2
        missing = {f"t{(int(user[1:]) + 2 * k) % TRACKS:02d}" for k in (0, 1)}
        lists = by_list[user, "overall"]
        assert {track for track, _, _ in lists[-2:]} == missing, "best last"
        assert {used for _, _, used in lists} == {method}
        assert all(reason and int(reason[1:]) % 2 == even for track, reason, _ in lists if track in missing)
        assert {track for track, _, _ in by_list[user, "Rock"]} <= {f"t{t:02d}" for t in range(TRACKS) if t % 4 < 2}


def test_without_a_live_ranker_pmrs_with_default_settings_ranks(night: Night) -> None:
    assert {method for rows in candidate_lists(night).values() for _, _, method in rows} == {"pmrs_cf"}


def test_digest_of_the_ranker_is_an_input_of_its_tables(night: Night) -> None:
    digest = night.models.register(RANKING, b"weights", {"method": "item_knn", "settings": {}})
    candidate_lists(night)
    for name in ("candidates", "item_factors"):
        manifest = night.lake.manifest(name, night.date.isoformat())
        assert manifest is not None
        assert manifest.inputs[f"model|{RANKING}"] == digest


def test_job_killed_in_the_fit_resumes_to_the_same_digests(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    done: list[int] = []
    kill_at = 4

    def on_progress(step: str, iteration: int, total: int) -> None:
        done.append(iteration)
        if iteration == kill_at:
            raise KeyboardInterrupt

    def fitted() -> list[str]:
        ctx = JobContext(night, "collaborative", CollaborativeConfig())
        factors.run(ctx)
        return [manifest.digest for manifest in ctx.commit()]

    uninterrupted = fitted()
    night.on_progress = on_progress
    with pytest.raises(KeyboardInterrupt):
        fitted()
    assert night.lake.store.walk("checkpoints")
    done.clear()
    kill_at = -1
    assert fitted() == uninterrupted
    assert done == [0, *range(5, 11)]
    assert not night.lake.store.walk("checkpoints")


def test_method_without_factors_removes_old_checkpoints_of_its_predecessor(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.lake.store.write_bytes("checkpoints/collaborative/0a.safetensors", b"factors")
    night.models.register(RANKING, b"weights", {"method": "item_knn", "settings": {}})
    factors.run(JobContext(night, "collaborative", CollaborativeConfig()))
    assert night.lake.store.walk("checkpoints"), "it may be that of another night at work"
    monkeypatch.setattr(checkpoints, "YOUNG", dt.timedelta(0))
    factors.run(JobContext(night, "collaborative", CollaborativeConfig()))
    assert not night.lake.store.walk("checkpoints")


def test_factors_of_another_ranker_raise(night: Night) -> None:
    ctx = JobContext(night, "collaborative", CollaborativeConfig())
    factors.run(ctx)
    ctx.commit()
    night.models.register(RANKING, b"weights", {"method": "als", "settings": {}})
    with pytest.raises(LakeError, match="another ranker than the live one; run `pmrs run collaborative"):
        candidates.run(JobContext(night, "candidates", CandidatesConfig()))


def test_live_ranker_without_a_card_raises(night: Night) -> None:
    digest = night.models.register(RANKING, b"weights", {"method": "item_knn", "settings": {}})
    night.lake.store.remove(f"models/{RANKING}/{digest}")
    with pytest.raises(LakeError, match="is live and has no card"):
        candidate_lists(night)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"method": "oracle"}, "unknown method 'oracle'"),
        ({"method": "ease", "settings": {"depth": 3}}, "unknown settings"),
    ],
)
def test_card_with_unknown_method_or_setting_raises(card: dict[str, object], message: str) -> None:
    with pytest.raises(LakeError, match=message):
        ranker_from_card({**card, "digest": "abc"})
