"""Stage a source's lines: the plain lines of an app log by the fast path, all others by the format's own parser."""

import os
from collections.abc import Sequence

from pyspark.sql import SparkSession

from jobs.sources.contract import Parsed, Source
from jobs.sources.formats import FORMATS, app_log
from jobs.sources.ingest.staging import StagedEvents, stage_fast_path
from jobs.sources.parsing.app_log_fast_path import parse_plain_lines
from jobs.sources.reading.blocks import byte_ranges
from jobs.sources.reading.lines import read_lines, truncated_files


def stage_source(spark: SparkSession, folder: str, source: Source, files: Sequence[str]) -> tuple[Parsed, StagedEvents]:
    """Stage what the fast path parses in `folder` (a URI), and parse the remaining lines with the format.

    Every line takes exactly one of the two paths. Only app logs have a fast path.
    """
    if source.format != "app_log":
        return FORMATS[source.format].parse(spark, source, list(files)), StagedEvents(folder, tuple(sorted(files)))
    truncated = truncated_files(source, files)
    dates = {path: app_log.FORMAT.receipt_date(path) for path in files}
    complete = [path for path in files if path not in truncated]
    ranges = [byte_range for path in complete for byte_range in byte_ranges(path, os.path.getsize(path))]
    staged = stage_fast_path(spark, folder, ranges, dates, source.namespace, parse_plain_lines)
    lines = staged.slow_path_lines(spark)
    if truncated:
        lines = lines.unionByName(read_lines(spark, sorted(truncated), truncated), allowMissingColumns=True)
    return app_log.FORMAT.parse_lines(source, lines), staged
