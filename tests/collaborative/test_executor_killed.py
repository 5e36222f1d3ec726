"""A fit gives the same bits when executors are killed and their blocks and shuffles are lost."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs.collaborative import factors
from jobs.collaborative.config import CollaborativeConfig
from jobs.context import JobContext, Night
from jobs.lake.schemas import table
from jobs.recommenders.ranker_config import RANKING
from jobs.settings import REPOSITORY, Settings
from jobs.sources.config import load_sources
from tests.collaborative.test_ranker_config import SOURCES

DATE = dt.date(2026, 11, 14)


@pytest.fixture
def night(spark: SparkSession, settings: Settings, tmp_path: Path) -> Night:
    """A synthetic night of 60 users and 25 tracks."""
    file = tmp_path / "sources.toml"
    file.write_text(SOURCES)
    night = Night(DATE, "r", load_sources(file), settings, spark)
    rng = np.random.default_rng(4)
    rows = [
        (f"u{u:02d}", f"t{t:02d}", float(rng.integers(1, 9)), 1, False, None)
        for u in range(60) for t in range(25) if rng.random() < 0.4
    ]  # fmt: skip
    ctx = JobContext(night, "history", CollaborativeConfig())
    ctx.write("history", spark.createDataFrame(rows, table("history").schema))
    ctx.commit()
    night.models.register(RANKING, b"weights", {"method": "als", "settings": {"rank": 6, "iterations": 4}})
    return night


@pytest.mark.slow
def test_fit_with_two_killed_executors_gives_the_bits_of_one_machine(night: Night, tmp_path: Path) -> None:
    alone = JobContext(night, "collaborative", CollaborativeConfig())
    factors.run(alone)
    arguments = [str(night.settings.var), str(tmp_path / "sources.toml"), DATE.isoformat()]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.collaborative.on_a_cluster", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-4_000:]
    report = json.loads(ended.stdout.splitlines()[-1])
    assert len(set(report["killed"])) == 2
    before, after, last = report["cached"]
    assert after < before, "the first executor held nothing that the fit needs"
    assert last == before, "what was lost is there again"
    assert report["digests"] == {manifest.table: manifest.digest for manifest in alone.pending}
