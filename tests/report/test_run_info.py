"""Which run a report is about, and what it has of the previous night."""

import datetime as dt
from pathlib import Path
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.mongo import views
from jobs.mongo.connection import MongoDatabase
from jobs.mongo.names import SECONDARY_VIEWS
from jobs.report.config import ReportConfig
from jobs.report.facts import Stage
from jobs.report.night import read_run_info
from jobs.settings import Settings
from jobs.sources.config import load_sources

DAY = dt.date(2026, 11, 14)
JOBS = {"rank": {"seconds": 9.0, "reused": False}, "report": {"seconds": 5.0, "reused": False}}


@pytest.fixture
def info_of(mongo: MongoDatabase, settings: Settings, tmp_path: Path) -> Any:
    """Return a function from run id to RunInfo, with two published nights, the later one published twice; Spark is unused."""
    file = tmp_path / "sources.toml"
    file.write_text('name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/logs"\n')
    for run_id, date, hour in (
        ("20261113_1", "2026-11-13", 1),
        ("20261114_1", "2026-11-14", 2),
        ("20261114_2", "2026-11-14", 3),
    ):
        mongo.runs.insert_one({"_id": run_id, "date": date, "jobs": JOBS, "report": {"users": hour}})
        at = dt.datetime(2026, 11, 15, hour, tzinfo=dt.UTC)
        mongo.publications.insert_one({"_id": run_id, "date": date, "published_at": at, "lists": 1})
        mongo[f"recommendations__{run_id}"].insert_one({"_id": "u|overall"})
    mongo.runs.insert_one({"_id": "20261114_3", "date": "2026-11-14"})
    views.commit(mongo, "20261114_2")

    def of(run_id: str, date: dt.date = DAY) -> Any:
        night = Night(date, run_id, load_sources(file), settings, cast(SparkSession, None))
        return read_run_info(JobContext(night, "report", ReportConfig()), mongo)

    return of


def test_published_run_is_reported_with_the_previous_night(info_of: Any) -> None:
    info = info_of("20261114_1")
    assert (info.run_id, info.is_live, info.is_newest) == ("20261114_1", False, True)
    assert info.stages == [Stage("rank", 9.0, False, 9.0)]
    assert info.previous == {"users": 1}
    assert info.documents == {**dict.fromkeys(SECONDARY_VIEWS, 0), "recommendations": 1, "lists": 1}


def test_report_without_publication_is_about_the_last_published_run(info_of: Any) -> None:
    assert (info_of("20261114_3").run_id, info_of("20261114_3").is_live) == ("20261114_2", True)


def test_first_night_that_is_not_the_newest(info_of: Any) -> None:
    info = info_of("20261113_1", dt.date(2026, 11, 13))
    assert (info.is_newest, info.is_live, info.previous) == (False, False, {})
    assert info.stages == [Stage("rank", 9.0, False)]
