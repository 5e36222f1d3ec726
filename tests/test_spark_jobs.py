"""The counter of Spark jobs, which holds CI's nights to their ceilings, counts what Spark ran."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bench import spark_jobs


def run_four_tasks(spark: SparkSession) -> None:
    spark.range(0, 8, numPartitions=4).rdd.count()
    # the event log is written by a thread of its own
    spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()


def own(spark: SparkSession, logs: Path) -> spark_jobs.Application:
    return {each.name: each for each in spark_jobs.latest_applications(logs)}[str(spark.sparkContext.appName)]


@pytest.fixture(scope="module")
def logs(spark: SparkSession) -> Path:
    """Event logs of the suite's session, which is running."""
    run_four_tasks(spark)
    return Path(spark.sparkContext.getConf().get("spark.eventLog.dir", "").removeprefix("file://"))


def test_one_more_job_of_four_tasks_is_counted(spark: SparkSession, logs: Path) -> None:
    before = own(spark, logs)
    run_four_tasks(spark)
    after = own(spark, logs)
    assert (after.jobs - before.jobs, after.tasks - before.tasks) == (1, 4)


def test_a_sum_above_the_ceiling_fails(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert spark_jobs.main([str(logs)]) == 0
    assert spark_jobs.main([str(logs), "--max-jobs", "0"]) == 1
    assert "jobs, at most 0 are allowed" in capsys.readouterr().err


def test_a_missing_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        spark_jobs.main([str(tmp_path / "none")])
    assert "none is no folder" in capsys.readouterr().err
