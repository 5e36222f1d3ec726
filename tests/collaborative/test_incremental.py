"""Nights that share a fit: users are folded in every night; candidates of unchanged histories are reused."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy.sparse import csr_array

from jobs.collaborative import candidates, factors, incremental
from jobs.collaborative.config import CandidatesConfig, CollaborativeConfig
from jobs.context import JobContext, Night
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.recommenders.ranker_config import RANKING, live_ranker
from jobs.settings import Settings
from jobs.sources.config import load_sources
from models.ials import IALSConfig, loss
from tests.collaborative.test_ranker_config import SOURCES

MONDAY = dt.date.fromordinal(7 * 105_700)
"""The first day of a fit that seven nights share."""
WEEKLY, CANDIDATES = CollaborativeConfig(fit_every=7), CandidatesConfig()
RECIPE = {"method": "als", "settings": {"rank": 4, "iterations": 3}}
HISTORIES = {f"u{u:02d}": {f"t{t:02d}": 1.0 for t in range(u % 2, 12, 2) if t != u % 12} for u in range(30)}


@pytest.fixture
def nights(spark: SparkSession, settings: Settings, tmp_path: Path) -> list[Night]:
    file = tmp_path / "sources.toml"
    file.write_text(SOURCES + "[jobs.rank]\noverall = 3\nper_genre = 0\n")
    nights = [Night(MONDAY + dt.timedelta(days=n), f"r{n}", load_sources(file), settings, spark) for n in range(8)]
    nights[0].models.register(RANKING, b"weights", RECIPE)
    return nights


def write_inputs(night: Night, histories: dict[str, dict[str, float]]) -> None:
    ctx, spark = JobContext(night, "literal", WEEKLY), night.spark
    rows = [(user, track, rating, 1, False, None) for user, ratings in histories.items() for track, rating in ratings.items()]
    ctx.write("history", spark.createDataFrame(rows, table("history").schema))
    users = [(user, len(history)) for user, history in histories.items()]
    ctx.write("eligible_users", spark.createDataFrame(users, table("eligible_users").schema))
    tracks = sorted({track for ratings in histories.values() for track in ratings})
    catalogue = [(track, None, None, None, None, False, None, None, None, "plays") for track in tracks]
    ctx.write("tracks", spark.createDataFrame(catalogue, table("tracks").schema))
    # as after an ingest: a day without deletion requests has an empty partition
    ctx.write_empty_partitions("deletions/app_log", {night.date.isoformat(): {}})
    genres: list[tuple[Any, ...]] = [(f"t{t:02d}", None, 0.0, [], "none", None) for t in range(12)]
    ctx.write("track_genres", spark.createDataFrame(genres, table("track_genres").schema))
    ctx.commit()


def run(night: Night, config: CollaborativeConfig = WEEKLY, force: bool = False) -> dict[str, str]:
    """Return the digests of the tables that both jobs write."""
    for job, module, own in (("collaborative", factors, config), ("candidates", candidates, CANDIDATES)):
        ctx = JobContext(night, job, own, force=force)
        module.run(ctx)
        ctx.commit()
    names = ("item_factors", "user_factors", "candidates", "candidate_fingerprints")
    return {name: night.lake.digest_of(name, Partitions.DATE, night.date.isoformat()) for name in names}


def run_and_record(night: Night, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], list[str]]:
    """Return the digests of a night, and the users whose candidates were computed."""
    user_ids: list[str] = []
    build = candidates.build_candidates

    def build_and_record(users: Any, *others: Any) -> Any:
        user_ids.extend(row["user_id"] for row in users.collect())
        return build(users, *others)

    monkeypatch.setattr(candidates, "build_candidates", build_and_record)
    digests = run(night)
    monkeypatch.undo()
    return digests, sorted(user_ids)


def test_only_users_with_changed_histories_are_scored_and_the_digests_equal_those_of_a_full_run(
    nights: list[Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_inputs(nights[0], HISTORIES)
    first, all_users = run_and_record(nights[0], monkeypatch)
    assert all_users == sorted(HISTORIES)
    tomorrow = {user: ratings for user, ratings in HISTORIES.items() if user != "u05"}
    tomorrow |= {"u01": HISTORIES["u01"] | {"t00": 1.0}, "u02": HISTORIES["u02"] | {"t04": 9.0}, "new": {"t03": 1.0}}
    write_inputs(nights[1], tomorrow)
    second, scored = run_and_record(nights[1], monkeypatch)
    assert scored == ["new", "u01", "u02"]
    assert second["item_factors"] == first["item_factors"]
    assert second["candidates"] != first["candidates"]
    forced = run(nights[1], force=True)
    assert forced == second
    listed = nights[1].lake.read(nights[1].spark, "candidates", Partitions.DATE, nights[1].date.isoformat())
    assert {row["user_id"] for row in listed.select("user_id").distinct().collect()} == set(tomorrow)
    lengths = listed.groupBy("user_id", "list").count().collect()
    assert {(row["list"], row["count"]) for row in lengths} == {("overall", 3)}, "as long as [jobs.rank] says"


@pytest.mark.slow
def test_new_fit_starts_after_seven_nights_and_after_a_deletion_request(nights: list[Night]) -> None:
    for night in nights:
        write_inputs(night, {user: dict(ratings) for user, ratings in HISTORIES.items()} | {"more": {"t01": 2.0 + night.date.day}})
    before = [run(night)["item_factors"] for night in nights[:3]]
    assert before[0] == before[1] == before[2]
    ctx = JobContext(nights[3], "literal", WEEKLY)
    request = {field.name: None for field in table("deletions").schema} | {"user_hash": "0" * 64}
    ctx.write_local("deletions/app_log", {nights[3].date.isoformat(): [request]}, {nights[3].date.isoformat(): {}})
    ctx.commit()
    after = [run(night)["item_factors"] for night in nights[3:]]
    assert after[0] != before[2]
    # every later night reads the request; the shared fit ends with the seventh night
    assert after[0] == after[1] == after[2] == after[3]
    assert after[4] != after[3]


def test_candidates_of_another_ranker_or_catalogue_are_not_reused(nights: list[Night], monkeypatch: pytest.MonkeyPatch) -> None:
    for night in nights[:2]:
        write_inputs(night, HISTORIES)
    run(nights[0])
    nights[1].models.register(RANKING, b"others", RECIPE | {"settings": {"rank": 5, "iterations": 3}})
    _, all_users = run_and_record(nights[1], monkeypatch)
    assert all_users == sorted(HISTORIES)
    manifest = nights[1].lake.manifest("candidates", nights[1].date.isoformat())
    assert manifest is not None
    assert incremental.previous_candidates(JobContext(nights[1], "candidates", CANDIDATES, dict(manifest.inputs))) is not None
    for label in incremental.SHARED_INPUTS:
        inputs = manifest.inputs | {label: "other"}
        assert incremental.previous_candidates(JobContext(nights[1], "candidates", CANDIDATES, inputs)) is None


def test_track_removed_from_the_catalogue_has_no_factors_and_no_candidates(nights: list[Night]) -> None:
    write_inputs(nights[0], HISTORIES)
    run(nights[0])
    without = {user: {track: rating for track, rating in ratings.items() if track != "t04"} for user, ratings in HISTORIES.items()}
    write_inputs(nights[1], without)
    run(nights[1])
    date, spark = nights[1].date.isoformat(), nights[1].spark
    fitted_tracks = {row["track_id"] for row in nights[1].lake.read(spark, "item_factors", Partitions.DATE, date).collect()}
    assert fitted_tracks == {f"t{t:02d}" for t in range(12)} - {"t04"}
    assert nights[1].lake.read(spark, "candidates", Partitions.DATE, date).where("track_id = 't04'").count() == 0


def test_every_night_is_fitted_by_default(nights: list[Night]) -> None:
    for night in nights[:2]:
        write_inputs(night, HISTORIES | {"more": {"t01": 2.0 + night.date.day}})
    assert run(nights[0], CollaborativeConfig())["item_factors"] != run(nights[1], CollaborativeConfig())["item_factors"]


WARM = CollaborativeConfig(warm_iterations=1)


def test_warm_fit_starts_from_the_factors_of_the_previous_night(nights: list[Night]) -> None:
    """One warm iteration has a lower loss than three from random factors. A new track gets factors too."""
    more = {"newcomer": {"t01": 1.0, "t99": 3.0}}
    write_inputs(nights[0], HISTORIES)
    write_inputs(nights[1], HISTORIES | more)
    run(nights[0], WARM)
    warm, cold = run(nights[1], WARM), run(nights[1], CollaborativeConfig())
    assert warm["item_factors"] != cold["item_factors"]
    rows = nights[1].lake.read(nights[1].spark, "item_factors", Partitions.DATE, nights[1].date.isoformat())
    assert rows.where("track_id = 't99'").count() == 1
    write_inputs(nights[1], HISTORIES)
    assert loss_of(nights[1], WARM) < loss_of(nights[1], CollaborativeConfig())


def loss_of(night: Night, config: CollaborativeConfig) -> float:
    """Return the iALS loss of a night's factors, with its users folded in."""
    run(night, config)
    date = night.date.isoformat()
    names = ("item_factors", "user_factors")
    items, users = (night.lake.read(night.spark, name, Partitions.DATE, date).toArrow() for name in names)
    items, users = items.sort_by("track_id"), users.sort_by("user_id")
    tracks = {track: index for index, track in enumerate(items["track_id"].to_pylist())}
    likes = np.zeros((users.num_rows, items.num_rows), np.float32)
    for row, user in enumerate(users["user_id"].to_pylist()):
        for track, rating in HISTORIES[user].items():
            likes[row, tracks[track]] = 1 + np.log2(rating)
    user_factors, item_factors = (np.array(side["factors"].to_pylist(), np.float32) for side in (users, items))
    return loss(csr_array(likes), user_factors, item_factors, IALSConfig().objective)


