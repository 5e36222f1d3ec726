"""Input figures of the report: current sources, and sample lines of the night's quarantine."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.job_config import NoSettings
from jobs.lake.schemas import table
from jobs.report import intake
from jobs.settings import Settings
from jobs.sources.config import load_sources

DAY = dt.date(2026, 11, 14)
SHAPE = table("quarantine").schema
SOURCES = """
name = "small"
genres = "pmrs7"
[[source]]
name = "app"
format = "app_log"
path = "/logs"
[[source]]
name = "plays"
format = "table"
path = "/plays.csv"
columns = { user = "u", track = "t", time = "s" }
[[source]]
name = "labels"
format = "genre_labels"
path = "/labels.cls"
"""


@pytest.fixture
def ctx(spark: SparkSession, settings: Settings, tmp_path: Path) -> JobContext:
    """A lake in which a log, a table, labels and a source that is gone each refused a line, the log on two days."""
    file = tmp_path / "sources.toml"
    file.write_text(SOURCES)
    ctx = JobContext(Night(DAY, "r", load_sources(file), settings, spark), "report", NoSettings())
    day_before = DAY - dt.timedelta(days=1)
    for source, path, day in (
        ("app", f"/logs/dt={day_before}/a", day_before), ("app", f"/logs/dt={DAY}/a", DAY), ("plays", "/plays.csv", day_before),
        ("labels", "/labels.cls", DAY), ("gone", "/logs/gone", DAY), ("goner", "/gone.cls", day_before), ("audio", "/x.mp3", DAY),
    ):  # fmt: skip
        part = "mel" if source == "audio" else source
        rows = [(source, path, None, "rule", "reason", None)]
        ctx.write(f"quarantine/{part}", spark.createDataFrame(rows, SHAPE), on=day, inputs={f"file|{path}": ""})
        if source != "audio":
            counted: list[Any] = [(source, path, *[1] * 7, False)]
            frame = spark.createDataFrame(counted, table("ingest_counts").schema)
            ctx.write(f"ingest_counts/{source}", frame, on=day, inputs={f"file|{path}": ""})
    ctx.commit()
    return ctx


def test_counts_are_of_current_sources_and_quarantine_of_the_night(ctx: JobContext) -> None:
    shown = intake.accounts(intake.read_current_sources(ctx, "ingest_counts"))
    assert {row["source"]: row["files"] for row in shown} == {"app": 2, "plays": 1, "labels": 1}
    quarantined = intake.rejected(intake.read_current_sources(ctx, "quarantine", night_only=True))
    assert {row["source"]: row["samples"][0]["file"] for row in quarantined} == {
        "app": f"/logs/dt={DAY}/a", "plays": "/plays.csv", "labels": "/labels.cls", "audio": "/x.mp3",
    }  # fmt: skip
    assert {row["count"] for row in quarantined} == {1}


def test_samples_are_the_first_lines_and_limited(spark: SparkSession) -> None:
    rows = [("app", f"file {n % 7}", n, f"rule {n % 2}", "reason", "cmF3") for n in range(2_000)]
    quarantined = spark.createDataFrame(rows[::-1], SHAPE).repartition(3)
    rows_ = intake.rejected(quarantined)
    assert rows_ == [
        {"source": "app", "rule": f"rule {odd}", "count": 1_000, "samples": [
            {"file": "file 0", "line": line, "reason": "reason"} for line in lines
        ]} for odd, lines in ((0, (0, 14, 28)), (1, (7, 21, 35)))
    ]  # fmt: skip
    plan = intake.first_of_each(quarantined, 3)._jdf.queryExecution().toString()
    assert "WindowGroupLimit" in plan, "all rows of a rule are held at once"
