"""What tests share: one Spark session, one real mongod with a database per test, and settings that point into a temporary var/.

Imported where they are used: the tests of models/ run without Spark and MongoDB.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pydantic import SecretStr
    from pyspark.sql import SparkSession

    from jobs.mongo.connection import Document, MongoDatabase
    from jobs.settings import Settings

@pytest.fixture(scope="session", autouse=True)
def _no_operator_settings() -> None:
    """An operator's own MongoDB, lake or sources must not be touched by a test, however the shell is set."""
    for name in [name for name in os.environ if name.startswith("PMRS_") and name != "PMRS_REAL_DATA"]:
        del os.environ[name]


@pytest.fixture
def settings(tmp_path: Path) -> "Settings":
    """Settings with a var/ of this test alone; embedded MongoDB, not started."""
    from jobs.settings import Settings

    return Settings(var=tmp_path / "var", master="local[2]", driver_memory="2g")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, _no_operator_settings: None) -> "Iterator[SparkSession]":
    """The session of jobs/spark.py on two cores."""
    from jobs.settings import Settings
    from jobs.spark import session
    from jobs.spark_profile import SparkProfile

    var = tmp_path_factory.mktemp("spark")
    running = session(
        "pmrs tests", Settings(var=var, master="local[2]", driver_memory="2g"), profile=SparkProfile.SMALL
    )
    yield running
    running.stop()


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SecretStr]":
    """The owner's URI of a real mongod that lives as long as the tests."""
    from jobs.mongo import embedded
    from jobs.settings import Settings

    mongod_settings = Settings(var=tmp_path_factory.mktemp("mongod"))
    yield embedded.start(mongod_settings)
    embedded.stop(mongod_settings)


@pytest.fixture
def mongo(mongo_uri: "SecretStr") -> "Iterator[MongoDatabase]":
    """A fresh database, dropped afterwards."""
    from pymongo import MongoClient

    client: MongoClient[Document] = MongoClient(mongo_uri.get_secret_value(), tz_aware=True)
    name = f"pmrs_test_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)
    client.close()