def test_past_night_backfill_and_night_after_a_deletion_request_have_no_warm_start(nights: list[Night]) -> None:
    for night in nights[:3]:
        write_inputs(night, HISTORIES | {"more": {"t01": 2.0 + night.date.day}})
    run(nights[0], WARM)
    with_tomorrow = JobContext(nights[1], "collaborative", WARM)
    ranker = live_ranker(with_tomorrow)
    start = incremental.warm_start(with_tomorrow, ranker, 1)
    assert start is not None
    assert start.items.count() == 12
    assert incremental.warm_start(with_tomorrow, ranker, 0) is None
    assert incremental.warm_start(with_tomorrow, replace(ranker, digest="another"), 1) is None
    backfilled = replace(nights[1], settings=nights[1].settings.model_copy(update={"backfill": True}))
    again = JobContext(backfilled, "collaborative", WARM)
    assert incremental.warm_start(again, ranker, 1) is None
    assert with_tomorrow.inputs["backfill|"] != again.inputs["backfill|"], "warm rows are not taken over for a cold night"
    run(nights[2], WARM)
    assert incremental.warm_start(with_tomorrow, ranker, 1) is None
    request = {field.name: None for field in table("deletions").schema} | {"user_hash": "0" * 64}
    ctx = JobContext(nights[3], "literal", WEEKLY)
    ctx.write_local("deletions/app_log", {nights[3].date.isoformat(): [request]}, {nights[3].date.isoformat(): {}})
    ctx.commit()
    assert incremental.warm_start(JobContext(nights[3], "collaborative", WARM), ranker, 1) is None
