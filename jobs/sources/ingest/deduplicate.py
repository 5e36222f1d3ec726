"""Write staged events to table `events` by received date, without duplicates: the second half of an ingest.

Users with a deletion request are left out, and only a limited number of one user's events of one day is kept. Each task
writes one date, or one share of the users of a large date. So memory is bounded and nothing is shuffled.
"""

import posixpath
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.bin_packing import assign_to_bins
from jobs.lake.deletion_requests import DeletionRequests
from jobs.lake.schemas import table as table_of
from jobs.sources.ingest.staging import StagedEvents, read_staged

MAX_EVENTS_PER_USER_DAY = 10_000
"""Later events of a user's day are dropped and counted per file. A day holds a third of that in plays of 30 s.

A broken client or a bot sends more; it must neither stall a task nor decide what is popular."""
MAX_TASK_ROWS = 2_000_000
"""Rows of one date per task; the users of a larger date are divided into shares."""
MIN_TASK_ROWS = 200_000
"""Rows that a task should have at least, one second of work: small dates share a task."""
KEY = ("user_id", "track_id", "event", "played_at")
MERGED_BY_MAX = ("rating", "ms_played", "session_id", "within_late_window")
COUNTS = ("accepted", "duplicates", "late", "over_limit")
SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("track_id", pa.string()),
        ("event", pa.string()),
        ("rating", pa.float64()),
        ("ms_played", pa.int64()),
        ("played_at", pa.timestamp("us", "UTC")),
        ("session_id", pa.string()),
        ("within_late_window", pa.bool_()),
    ]
)
REPORT_SCHEMA = pa.schema(
    [("file_no", pa.int32()), *[(name, pa.int64()) for name in COUNTS], ("name", pa.string()), ("dt", pa.string())]
)
"""A task's report on the file that it wrote: COUNTS per input file."""
assert SCHEMA.names == table_of("events").schema.names


@dataclass(frozen=True)
class WrittenEvents:
    """Files that were written and are not committed yet."""

    files: dict[str, list[str]]
    """Received date (ISO) -> names of the Parquet files in its folder."""
    counts: dict[tuple[str, str], dict[str, int]]
    """(input file, received date) -> COUNTS: accepted rows, duplicates, late rows, rows over the daily limit."""

    def per_file(self) -> dict[str, dict[str, int]]:
        """Return COUNTS per input file."""
        sums: dict[str, dict[str, int]] = {}
        for (file, _), counts in self.counts.items():
            file_sums = sums.setdefault(file, dict.fromkeys(COUNTS, 0))
            for name in COUNTS:
                file_sums[name] += counts[name]
        return sums


def deduplicate(
    spark: SparkSession, staged: StagedEvents, folders: Mapping[str, str], requests: DeletionRequests
) -> WrittenEvents:
    """Write the staged dates in `folders` (received date -> URI of the folder to fill)."""
    shares = [(day, share, n_shares) for day in sorted(folders) for share, n_shares in _shares_of_date(staged, day)]
    if not shares:
        return WrittenEvents({}, {})
    tasks = _distribute(spark, staged, shares)
    paths = {day: staged.arrow_files[day] for day in folders if day in staged.arrow_files}
    broadcast = spark.sparkContext.broadcast((paths, dict(folders), requests))

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        paths_by_day, targets, deletion_requests = broadcast.value
        for batch in batches:
            for day, share, n_shares, _ in zip(*batch.to_pydict().values(), strict=True):
                rows = _read_share(paths_by_day[day], share, n_shares)
                if not len(rows):
                    # no user's hash fell into this share
                    continue
                name = f"part-{share:05d}-of-{n_shares:05d}.parquet"
                counts = _write_share(rows, posixpath.join(targets[day], name), deletion_requests)
                yield pa.RecordBatch.from_pylist([row | {"name": name, "dt": day} for row in counts], REPORT_SCHEMA)

    return _collect_reports(staged, tasks.mapInArrow(run, from_arrow_schema(REPORT_SCHEMA)))


