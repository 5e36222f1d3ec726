"""The runner decides the reuse of rows from manifests and settings, before it imports a job."""

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.job_config import NoSettings
from jobs.lake.schemas import table
from jobs.mongo import runs
from jobs.mongo.connection import MongoDatabase
from jobs.registry import Job, jobs_named
from jobs.runner import _run_one
from jobs.settings import Settings
from jobs.sources.config import load_sources

DATE = dt.date(2026, 11, 14)


def test_job_whose_rows_are_reused_is_not_imported(
    spark: SparkSession, mongo: MongoDatabase, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sources.toml"
    file.write_text('name = "small"\ngenres = "pmrs7"\n[[source]]\nname = "app"\nformat = "app_log"\npath = "/logs"\n')
    night = Night(DATE, runs.new_run_id(mongo, DATE), load_sources(file), settings, spark)
    inputs = JobContext(night, "literal", NoSettings())
    for name in ("tracks", "genre_scores"):
        inputs.write(name, spark.createDataFrame([], table(name).schema))
    inputs.commit()
    (job,) = jobs_named("classify")
    _run_one(mongo, night, job, force=False)
    assert not runs.get(mongo, night.run_id)["jobs"]["classify"]["reused"]
    monkeypatch.setattr(Job, "load", lambda job: pytest.fail(f"the job {job.name} is imported"))
    _run_one(mongo, night, job, force=False)
    assert runs.get(mongo, night.run_id)["jobs"]["classify"]["reused"]
