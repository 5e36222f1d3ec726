"""Key of the tables that are caches by content: audio and texts are processed once, when they first appear."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

KEY = ("content_hash", "producer_version")


def earliest_by_content(rows: DataFrame) -> DataFrame:
    """Return `rows` without their column `dt`; if two nights computed one content, only the earlier rows stay."""
    dates = rows.select(*KEY, "dt").distinct()
    repeated = dates.groupBy(*KEY).agg(F.min("dt").alias("first"), F.count("*").alias("times")).where("times > 1")
    later = dates.join(repeated, [*KEY]).where("dt > first").select(*KEY, "dt")
    return rows.join(F.broadcast(later), [*KEY, "dt"], "left_anti").drop("dt")
