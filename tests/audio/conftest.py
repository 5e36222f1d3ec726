"""Fixtures: nights with ingested audio files only."""

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.audio.config import MelConfig
from jobs.context import JobContext, Night
from jobs.lake.schemas import table
from jobs.settings import Settings
from jobs.sources.config import load_sources

DAY = dt.date(2026, 11, 14)
Ingested = Callable[..., Night]


@pytest.fixture
def ingested(spark: SparkSession, settings: Settings, tmp_path: Path) -> Ingested:
    """Return a function that makes the night `days` after DAY, with these audio files (track -> path)."""
    file = tmp_path / "sources.toml"
    file.write_text('name = "silent"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "/logs"\n')
    names = table("audio_files").schema.names

    def night(files: dict[str, Path], days: int = 0) -> Night:
        night_of_day = Night(DAY + dt.timedelta(days), "r", load_sources(file), settings, spark)
        ingest = JobContext(night_of_day, "snapshots", MelConfig())
        ingest.write("tracks", spark.createDataFrame([], table("tracks").schema))
        rows = [
            {
                "track_id": track,
                "path": str(path),
                "bytes": path.stat().st_size,
                "content_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for track, path in files.items()
        ]
        schema = table("audio_files").read_schema
        ingest.write("audio_files", spark.createDataFrame([[row.get(name) for name in names] for row in rows], schema))
        ingest.commit()
        return night_of_day

    return night
