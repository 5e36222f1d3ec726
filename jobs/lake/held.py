"""Tables kept by content: what was once computed from the bytes of a file is not computed again, on whatever night.

Such a table has the columns `content_hash` and `producer_version`, a digest of the settings and the program that computed the row. Its partition of a date holds what that night was the first to compute; every night reads all of them (rule `held`).
Content and maker determine a row, so such a table says nothing new about a night's inputs.
"""

import hashlib
import inspect
import json
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from jobs.context import Config, JobContext

KEY = ("content_hash", "producer_version")


def maker(config: "Config", program: Iterable[ModuleType], *also: str) -> str:
    """16 hex digits of the settings, the text of these modules, and whatever else (a model's digest) decides what a row is."""
    from jobs.context import config_dict

    said = [json.dumps(config_dict(config), sort_keys=True), *(inspect.getsource(module) for module in program), *also]
    return hashlib.sha256("\0".join(said).encode()).hexdigest()[:16]


def held(ctx: "JobContext", part: str, producer_version: str) -> DataFrame:
    """Rows of this maker, of all nights; with `--force` without those that tonight's partition has."""
    rows = ctx.read(part, "held").where(F.col("producer_version") == producer_version)
    if not ctx.force:
        return rows
    own = ctx.night.lake.read(ctx.spark, part, "on", ctx.night.date.isoformat()).select(*KEY).distinct()
    return rows.join(own, [*KEY], "left_anti")


def keep(ctx: "JobContext", part: str, producer_version: str, fresh: DataFrame) -> DataFrame:
    """Write rows that nobody holds yet into tonight's partition, beside what it has of this maker; returns those fresh ones.

    Where there are none, the partition stays as it is.
    """
    night = ctx.night.date.isoformat()
    own = ctx.night.lake.read(ctx.spark, part, "on", night).where(F.col("producer_version") == producer_version)
    rows = fresh if ctx.force else own.unionByName(fresh)
    written = ctx.write(part, rows, inputs={})
    return written if ctx.force else written.join(own.select(*KEY).distinct(), [*KEY], "left_anti")


def first_held(rows: DataFrame) -> DataFrame:
    """`rows` with the date `dt` of each: where two nights computed one content, the earlier date's rows alone; without `dt`."""
    places = rows.select(*KEY, "dt").distinct()
    twice = places.groupBy(*KEY).agg(F.min("dt").alias("first"), F.count("*").alias("times")).where("times > 1")
    later = places.join(twice, [*KEY]).where("dt > first").select(*KEY, "dt")
    return rows.join(F.broadcast(later), [*KEY, "dt"], "left_anti").drop("dt")
