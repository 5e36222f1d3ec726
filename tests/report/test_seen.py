"""Which run a report tells of, and what it knows of the night before."""

import datetime as dt
from pathlib import Path
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.mongo import views
from jobs.mongo.connection import MongoDatabase
from jobs.mongo.names import SECONDARY_VIEWS
from jobs.report.facts import Stage
from jobs.report.night import Config, seen
from jobs.settings import Settings
from jobs.sources.config import load_sources

DAY = dt.date(2026, 11, 14)
JOBS = {"rank": {"seconds": 9.0, "reused": False}, "report": {"seconds": 5.0, "reused": False}}


@pytest.fixture
def told(mongo: MongoDatabase, settings: Settings, tmp_path: Path) -> Any:
    """What a run of this id sees of two published nights, the later of which was published twice; no Spark is asked."""
    file = tmp_path / "sources.toml"
    file.write_text('name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/logs"\n')
    for run_id, date, hour in (("20261113_1", "2026-11-13", 1), ("20261114_1", "2026-11-14", 2), ("20261114_2", "2026-11-14", 3)):
        mongo.runs.insert_one({"_id": run_id, "date": date, "jobs": JOBS, "report": {"users": hour}})
        at = dt.datetime(2026, 11, 15, hour, tzinfo=dt.UTC)
        mongo.publications.insert_one({"_id": run_id, "date": date, "published_at": at, "lists": 1})
        mongo[f"recommendations__{run_id}"].insert_one({"_id": "u|overall"})
    mongo.runs.insert_one({"_id": "20261114_3", "date": "2026-11-14"})
    views.commit(mongo, "20261114_2")

    def of(run_id: str, date: dt.date = DAY) -> Any:
        night = Night(date, run_id, load_sources(file), settings, cast(SparkSession, None))
        return seen(JobContext(night, "report", Config()), mongo)

    return of


def test_a_published_run_tells_of_itself_beside_the_night_before(told: Any) -> None:
    found = told("20261114_1")
    assert (found.run_id, found.is_live, found.newest) == ("20261114_1", False, True)
    assert found.stages == [Stage("rank", 9.0, False, 9.0)]
    assert found.before == {"users": 1}
    assert found.documents == {**dict.fromkeys(SECONDARY_VIEWS, 0), "recommendations": 1, "lists": 1}


def test_a_run_of_the_report_alone_tells_of_the_run_published_last(told: Any) -> None:
    assert (told("20261114_3").run_id, told("20261114_3").is_live) == ("20261114_2", True)


def test_a_first_night_and_a_night_that_is_not_the_newest(told: Any) -> None:
    found = told("20261113_1", dt.date(2026, 11, 13))
    assert (found.newest, found.is_live, found.before) == (False, False, {})
    assert found.stages == [Stage("rank", 9.0, False)]
