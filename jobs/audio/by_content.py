"""One pass over the night's audio files: each content that is new is worked on once, whatever its files are called.

A file that cannot be used is quarantined with the reason and never hurts its neighbours. What is its own fault is kept like any
result; what may be the machine's (RETRIED) is tried again whenever the files change.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from jobs.audio.decode import Unusable
from jobs.audio.guard import Work, guarded
from jobs.content_cache import append_new, cached_rows
from jobs.context import JobContext
from jobs.errors import SourceError
from jobs.lake.collect import collect_arrow
from jobs.lake.content_keys import KEY
from jobs.lake.schemas import table
from jobs.sources.contract import QUARANTINE_DAY_LINES, QUARANTINE_LIMIT

RETRIED = ("unreadable", "changed", "too_large", "timed_out", "crashed", "failed")
"""Rules that a file may break today and not tomorrow, or not by other settings: not kept by content."""
FILE_BYTES = 1_000_000
"""What a file costs besides its bytes, in bytes: for short ones the transform is most of the work."""
TASK_BYTES = 64_000_000
"""What a task gets: some seconds of one core, so that progress moves and a lost one costs little."""
WHOLE_BYTES = 20_000_000
"""Bytes of a file that count: of a longer one only the middle is decoded."""


@dataclass(frozen=True)
class Pass:
    """What is to be made of every file."""

    table: str
    """Kept by content."""
    producer_version: str
    work: Work
    """Of a file (`path`, `content_hash`): (its facts, as `Decoded` has them; its rows of `table`, but for KEY)."""
    seconds: float
    """Most seconds for one file."""
    ready: Callable[[], object] = lambda: None
    """What is done once before the first file, however long it takes: compiling."""

    @property
    def status(self) -> str:
        """The part of `audio_status` that says what became of each content."""
        return f"audio_status/{self.table}"


@dataclass(frozen=True)
class Done:
    """What the night knows after a pass."""

    told: DataFrame
    """`track_id`, `path`, and what `audio_status` says, of every track with a file; persisted."""
    rows: DataFrame
    """Of the pass's table: all that is held, and what was added."""

    @property
    def tracks(self) -> DataFrame:
        """`track_id`, and what `audio_status` says, of every track whose audio can be used."""
        return self.told.where("rule IS NULL").drop("rule", "reason", "path")


def run(ctx: JobContext, files: DataFrame, one: Pass) -> Done:
    """Work on what is new among `files` (of table `audio_files`); write its rows, what became of it, and the night's quarantine.

    Raises SourceError where too many files cannot be used: all, or more than 5 % and 20.
    """
    known, rows = cached_rows(ctx, one.status, one.producer_version), cached_rows(ctx, one.table, one.producer_version)
    fresh = files.join(known.select("content_hash"), "content_hash", "left_anti")
    made = build_rows(fresh, one).persist(StorageLevel.DISK_ONLY)
    status = made.where("n_outputs IS NOT NULL OR rule IS NOT NULL")
    lasting = status.where(~F.coalesce(F.col("rule").isin(*RETRIED), F.lit(False)))
    if not status.isEmpty():
        pieces = made.where("n_outputs IS NULL AND rule IS NULL").select(*rows.columns)
        rows = rows.unionByName(append_new(ctx, one.table, one.producer_version, pieces))
        append_new(ctx, one.status, one.producer_version, lasting.select(*known.columns))
    became = known.unionByName(status.select(*known.columns))
    told = files.select("track_id", "content_hash", "path").join(became, "content_hash").persist(StorageLevel.DISK_ONLY)
    bad = ctx.write(f"quarantine/{ctx.job}", refused(told))
    made.unpersist()
    _require_usable(files, bad)
    return Done(told, rows)


def build_rows(files: DataFrame, one: Pass) -> DataFrame:
    """Of each content among `files`: its rows, and one that says what became of it, in the columns of both tables."""
    status, rows = (to_arrow_schema(table(name).read_schema) for name in (one.status, one.table))
    output = pa.schema([*status, *(field for field in rows if field.name not in KEY)])

    def per_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        one.ready()
        with guarded(one.work, one.seconds) as guard:
            for batch in batches:
                for file in batch.to_pylist():
                    key = {"content_hash": file["content_hash"], "producer_version": one.producer_version}
                    try:
                        facts, pieces = guard(file)
                        told = [*pieces, {**facts, "n_outputs": len(pieces)}]
                    except Unusable as why:
                        told = [{"rule": why.rule, "reason": why.reason}]
                    yield pa.RecordBatch.from_pylist([{**key, **row} for row in told], output)

    return dealt(files).mapInArrow(per_task, from_arrow_schema(output))


def dealt(files: DataFrame) -> DataFrame:
    """One file of each content (`content_hash`, `path`), dealt out so that all tasks get about as much work."""
    contents = files.groupBy("content_hash").agg(F.min("path").alias("path"), F.max("bytes").alias("bytes"))
    told = collect_arrow(contents.orderBy("content_hash"), 300, "the new audio files")
    work = np.minimum(told["bytes"].to_numpy(), WHOLE_BYTES) + FILE_BYTES
    tasks = max(1, min(len(told), max(-(-int(work.sum()) // TASK_BYTES), files.sparkSession.sparkContext.defaultParallelism)))
    numbered = told.append_column("task", pa.array(_balanced(work, tasks), pa.int32()))
    return files.sparkSession.createDataFrame(numbered).repartitionById(tasks, F.col("task")).select("content_hash", "path")


def _balanced(work: np.ndarray, tasks: int) -> list[int]:
    """The task of each piece of work: the largest first, each to the task that has least."""
    loads = [(0, task) for task in range(tasks)]
    found = [0] * len(work)
    for place in np.argsort(-work, kind="stable").tolist():
        load, task = heapq.heappop(loads)
        found[place] = task
        heapq.heappush(loads, (load + int(work[place]), task))
    return found


def refused(told: DataFrame) -> DataFrame:
    """Rows of table `quarantine` for unusable files."""
    empty = F.lit(None)
    return told.where("rule IS NOT NULL").select(
        F.lit("audio").alias("source"), F.col("path").alias("file"), empty.cast("long").alias("line"),
        "rule", "reason", empty.cast("string").alias("raw"),
    )  # fmt: skip


def _require_usable(files: DataFrame, bad: DataFrame) -> None:
    total, unusable = files.count(), bad.count()
    if unusable and (unusable == total or unusable > max(QUARANTINE_LIMIT * total, QUARANTINE_DAY_LINES)):
        first = bad.orderBy("file").first()
        raise SourceError(
            f"{unusable} of {total} audio files are unusable, more than {QUARANTINE_LIMIT:.0%}; the first is "
            f"{first['file'] if first else ''}: {first['reason'] if first else ''}. Mend or remove them and run again."
        )
