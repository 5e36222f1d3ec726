"""Nights that share a fit: users are folded in the same night; whoever has the same history keeps the same rows, nobody else."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy.sparse import csr_array

from jobs.collaborative import candidates, factors, incremental
from jobs.context import JobContext, Night
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.recommenders.ranker_config import RANKING, live_ranker
from jobs.settings import Settings
from jobs.sources.config import load_sources
from models.ials import IALSConfig, loss
from tests.collaborative.test_ranker_config import SOURCES

MONDAY = dt.date.fromordinal(7 * 105_700)
"""A day on which a fit of seven nights begins."""
WEEKLY, OVERALL = factors.Config(fit_every=7), candidates.Config(overall=3, per_genre=0)
RECIPE = {"method": "als", "settings": {"rank": 4, "iterations": 3}}
HEARD = {f"u{u:02d}": {f"t{t:02d}": 1.0 for t in range(u % 2, 12, 2) if t != u % 12} for u in range(30)}


@pytest.fixture
def nights(spark: SparkSession, settings: Settings, tmp_path: Path) -> list[Night]:
    file = tmp_path / "sources.toml"
    file.write_text(SOURCES)
    made = [Night(MONDAY + dt.timedelta(days=n), f"r{n}", load_sources(file), settings, spark) for n in range(8)]
    made[0].models.register(RANKING, b"weights", RECIPE)
    return made


def given(night: Night, heard: dict[str, dict[str, float]]) -> None:
    ctx, spark = JobContext(night, "literal", WEEKLY), night.spark
    rows = [(user, track, rating, 1, False, None) for user, ratings in heard.items() for track, rating in ratings.items()]
    ctx.write("history", spark.createDataFrame(rows, table("history").schema))
    users = [(user, len(one)) for user, one in heard.items()]
    ctx.write("eligible_users", spark.createDataFrame(users, table("eligible_users").schema))
    tracks = sorted({track for ratings in heard.values() for track in ratings})
    catalogue = [(track, None, None, None, None, False, None, None, None, "plays") for track in tracks]
    ctx.write("tracks", spark.createDataFrame(catalogue, table("tracks").schema))
    # as an ingest leaves it: a day without a wish is written down too
    ctx.write_empty_partitions("deletions/app_log", {night.date.isoformat(): {}})
    genres: list[tuple[Any, ...]] = [(f"t{t:02d}", None, 0.0, [], "none", None) for t in range(12)]
    ctx.write("track_genres", spark.createDataFrame(genres, table("track_genres").schema))
    ctx.commit()


def run(night: Night, config: factors.Config = WEEKLY, force: bool = False) -> dict[str, str]:
    """Digests of what a night writes."""
    for job, module, own in (("collaborative", factors, config), ("candidates", candidates, OVERALL)):
        ctx = JobContext(night, job, own, force=force)
        module.run(ctx)
        ctx.commit()
    names = ("item_factors", "user_factors", "candidates", "candidate_fingerprints")
    return {name: night.lake.digest_of(name, Partitions.DATE, night.date.isoformat()) for name in names}


def scored(night: Night, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], list[str]]:
    """The night, and whom it has scored."""
    asked: list[str] = []
    build = candidates.build_candidates

    def told(listeners: Any, *others: Any) -> Any:
        asked.extend(row["user_id"] for row in listeners.collect())
        return build(listeners, *others)

    monkeypatch.setattr(candidates, "build_candidates", told)
    made = run(night)
    monkeypatch.undo()
    return made, sorted(asked)


def test_only_who_has_listened_is_scored_again_and_the_night_is_that_of_a_whole_run(
    nights: list[Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    given(nights[0], HEARD)
    first, everybody = scored(nights[0], monkeypatch)
    assert everybody == sorted(HEARD)
    tomorrow = {user: ratings for user, ratings in HEARD.items() if user != "u05"}
    tomorrow |= {"u01": HEARD["u01"] | {"t00": 1.0}, "u02": HEARD["u02"] | {"t04": 9.0}, "new": {"t03": 1.0}}
    given(nights[1], tomorrow)
    second, some = scored(nights[1], monkeypatch)
    assert some == ["new", "u01", "u02"]
    assert second["item_factors"] == first["item_factors"]
    assert second["candidates"] != first["candidates"]
    whole = run(nights[1], force=True)
    assert whole == second
    listed = nights[1].lake.read(nights[1].spark, "candidates", Partitions.DATE, nights[1].date.isoformat())
    assert {row["user_id"] for row in listed.select("user_id").distinct().collect()} == set(tomorrow)


def test_a_fit_ends_with_its_week_and_with_a_wish_to_be_forgotten(nights: list[Night]) -> None:
    for night in nights:
        given(night, {user: dict(ratings) for user, ratings in HEARD.items()} | {"more": {"t01": 2.0 + night.date.day}})
    made = [run(night)["item_factors"] for night in nights[:3]]
    assert made[0] == made[1] == made[2]
    ctx = JobContext(nights[3], "literal", WEEKLY)
    wish = {field.name: None for field in table("deletions").schema} | {"user_hash": "0" * 64}
    ctx.write_local("deletions/app_log", {nights[3].date.isoformat(): [wish]}, {nights[3].date.isoformat(): {}})
    ctx.commit()
    after = [run(night)["item_factors"] for night in nights[3:]]
    assert after[0] != made[2]
    # the wish is known to every night from then on, and the week ends with the seventh
    assert after[0] == after[1] == after[2] == after[3]
    assert after[4] != after[3]


def test_another_recipe_or_another_catalogue_keeps_nothing(nights: list[Night], monkeypatch: pytest.MonkeyPatch) -> None:
    for night in nights[:2]:
        given(night, HEARD)
    run(nights[0])
    nights[1].models.register(RANKING, b"others", RECIPE | {"settings": {"rank": 5, "iterations": 3}})
    _, everybody = scored(nights[1], monkeypatch)
    assert everybody == sorted(HEARD)
    made = nights[1].lake.manifest("candidates", nights[1].date.isoformat())
    assert made is not None
    assert incremental.previous_candidates(JobContext(nights[1], "candidates", OVERALL, dict(made.inputs))) is not None
    for label in incremental.SHARED_INPUTS:
        assert incremental.previous_candidates(JobContext(nights[1], "candidates", OVERALL, made.inputs | {label: "other"})) is None


def test_a_track_that_leaves_the_catalogue_leaves_the_fit(nights: list[Night]) -> None:
    given(nights[0], HEARD)
    run(nights[0])
    without = {user: {track: one for track, one in ratings.items() if track != "t04"} for user, ratings in HEARD.items()}
    given(nights[1], without)
    run(nights[1])
    date, spark = nights[1].date.isoformat(), nights[1].spark
    kept_tracks = {row["track_id"] for row in nights[1].lake.read(spark, "item_factors", Partitions.DATE, date).collect()}
    assert kept_tracks == {f"t{t:02d}" for t in range(12)} - {"t04"}
    assert nights[1].lake.read(spark, "candidates", Partitions.DATE, date).where("track_id = 't04'").count() == 0


def test_every_night_fits_where_nothing_else_is_said(nights: list[Night]) -> None:
    for night in nights[:2]:
        given(night, HEARD | {"more": {"t01": 2.0 + night.date.day}})
    assert run(nights[0], factors.Config())["item_factors"] != run(nights[1], factors.Config())["item_factors"]


WARM = factors.Config(warm_iterations=1)


def test_a_warm_fit_begins_where_the_night_before_ended(nights: list[Night]) -> None:
    """One iteration from there loses less than three from random numbers; a track that is new begins like any other."""
    more = {"newcomer": {"t01": 1.0, "t99": 3.0}}
    given(nights[0], HEARD)
    given(nights[1], HEARD | more)
    run(nights[0], WARM)
    warm, cold = run(nights[1], WARM), run(nights[1], factors.Config())
    assert warm["item_factors"] != cold["item_factors"]
    rows = nights[1].lake.read(nights[1].spark, "item_factors", Partitions.DATE, nights[1].date.isoformat())
    assert rows.where("track_id = 't99'").count() == 1
    given(nights[1], HEARD)
    assert loss_of(nights[1], WARM) < loss_of(nights[1], factors.Config())


def loss_of(night: Night, config: factors.Config) -> float:
    """What the factors of a night cost, its users folded in."""
    run(night, config)
    date = night.date.isoformat()
    names = ("item_factors", "user_factors")
    items, users = (night.lake.read(night.spark, name, Partitions.DATE, date).toArrow() for name in names)
    items, users = items.sort_by("track_id"), users.sort_by("user_id")
    tracks = {track: at for at, track in enumerate(items["track_id"].to_pylist())}
    likes = np.zeros((users.num_rows, items.num_rows), np.float32)
    for row, user in enumerate(users["user_id"].to_pylist()):
        for track, rating in HEARD[user].items():
            likes[row, tracks[track]] = 1 + np.log2(rating)
    mine, theirs = (np.array(side["factors"].to_pylist(), np.float32) for side in (users, items))
    return loss(csr_array(likes), mine, theirs, IALSConfig().objective)


def test_a_past_night_a_backfilled_one_and_one_after_a_wish_begin_anew(nights: list[Night]) -> None:
    for night in nights[:3]:
        given(night, HEARD | {"more": {"t01": 2.0 + night.date.day}})
    run(nights[0], WARM)
    with_tomorrow = JobContext(nights[1], "collaborative", WARM)
    recipe = live_ranker(with_tomorrow)
    begun = incremental.warm_start(with_tomorrow, recipe, 1)
    assert begun is not None
    assert begun.items.count() == 12
    assert incremental.warm_start(with_tomorrow, recipe, 0) is None
    assert incremental.warm_start(with_tomorrow, replace(recipe, digest="another"), 1) is None
    backfilled = replace(nights[1], settings=nights[1].settings.model_copy(update={"backfill": True}))
    again = JobContext(backfilled, "collaborative", WARM)
    assert incremental.warm_start(again, recipe, 1) is None
    assert with_tomorrow.inputs["backfill|"] != again.inputs["backfill|"], "warm rows are not taken over for a cold night"
    run(nights[2], WARM)
    assert incremental.warm_start(with_tomorrow, recipe, 1) is None
    wish = {field.name: None for field in table("deletions").schema} | {"user_hash": "0" * 64}
    ctx = JobContext(nights[3], "literal", WEEKLY)
    ctx.write_local("deletions/app_log", {nights[3].date.isoformat(): [wish]}, {nights[3].date.isoformat(): {}})
    ctx.commit()
    assert incremental.warm_start(JobContext(nights[3], "collaborative", WARM), recipe, 1) is None
