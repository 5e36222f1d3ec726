"""Caches by content: rows computed from the bytes of a file are computed once for all nights.

Such a table has the columns `content_hash` and `producer_version`, a digest of the settings and the program that computed the
row. Its partition of a date holds the rows that this night was the first to compute; every night reads all partitions
(`Partitions.CACHE`). Content and producer version determine a row, so the table is no input of a night.
"""

import hashlib
import json
from collections.abc import Iterable
from types import ModuleType

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.code_version import code_version
from jobs.context import JobContext
from jobs.job_config import JobConfig, config_dict
from jobs.lake.content_keys import KEY
from jobs.lake.partitions import Partitions


def program_version(config: JobConfig, modules: Iterable[ModuleType], *others: str, within: str = "") -> str:
    """Return 16 hex digits of the settings, of these modules and what they import, and of `others` (such as a model's digest).

    `within`: imports are followed below this package only.
    """
    program = code_version(*(module.__name__ for module in modules), within=within)
    parts = [json.dumps(config_dict(config), sort_keys=True), program, *others]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def cached_rows(ctx: JobContext, part: str, version: str) -> DataFrame:
    """Return the rows of a producer version from all nights; with `--force` without those of the night's partition."""
    rows = ctx.read(part, Partitions.CACHE).where(F.col("producer_version") == version)
    return rows.join(_read_partition(ctx, part).select(*KEY).distinct(), [*KEY], "left_anti") if ctx.force else rows


def append_new(ctx: JobContext, part: str, version: str, new_rows: DataFrame) -> DataFrame:
    """Add rows that no night has computed before to the night's partition, and return them as read from the lake.

    Without new rows the partition stays as it is. With `--force` the new rows replace it.
    """
    if ctx.force:
        return ctx.write(part, new_rows, inputs={})
    computed = _read_partition(ctx, part).where(F.col("producer_version") == version)
    written = ctx.write(part, computed.unionByName(new_rows), inputs={})
    return written.join(computed.select(*KEY).distinct(), [*KEY], "left_anti")


def _read_partition(ctx: JobContext, part: str) -> DataFrame:
    return ctx.night.lake.read(ctx.spark, part, Partitions.DATE, ctx.night.date.isoformat())
