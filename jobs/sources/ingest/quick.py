"""Which lines may take the quick way, and the joining of both ways: every line takes exactly one of them."""

import os
from collections.abc import Sequence

from pyspark.sql import SparkSession

from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS, app_log
from jobs.sources.ingest.stage import Stage, sift_lines
from jobs.sources.parsing.plain_log import plain_events
from jobs.sources.reading.blocks import ranges
from jobs.sources.reading.lines import cut_files, read_lines


def staged(spark: SparkSession, folder: str, source: Source, files: Sequence[str]) -> tuple[Parsed, Stage]:
    """What the quick way took, set aside in `folder` (a URI); and what it left, parsed by the format.

    Only app logs have a quick way: of every other format all lines are parsed by the format.
    """
    if source.format != "app_log":
        return FORMATS[source.format].parse(spark, source, list(files)), Stage(folder, tuple(sorted(files)))
    cut = cut_files(source, files)
    dates = {path: app_log.FORMAT.received(path) for path in files}
    parts = [part for path in files if path not in cut for part in ranges(path, os.path.getsize(path))]
    stage = sift_lines(spark, folder, parts, dates, source.namespace, plain_events)
    lines = stage.odd_lines(spark)
    if cut:
        lines = lines.unionByName(read_lines(spark, sorted(cut), cut), allowMissingColumns=True)
    return app_log.FORMAT.parse_lines(source, lines), stage
