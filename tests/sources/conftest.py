"""Fixtures of the ingest tests."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.job_config import NoSettings
from jobs.settings import Settings
from jobs.sources.config import load_sources
from jobs.sources.ingest import events
from tests.sources.feed import DAY, Ingest


@pytest.fixture
def ingest(spark: SparkSession, settings: Settings, tmp_path: Path) -> Ingest:
    """Run the job `events` (or another) on the sources of a TOML text."""

    def run(text: str, day: dt.date = DAY, job: Any = events, force: bool = False, lake: str = "") -> JobContext:
        where = settings.model_copy(update={"lake": lake})
        file = tmp_path / "sources.toml"
        file.write_text('name = "small"\ngenres = "pmrs7"\n' + text)
        ctx = JobContext(Night(day, "r", load_sources(file), where, spark), "events", NoSettings(), force=force)
        job.run(ctx)
        ctx.commit()
        return ctx

    return run
