"""Staged events to table `events`, one received date after the other: the second half of an ingest.

Repeats count once, whoever asked to be forgotten is left out, and of one user's events of one day only so many are kept.
Each task settles one date, or one part of a date's users where a date is large, so that memory is bounded and nothing is
shuffled.
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
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.lake.deletion_requests import Wishes
from jobs.lake.schemas import table as table_of
from jobs.sources.ingest.stage import Stage, read_staged

DAY_LIMIT = 10_000
"""Events of one user on one day that count, the earliest ones: three times what a day of 30 s plays can hold. A broken client
or a bot sends more; it must neither stall a task nor decide what is popular. What is over is counted per file."""
TASK_ROWS = 2_000_000
"""Rows of one date that a task takes; a larger date is dealt out by user."""
KEY = ("user_id", "track_id", "event", "played_at")
BEST = ("rating", "ms_played", "session_id", "within_late_window")
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
TOLD = pa.schema(
    [("file_no", pa.int32()), *[(name, pa.int64()) for name in COUNTS], ("name", pa.string()), ("dt", pa.string())]
)
"""What a task says of the one file it wrote: COUNTS per input file."""
assert SCHEMA.names == table_of("events").schema.names


@dataclass(frozen=True)
class Settled:
    """What was written, not yet valid."""

    files: dict[str, list[str]]
    """Received date (ISO) -> names of the Parquet files in its folder."""
    counts: dict[tuple[str, str], dict[str, int]]
    """Input file and received date -> COUNTS: rows accepted, repeats of others, late ones, and those over DAY_LIMIT."""

    def per_file(self) -> dict[str, dict[str, int]]:
        """COUNTS per input file."""
        sums: dict[str, dict[str, int]] = {}
        for (file, _), counts in self.counts.items():
            mine = sums.setdefault(file, dict.fromkeys(COUNTS, 0))
            for name in COUNTS:
                mine[name] += counts[name]
        return sums


def settle(spark: SparkSession, stage: Stage, folders: Mapping[str, str], wishes: Wishes) -> Settled:
    """Write the staged dates that `folders` names (received date -> URI of the folder to fill)."""
    work = [(day, share, of) for day in sorted(folders) for share, of in _shares(stage, day)]
    if not work:
        return Settled({}, {})
    told = spark.createDataFrame(work, "dt string, share int, of int").repartition(len(work))
    paths = {day: stage.days[day] for day in folders if day in stage.days}
    held = spark.sparkContext.broadcast((paths, dict(folders), wishes))

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        staged, targets, heeded = held.value
        for batch in batches:
            for day, share, of in zip(*batch.to_pydict().values(), strict=True):
                rows = _read(staged[day], share, of)
                if not len(rows):
                    # nobody's hash fell to this share
                    continue
                name = f"part-{share:05d}-of-{of:05d}.parquet"
                counts = _settle_one(rows, posixpath.join(targets[day], name), heeded)
                yield pa.RecordBatch.from_pylist([row | {"name": name, "dt": day} for row in counts], TOLD)

    return _gathered(stage, told.mapInArrow(run, from_arrow_schema(TOLD)))


def distinct(rows: pa.Table) -> pa.Table:
    """Rows with one KEY as one, by user, time, track and event: the largest of each other column, and the first `file_no`.

    Numbers are sorted, not words: users by their rank, and time within. Only rows that share both, which are few, are
    compared by track and event.
    """
    place = _places(rows)
    order = np.argsort(place)
    found = place[order]
    same = found[1:] == found[:-1]
    tied = np.concatenate([[False], same]) | np.concatenate([same, [False]])
    if not tied.any():
        return rows.take(pa.array(order))
    alone, shared = order[~tied], order[tied]
    merged = _merged(rows.take(pa.array(shared)).append_column("place", pa.array(place[shared])))
    both = np.concatenate([place[alone], merged["place"].to_numpy()])
    which = np.concatenate([alone, len(rows) + np.arange(len(merged))])
    whole = pa.concat_tables([rows, merged.select(rows.column_names)])
    # stable: rows that share a place are all of `merged`, which has its order
    return whole.take(pa.array(which[np.argsort(both, kind="stable")]))


def _places(rows: pa.Table) -> npt.NDArray[np.int64]:
    """A number per row, whose order is that of user and time."""
    users = pc.dictionary_encode(rows["user_id"].combine_chunks())
    rank = np.empty(len(users.dictionary), np.int64)
    rank[pc.sort_indices(users.dictionary).to_numpy()] = np.arange(len(rank))
    time = pc.cast(rows["played_at"].combine_chunks(), pa.int64()).to_numpy()
    span = int(time.max()) - int(time.min()) + 1
    if len(rank) * span >= 2**63:
        # events of many years, one of them of the year 9999 perhaps: times by their rank, too
        time, span = np.unique(time, return_inverse=True)[1], len(time)
    return np.asarray(rank[users.indices.to_numpy()] * span + (time - time.min()), np.int64)


def _merged(rows: pa.Table) -> pa.Table:
    best = [(name, "max") for name in BEST]
    grouped = rows.group_by(list(KEY), use_threads=False).aggregate([*best, ("file_no", "min"), ("place", "min")])
    named = grouped.rename_columns([name.removesuffix("_max").removesuffix("_min") for name in grouped.column_names])
    return named.sort_by([(name, "ascending") for name in ("place", "track_id", "event")])


def over_limit(rows: pa.Table, limit: int = DAY_LIMIT) -> pa.Array:
    """True for events after the first `limit` of their user and day; `rows` sorted by user and time."""
    if not len(rows):
        return pa.array([], pa.bool_())
    user = rows["user_id"].combine_chunks()
    day = pc.cast(pc.floor_temporal(rows["played_at"], unit="day"), pa.int64()).to_numpy()
    place = np.arange(len(rows))
    others = pc.not_equal(user[1:], user[:-1]).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[True], others | (day[1:] != day[:-1])])
    return pa.array(place - np.maximum.accumulate(np.where(starts, place, 0)) >= limit)


def forgotten(rows: pa.Table, wishes: Wishes) -> pa.Array:
    """True for rows of users, or of users' tracks, that are to be forgotten."""
    users = pc.dictionary_encode(rows["user_id"].combine_chunks())
    asked = [wishes.of(user) for user in users.dictionary.to_pylist()]
    gone = np.array([wish is not None and wish.whole for wish in asked], np.bool_)[users.indices.to_numpy()]
    for code, wish in enumerate(asked):
        if wish is not None and wish.tracks:
            mine = np.flatnonzero(users.indices.to_numpy() == code)
            gone[mine] |= pc.is_in(rows["track_id"].take(mine), pa.array(sorted(wish.tracks))).to_numpy()
    return pa.array(gone)


