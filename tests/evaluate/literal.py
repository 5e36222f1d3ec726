"""Lists, inputs and truth as literal data."""

from pyspark.sql import DataFrame, SparkSession


def ranked_lists(spark: SparkSession, lists: dict[str, list[str]]) -> DataFrame:
    rows = [
        (query, rank, track, -float(rank)) for query, tracks in lists.items() for rank, track in enumerate(tracks, 1)
    ]
    return spark.createDataFrame(rows, "query_id string, rank int, track_id string, score double")


def truth_of(spark: SparkSession, truth: dict[str, list[str]]) -> DataFrame:
    rows = [(query, track, 1.0) for query, tracks in truth.items() for track in tracks]
    return spark.createDataFrame(rows, "query_id string, track_id string, rating double")


def inputs_of(spark: SparkSession, truth: dict[str, list[str]]) -> DataFrame:
    return spark.createDataFrame(
        [(q, q, "known", 1.0) for q in truth], "query_id string, user_id string, track_id string, rating double"
    )
