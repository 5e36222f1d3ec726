"""The settings of spark_conf/ are those of the running session, and every one of them has its reason."""

from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from jobs.settings import REPOSITORY

REQUIRED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
    "spark.sql.execution.arrow.pyspark.validateSchema.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "256",
}
REQUIRED_OF_CONTEXT = {
    "spark.speculation": "false",
    "spark.eventLog.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.driver.memory": "2g",
}


def test_pyspark_is_the_pipelines_own_and_not_the_airflow_providers() -> None:
    assert pyspark.__version__ == "4.3.0"
    # pyspark-client has no jars; where it overwrote pyspark, this folder is its trace
    assert (Path(pyspark.__file__).parent / "bin" / "spark-submit").is_file()


@pytest.mark.parametrize(("key", "value"), REQUIRED.items())
def test_effective_value_of_the_session(spark: SparkSession, key: str, value: str) -> None:
    assert str(spark.conf.get(key)).lower() == value.lower()


@pytest.mark.parametrize(("key", "value"), REQUIRED_OF_CONTEXT.items())
def test_effective_value_of_the_context(spark: SparkSession, key: str, value: str) -> None:
    assert spark.sparkContext.getConf().get(key) == value


def test_jvm_runs_in_utc_with_its_folders_under_var(spark: SparkSession) -> None:
    zone = spark.sql("SELECT current_timezone() AS zone").collect()[0].zone
    events = spark.sparkContext.getConf().get("spark.eventLog.dir")
    assert zone == "UTC"
    assert events is not None
    assert Path(events.removeprefix("file://")).is_dir()


def test_python_workers_are_of_this_environment(spark: SparkSession) -> None:
    import sys

    def prefix(_: object) -> str:
        import sys

        return sys.prefix

    assert spark.sparkContext.parallelize([0], 1).map(prefix).collect() == [sys.prefix]


def test_a_corrupt_file_fails_the_read_instead_of_losing_rows(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").write_bytes(b"PAR1 this is no parquet PAR1")
    with pytest.raises(Exception, match="parquet"):
        spark.read.schema("a int").parquet(str(tmp_path)).collect()


@pytest.mark.parametrize("name", ["spark-defaults.conf", "local.conf", "small.conf", "cluster.conf"])
def test_every_setting_has_its_reason(name: str) -> None:
    previous = ""
    for number, line in enumerate((REPOSITORY / "spark_conf" / name).read_text().splitlines(), 1):
        setting = line.startswith("spark.")
        assert not setting or previous.startswith(("#", "spark.")), f"{name}:{number} has no comment above it"
        previous = line