def _distribute(spark: SparkSession, staged: StagedEvents, shares: list[tuple[str, int, int]]) -> DataFrame:
    """Return the shares in tasks of similar cost. A task writes its shares one after the other, so that it holds one at a time."""
    rows = [_rows_of_date(staged, day) // n_shares + 1 for day, _, n_shares in shares]
    n_tasks = min(len(shares), max(spark.sparkContext.defaultParallelism, -(-sum(rows) // MIN_TASK_ROWS)))
    work = [(*share, task) for share, task in zip(shares, assign_to_bins(rows, n_tasks), strict=True)]
    return spark.createDataFrame(work, "dt string, share int, n_shares int, task int").repartitionById(n_tasks, F.col("task"))


def distinct(rows: pa.Table) -> pa.Table:
    """Merge rows with equal KEY, and sort by user, time, track and event.

    A merged row has the maximum of each other column, and the first `file_no`. For speed, rows are sorted by one
    number of user rank and time. Only rows that share it, which are few, are compared by track and event.
    """
    keys = _sort_keys(rows)
    order = np.argsort(keys)
    sorted_keys = keys[order]
    same = sorted_keys[1:] == sorted_keys[:-1]
    tied = np.concatenate([[False], same]) | np.concatenate([same, [False]])
    if not tied.any():
        return rows.take(pa.array(order))
    alone, shared = order[~tied], order[tied]
    merged = _merge_ties(rows.take(pa.array(shared)).append_column("sort_key", pa.array(keys[shared])))
    all_keys = np.concatenate([keys[alone], merged["sort_key"].to_numpy()])
    indices = np.concatenate([alone, len(rows) + np.arange(len(merged))])
    combined = pa.concat_tables([rows, merged.select(rows.column_names)])
    # stable: rows with equal keys are all from `merged`, and keep its order
    return combined.take(pa.array(indices[np.argsort(all_keys, kind="stable")]))


def _sort_keys(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return one number per row that sorts by user and time."""
    users = pc.dictionary_encode(rows["user_id"].combine_chunks())
    rank = np.empty(len(users.dictionary), np.int64)
    rank[pc.sort_indices(users.dictionary).to_numpy()] = np.arange(len(rank))
    time = pc.cast(rows["played_at"].combine_chunks(), pa.int64()).to_numpy()
    span = int(time.max()) - int(time.min()) + 1
    if len(rank) * span >= 2**63:
        # events of many years, perhaps one of the year 9999: use the rank of the time instead
        time, span = np.unique(time, return_inverse=True)[1], len(time)
    return np.asarray(rank[users.indices.to_numpy()] * span + (time - time.min()), np.int64)


def _merge_ties(rows: pa.Table) -> pa.Table:
    maxima = [(name, "max") for name in MERGED_BY_MAX]
    grouped = rows.group_by(list(KEY), use_threads=False).aggregate([*maxima, ("file_no", "min"), ("sort_key", "min")])
    renamed = grouped.rename_columns([name.removesuffix("_max").removesuffix("_min") for name in grouped.column_names])
    return renamed.sort_by([(name, "ascending") for name in ("sort_key", "track_id", "event")])


def over_limit(rows: pa.Table, limit: int = MAX_EVENTS_PER_USER_DAY) -> pa.Array:
    """Return true for events after the first `limit` of their user and day; `rows` are sorted by user and time."""
    if not len(rows):
        return pa.array([], pa.bool_())
    user = rows["user_id"].combine_chunks()
    day = pc.cast(pc.floor_temporal(rows["played_at"], unit="day"), pa.int64()).to_numpy()
    index = np.arange(len(rows))
    other_user = pc.not_equal(user[1:], user[:-1]).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[True], other_user | (day[1:] != day[:-1])])
    return pa.array(index - np.maximum.accumulate(np.where(starts, index, 0)) >= limit)


def is_deleted(rows: pa.Table, requests: DeletionRequests) -> pa.Array:
    """Return true for rows that a deletion request covers: all rows of a user, or those of some tracks."""
    users = pc.dictionary_encode(rows["user_id"].combine_chunks())
    by_code = [requests.of(user) for user in users.dictionary.to_pylist()]
    codes = users.indices.to_numpy()
    deleted = np.array([request is not None and request.full_erasure for request in by_code], np.bool_)[codes]
    for code, request in enumerate(by_code):
        if request is not None and request.tracks:
            user_rows = np.flatnonzero(codes == code)
            deleted[user_rows] |= pc.is_in(
                rows["track_id"].take(user_rows), pa.array(sorted(request.tracks))
            ).to_numpy()
    return pa.array(deleted)


def _shares_of_date(staged: StagedEvents, day: str) -> list[tuple[int, int]]:
    n_shares = -(-_rows_of_date(staged, day) // MAX_TASK_ROWS)
    return [(share, n_shares) for share in range(n_shares)]


def _rows_of_date(staged: StagedEvents, day: str) -> int:
    return sum(staged.rows_by_path[path] for path in staged.arrow_files.get(day, []))


def _read_share(paths: list[str], share: int, n_shares: int) -> pa.Table:
    tables = []
    for path in paths:
        table = read_staged(path).select([*SCHEMA.names, "file_no"])
        table = table.cast(SCHEMA.append(pa.field("file_no", pa.int32())))
        tables.append(table.filter(_in_share(table, share, n_shares)) if n_shares > 1 else table)
    return pa.concat_tables(tables)


def _in_share(table: pa.Table, share: int, n_shares: int) -> pa.Array:
    """Return true for the rows whose user belongs to this share."""
    users = pc.dictionary_encode(table["user_id"].combine_chunks())
    share_of = np.array([zlib.crc32(user.encode()) % n_shares for user in users.dictionary.to_pylist()], np.int32)
    return pa.array(share_of[users.indices.to_numpy()] == share)


def _write_share(rows: pa.Table, file: str, requests: DeletionRequests) -> list[dict[str, Any]]:
    """Write one share of one date to `file` (a URI), idempotently; return COUNTS per input file."""
    unique = distinct(rows)
    retained = unique
    if requests.by_hash:
        retained = unique.filter(pc.invert(is_deleted(unique, requests)))
    over = over_limit(retained)
    system, path = fs.FileSystem.from_uri(file)
    system.create_dir(posixpath.dirname(path), recursive=True)
    # sorted by user and time, the file is faster to read by user and a third smaller
    written = retained.filter(pc.invert(over)) if pc.any(over).as_py() else retained
    pq.write_table(written.select(SCHEMA.names), path, filesystem=system, compression="snappy")
    return _counts_by_file(rows, unique, retained.filter(over))


def _counts_by_file(rows: pa.Table, unique: pa.Table, over: pa.Table) -> list[dict[str, Any]]:
    """Return `file_no` and COUNTS of each input file with rows here."""
    files = pc.max(rows["file_no"]).as_py() + 1
    accepted, first, late, above = (
        np.bincount(part["file_no"].to_numpy(), minlength=files).tolist()
        for part in (rows, unique, rows.filter(pc.invert(rows["within_late_window"])), over)
    )
    return [
        {
            "file_no": n,
            "accepted": accepted[n],
            "duplicates": accepted[n] - first[n],
            "late": late[n],
            "over_limit": above[n],
        }
        for n in range(files)
        if accepted[n]
    ]


def _collect_reports(staged: StagedEvents, reports: DataFrame) -> WrittenEvents:
    files: dict[str, list[str]] = {}
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in reports.collect():
        names = files.setdefault(row["dt"], [])
        if row["name"] not in names:
            names.append(row["name"])
        file_counts = counts.setdefault((staged.files[row["file_no"]], row["dt"]), dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            file_counts[name] += row[name]
    return WrittenEvents(files, counts)