def _shares(stage: Stage, day: str) -> list[tuple[int, int]]:
    paths = stage.days.get(day, [])
    rows = sum(stage.rows[path] for path in paths)
    of = -(-rows // TASK_ROWS)
    return [(share, of) for share in range(of)]


def _read(paths: list[str], share: int, of: int) -> pa.Table:
    tables = []
    for path in paths:
        table = read_staged(path).select([*SCHEMA.names, "file_no"])
        table = table.cast(SCHEMA.append(pa.field("file_no", pa.int32())))
        tables.append(table.filter(_mine(table, share, of)) if of > 1 else table)
    return pa.concat_tables(tables)


def _mine(table: pa.Table, share: int, of: int) -> pa.Array:
    """Rows of the users that fall to this share."""
    users = pc.dictionary_encode(table["user_id"].combine_chunks())
    share_of = np.array([zlib.crc32(user.encode()) % of for user in users.dictionary.to_pylist()], np.int32)
    return pa.array(share_of[users.indices.to_numpy()] == share)


def _settle_one(rows: pa.Table, file: str, wishes: Wishes) -> list[dict[str, Any]]:
    """Write one share of one date to `file` (a URI), the same if it is done twice; returns COUNTS per input file."""
    once = distinct(rows)
    kept = once
    if wishes.by_hash:
        kept = once.filter(pc.invert(forgotten(once, wishes)))
    over = over_limit(kept)
    system, at = fs.FileSystem.from_uri(file)
    system.create_dir(posixpath.dirname(at), recursive=True)
    # sorted by user and time, it is quicker to read by user, and a third smaller
    written = kept.filter(pc.invert(over)) if pc.any(over).as_py() else kept
    pq.write_table(written.select(SCHEMA.names), at, filesystem=system, compression="snappy")
    return _counted(rows, once, kept.filter(over))


def _counted(rows: pa.Table, once: pa.Table, over: pa.Table) -> list[dict[str, Any]]:
    """`file_no` and COUNTS of the input files that have rows here."""
    files = pc.max(rows["file_no"]).as_py() + 1
    accepted, first, late, above = (
        np.bincount(part["file_no"].to_numpy(), minlength=files).tolist()
        for part in (rows, once, rows.filter(pc.invert(rows["within_late_window"])), over)
    )
    return [
        {"file_no": n, "accepted": accepted[n], "duplicates": accepted[n] - first[n], "late": late[n], "over_limit": above[n]}
        for n in range(files)
        if accepted[n]
    ]


def _gathered(stage: Stage, told: DataFrame) -> Settled:
    files: dict[str, list[str]] = {}
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in told.collect():
        names = files.setdefault(row["dt"], [])
        if row["name"] not in names:
            names.append(row["name"])
        mine = counts.setdefault((stage.files[row["file_no"]], row["dt"]), dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            mine[name] += row[name]
    return Settled(files, counts)
