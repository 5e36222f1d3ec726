"""What a join lost, for the report: nothing is dropped without a number."""

from pyspark.sql import DataFrame, SparkSession

from jobs.lake.schemas import table

Loss = tuple[str, int, int]


def counted(step: str, rows_in: int, rows_dropped: int) -> Loss:
    """One line of the report: a step in words, rows before it, and rows that it could not use."""
    return step, rows_in, rows_dropped


def loss_table(spark: SparkSession, losses: list[Loss]) -> DataFrame:
    """Return the drops as rows of table `join_drops`."""
    return spark.createDataFrame(losses, table("join_drops").schema)
