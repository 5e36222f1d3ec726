import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.audio import mel
from jobs.context import JobContext, Night
from jobs.errors import LakeError
from jobs.lake.schemas import table
from jobs.settings import Settings
from jobs.sources.config import load_sources

DAY = dt.date(2026, 11, 14)


@pytest.fixture
def ctx(spark: SparkSession, settings: Settings, tmp_path: Path) -> JobContext:
    file = tmp_path / "sources.toml"
    file.write_text('name = "silent"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "/logs"\n')
    return JobContext(Night(DAY, "r", load_sources(file), settings, spark), "mel", mel.Config())


def test_a_service_without_audio_has_nights_too(ctx: JobContext) -> None:
    ctx.write("tracks", ctx.spark.createDataFrame([], table("tracks").schema))
    ctx.commit()
    mel.run(ctx)
    written = {m.table: m.rows for m in ctx.pending}
    assert (written["mel"], written["quarantine/mel"]) == (0, 0)


def test_a_night_that_was_not_ingested_is_said_so(ctx: JobContext) -> None:
    with pytest.raises(LakeError, match="Table tracks has nothing for 2026-11-14; run `pmrs run catalogue"):
        mel.run(ctx)
