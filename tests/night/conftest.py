"""A full night of a small synthetic sample, run as by the DAG, with real Spark, MongoDB and audio files."""

import json

import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from jobs.sample.config import LAST_DATE
from jobs.sample.generate import generate
from jobs.settings import Settings
from tests.night.published_night import SMALL, PublishedNight, run_night


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession, mongo_uri: SecretStr) -> PublishedNight:
    """The last night of a generated sample, run and published."""
    var = tmp_path_factory.mktemp("night")
    sample = var / "sample"
    generate(sample, SMALL.days, 7, cfg=SMALL)
    settings = Settings(
        var=var, sources=sample / "sources.toml", mongo_uri=mongo_uri, master="local[2]", driver_memory="2g"
    )
    run_id = run_night(settings, LAST_DATE)
    return PublishedNight(settings, spark, json.loads((sample / "truth.json").read_text()), run_id)


