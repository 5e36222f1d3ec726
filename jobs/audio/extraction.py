"""Extract features from the night's audio files: each new content once, even if several files have it.

A file that cannot be used is quarantined with the reason and does not affect others. If the file is at fault, the
result is stored like any other. If the machine may be at fault (RETRIED_RULES), the file is tried again every night.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from jobs.audio.decode import UnusableAudio
from jobs.audio.isolated_worker import Extract, isolated_worker
from jobs.bin_packing import assign_to_bins
from jobs.content_cache import append_new, cached_rows
from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.collect import collect_arrow, count_rows
from jobs.lake.content_keys import KEY
from jobs.lake.quarantine import QUARANTINE_DAY_LINES, QUARANTINE_LIMIT
from jobs.lake.schemas import table

RETRIED_RULES = ("unreadable", "changed", "too_large", "timed_out", "crashed", "failed")
"""Rules that a file may break today and not tomorrow, or not with other settings: results are not stored."""
FILE_OVERHEAD_BYTES = 1_000_000
"""Cost of a file besides its size, in bytes: for short files the transform is most of the work."""
TARGET_TASK_BYTES = 64_000_000
"""Cost of a task: some seconds of one core, so that progress is visible and a lost task costs little."""
MAX_FILE_COST_BYTES = 20_000_000
"""Limit on the cost of a file: only the middle of a long file is decoded."""


@dataclass(frozen=True)
class Extraction:
    """One kind of features that is extracted from every file."""

    table: str
    """Table of the features, stored by content."""
    producer_version: str
    """Version of code and settings, see `jobs.content_cache.program_version`."""
    extract: Extract
    """Takes a file (`path`, `content_hash`); returns its facts (see `Decoded`) and its rows of `table` without KEY."""
    timeout_s: float
    """Limit for one file, in seconds."""
    warm_up: Callable[[], object] = lambda: None
    """Called once before the first file, without a time limit: compilation."""

    @property
    def status(self) -> str:
        """The part of `audio_status` with the status of each content."""
        return f"audio_status/{self.table}"


@dataclass(frozen=True)
class ExtractionResult:
    """Status and features of the night's tracks."""

    statuses: DataFrame
    """`track_id`, `path` and the columns of `audio_status` of every track with a file; persisted."""
    rows: DataFrame
    """Rows of the extraction's table: stored and new ones."""

    @property
    def usable_tracks(self) -> DataFrame:
        """`track_id` and the columns of `audio_status` of every track with usable audio."""
        return self.statuses.where("rule IS NULL").drop("rule", "reason", "path")


def run(ctx: JobContext, files: DataFrame, extraction: Extraction) -> ExtractionResult:
    """Process the new contents among `files` (of table `audio_files`); write their rows, statuses and the quarantine.

    Raises SourceError if too many files are unusable: all of them, or more than 5 % and 20.
    """
    stored = cached_rows(ctx, extraction.status, extraction.producer_version)
    rows = cached_rows(ctx, extraction.table, extraction.producer_version)
    new = files.join(stored.select("content_hash"), "content_hash", "left_anti")
    extracted = extract_rows(new, extraction).persist(StorageLevel.DISK_ONLY)
    status = extracted.where("n_outputs IS NOT NULL OR rule IS NOT NULL")
    permanent = status.where(~F.coalesce(F.col("rule").isin(*RETRIED_RULES), F.lit(False)))
    if not status.isEmpty():
        new_rows = extracted.where("n_outputs IS NULL AND rule IS NULL").select(*rows.columns)
        rows = rows.unionByName(append_new(ctx, extraction.table, extraction.producer_version, new_rows))
        append_new(ctx, extraction.status, extraction.producer_version, permanent.select(*stored.columns))
    by_content = stored.unionByName(status.select(*stored.columns))
    tracks = files.select("track_id", "content_hash", "path")
    statuses = tracks.join(by_content, "content_hash").persist(StorageLevel.DISK_ONLY)
    unusable = ctx.write(f"quarantine/{ctx.job}", quarantine_rows(statuses))
    extracted.unpersist()
    _require_usable(files, unusable)
    return ExtractionResult(statuses, rows)


def extract_rows(files: DataFrame, extraction: Extraction) -> DataFrame:
    """Return the rows of each content among `files`, and one row with its status, in the columns of both tables."""
    tables = (extraction.status, extraction.table)
    status, rows = (to_arrow_schema(table(name).read_schema) for name in tables)
    output = pa.schema([*status, *(field for field in rows if field.name not in KEY)])

    def run_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        extraction.warm_up()
        with isolated_worker(extraction.extract, extraction.timeout_s) as worker:
            for batch in batches:
                for file in batch.to_pylist():
                    key = {"content_hash": file["content_hash"], "producer_version": extraction.producer_version}
                    try:
                        facts, pieces = worker(file)
                        file_rows = [*pieces, {**facts, "n_outputs": len(pieces)}]
                    except UnusableAudio as error:
                        file_rows = [{"rule": error.rule, "reason": error.reason}]
                    yield pa.RecordBatch.from_pylist([{**key, **row} for row in file_rows], output)

    return distribute_contents(files).mapInArrow(run_task, from_arrow_schema(output))


def distribute_contents(files: DataFrame) -> DataFrame:
    """Return one file of each content (`content_hash`, `path`), distributed so that all tasks have a similar cost."""
    grouped = files.groupBy("content_hash").agg(F.min("path").alias("path"), F.max("bytes").alias("bytes"))
    contents = collect_arrow(grouped.orderBy("content_hash"), 300, "the new audio files")
    costs = np.minimum(contents["bytes"].to_numpy(), MAX_FILE_COST_BYTES) + FILE_OVERHEAD_BYTES
    min_tasks = max(-(-int(costs.sum()) // TARGET_TASK_BYTES), files.sparkSession.sparkContext.defaultParallelism)
    n_tasks = max(1, min(len(contents), min_tasks))
    tasks = pa.array(assign_to_bins(costs.tolist(), n_tasks), pa.int32())
    frame = files.sparkSession.createDataFrame(contents.append_column("task", tasks))
    return frame.repartitionById(n_tasks, F.col("task")).select("content_hash", "path")


def quarantine_rows(statuses: DataFrame) -> DataFrame:
    """Return rows of table `quarantine` for unusable files."""
    empty = F.lit(None)
    return statuses.where("rule IS NOT NULL").select(
        F.lit("audio").alias("source"), F.col("path").alias("file"), empty.cast("long").alias("line"),
        "rule", "reason", empty.cast("string").alias("raw"),
    )  # fmt: skip


def _require_usable(files: DataFrame, unusable: DataFrame) -> None:
    counts = count_rows({"files": files, "unusable": unusable})
    total, count = counts["files"], counts["unusable"]
    if count and (count == total or count > max(QUARANTINE_LIMIT * total, QUARANTINE_DAY_LINES)):
        first = unusable.orderBy("file").first()
        raise SourceError(
            f"{count} of {total} audio files are unusable, more than {QUARANTINE_LIMIT:.0%}; the first is "
            f"{first['file'] if first else ''}: {first['reason'] if first else ''}. "
            "Repair or remove them and run again."
        )
