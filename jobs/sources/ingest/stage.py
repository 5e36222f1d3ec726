"""Accepted events set aside, once and by received date, before repeats are dropped: the first half of an ingest.

Tasks write Arrow files themselves and only tell the driver which: a line is read and parsed once, whatever is asked of it
afterwards. A task that is repeated writes files of other names; only those that a finished task named are ever read.
"""

import datetime as dt
import os
import posixpath
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs, ipc
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.lake.files import literal
from jobs.sources.reading.blocks import Range, blocks
from jobs.sources.reading.files import folder_date, name_date

FLUSH_ROWS = 1_000_000
"""Rows that a task holds before it writes them down: some 150 MB."""
FLUSH_BYTES = 256 * 1024**2
"""Bytes that it holds at most, where rows are long."""
TASKS_PER_CORE = 8
"""Tasks that the ranges of an ingest are dealt to, as equal in bytes as may be: few enough that starting them costs nothing,
enough that none waits long for another."""
TOLD = pa.schema(
    [("kind", pa.string()), ("dt", pa.string()), ("file_no", pa.int32()), ("start", pa.int64()), ("path", pa.string()),
     ("rows", pa.int64())]
)  # fmt: skip
"""What a task says of a file it wrote (kind `rows`: of a received date and an input file; `odd`), or of a `range` it read."""
ODD = pa.schema(
    [("file", pa.string()), ("folder_date", pa.date32()), ("name_date", pa.date32()), ("start", pa.int64()), ("place", pa.int64()),
     ("raw", pa.binary())]
)  # fmt: skip
"""A line that the quick way left alone: its file (and the dates that its path tells), where its range starts, and its 1-based
place in the range."""
ODD_SQL = "file string, folder_date date, name_date date, start long, place long, raw binary"
Sift = Callable[[pa.LargeBinaryArray, str, dt.date | None], tuple[pa.Table, pa.BooleanArray]]
"""Lines, namespace and the file's date in; rows of the certainly good ones out, and which these are (`plain_log.py`)."""


@dataclass(frozen=True)
class Stage:
    """What was set aside."""

    folder: str
    """URI of the folder that holds it; to be removed when the ingest is over."""
    files: tuple[str, ...]
    """The input files; rows name them by their place here (`file_no`), which follows the order of the paths."""
    days: dict[str, list[str]] = field(default_factory=dict)
    """Received date (ISO) -> paths of Arrow files: columns of `events` and `file_no`."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows of each of these files."""
    lines: dict[str, int] = field(default_factory=dict)
    """Input file -> lines that the quick way took."""
    odd: list[str] = field(default_factory=list)
    """Paths of Parquet files with the lines that must go the long way, see ODD."""
    before: list[tuple[str, int, int]] = field(default_factory=list)
    """Input file, start of a range of it, and the number of lines before that."""

    def odd_lines(self, spark: SparkSession) -> DataFrame:
        """The lines that the quick way left alone, with `line` (1-based) and otherwise as `read_lines` gives them."""
        lines = spark.read.schema(ODD_SQL).parquet(*map(literal, self.odd)) if self.odd else spark.createDataFrame([], ODD_SQL)
        line = F.col("place")
        if any(before for _, _, before in self.before):
            before = F.broadcast(spark.createDataFrame(self.before, "file string, start long, before long"))
            lines, line = lines.join(before, ["file", "start"]), line + F.col("before")
        value = F.col("raw").cast("string").alias("value")
        return lines.select("file", "folder_date", "name_date", line.alias("line"), "raw", value)


def sift_lines(
    spark: SparkSession, folder: str, parts: Sequence[Range], dates: Mapping[str, dt.date | None], namespace: str, sift: Sift
) -> Stage:
    """Read ranges of text files the quick way: good lines to staged rows, all others to `odd`.

    `dates`: every input file with the date of receipt that its name tells.
    """
    files = tuple(sorted(dates))
    number = {file: n for n, file in enumerate(files)}

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writer = _Writer(folder)
        for batch in batches:
            for part in (Range(**row) for row in batch.drop_columns(["task"]).to_pylist()):
                seen = 0
                for lines in blocks(part):
                    rows, good = sift(lines, namespace, dates[part.file])
                    writer.add(rows.append_column("file_no", _number(number[part.file], len(rows))))
                    writer.add_odd(part, lines, good, seen)
                    seen += len(lines)
                writer.read(number[part.file], part.start, seen)
        yield writer.told()

    tasks = max(1, min(spark.sparkContext.defaultParallelism * TASKS_PER_CORE, len(parts)))
    ranges = [(part.file, part.start, part.stop, task) for part, task in zip(parts, dealt(parts, tasks), strict=True)]
    rows = spark.createDataFrame(ranges, "file string, start long, stop long, task int")
    return _stage(folder, files, rows.repartitionById(tasks, "task").mapInArrow(run, from_arrow_schema(TOLD)))


def dealt(parts: Sequence[Range], tasks: int) -> list[int]:
    """The task of each range: the largest first, each to the task that has least."""
    size = [os.path.getsize(part.file) if part.stop < 0 else part.stop - part.start for part in parts]
    held, chosen = [0] * tasks, [0] * len(parts)
    for at in sorted(range(len(parts)), key=lambda at: (-size[at], at)):
        chosen[at] = min(range(tasks), key=lambda task: (held[task], task))
        held[chosen[at]] += size[at]
    return chosen


def stage_rows(rows: DataFrame, folder: str, files: Sequence[str]) -> Stage:
    """Set aside rows that Spark has judged: columns of `events`, `dt` and `file`."""
    ordered = tuple(sorted(files))
    number = {file: n for n, file in enumerate(ordered)}

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writer = _Writer(folder)
        for batch in batches:
            files = pc.dictionary_encode(batch["file"])
            numbers = pa.array([number[file] for file in files.dictionary.to_pylist()], pa.int32()).take(files.indices)
            writer.add(pa.table(batch.drop_columns(["file"])).append_column("file_no", numbers))
        yield writer.told()

    return _stage(folder, ordered, rows.mapInArrow(run, from_arrow_schema(TOLD)))


def joined(first: Stage, second: Stage) -> Stage:
    """Two stages of the same files as one."""
    days = {day: [*first.days.get(day, []), *second.days.get(day, [])] for day in {*first.days, *second.days}}
    return replace(first, days=days, rows=first.rows | second.rows)


def _stage(folder: str, files: tuple[str, ...], told: DataFrame) -> Stage:
    stage, seen = Stage(folder, files), {}
    for row in told.collect():
        if row["kind"] == "odd":
            stage.odd.append(row["path"])
        elif row["kind"] == "range":
            seen[files[row["file_no"]], row["start"]] = row["rows"]
        else:
            _add(stage, row)
    passed: dict[str, int] = {}
    for (file, start), lines in sorted(seen.items()):
        stage.before.append((file, start, passed.get(file, 0)))
        passed[file] = passed.get(file, 0) + lines
    return stage


def _add(stage: Stage, row: Row) -> None:
    """Note a file of rows; one of several input files is told of once for each."""
    paths = stage.days.setdefault(row["dt"], [])
    if row["path"] not in paths[-1:]:
        paths.append(row["path"])
    stage.rows[row["path"]] = stage.rows.get(row["path"], 0) + row["rows"]
    file = stage.files[row["file_no"]]
    stage.lines[file] = stage.lines.get(file, 0) + row["rows"]


class _Writer:
    """Collects the rows of one task and writes them down, a file per received date."""

    def __init__(self, folder: str) -> None:
        self._fs, self._base = fs.FileSystem.from_uri(folder)
        self._folder = folder
        self._held: list[pa.Table] = []
        self._odd: list[pa.Table] = []
        self._rows, self._bytes = 0, 0
        self._told: list[tuple[str, str, int, int, str, int]] = []
        self._fs.create_dir(self._base, recursive=True)

    def add(self, rows: pa.Table) -> None:
        """Hold rows; all are written once there are FLUSH_ROWS."""
        self._held.append(rows)
        self._count(rows)

    def add_odd(self, part: Range, lines: pa.LargeBinaryArray, good: pa.BooleanArray, before: int) -> None:
        """Hold those of a block's lines that go the long way; `before`: lines of the range before the block."""
        places = np.flatnonzero(~good.to_numpy(zero_copy_only=False))
        if len(places):
            bare = pc.cast(pc.binary_slice(lines.take(pa.array(places)), 0, -1), pa.binary())
            same = [part.file, folder_date(part.file), name_date(part.file), part.start]
            columns = [pa.repeat(pa.scalar(value, kind.type), len(bare)) for value, kind in zip(same, ODD, strict=False)]
            self._odd.append(pa.table([*columns, pa.array(places + before + 1), bare], schema=ODD))
            self._count(self._odd[-1])

    def _count(self, table: pa.Table) -> None:
        self._rows += len(table)
        self._bytes += table.nbytes
        if self._rows >= FLUSH_ROWS or self._bytes >= FLUSH_BYTES:
            self._flush()

    def read(self, file_no: int, start: int, lines: int) -> None:
        """Tell how many lines a range of a file had."""
        self._told.append(("range", "", file_no, start, "", lines))

    def told(self) -> pa.RecordBatch:
        """Everything written, and what each file holds: one row per input file and date."""
        self._flush()
        return pa.RecordBatch.from_pylist([dict(zip(TOLD.names, row, strict=True)) for row in self._told], TOLD)

    def _flush(self) -> None:
        if self._odd:
            table = pa.concat_tables(self._odd)
            self._told.append(("odd", "", 0, 0, self._write(table, ".parquet"), len(table)))
        if self._held:
            table = pa.concat_tables(self._held)
            for day in pc.unique(table["dt"]).to_pylist():
                self._one_day(day.isoformat(), table.filter(pc.equal(table["dt"], pa.scalar(day))).drop_columns(["dt"]))
        self._held, self._odd, self._rows, self._bytes = [], [], 0, 0

    def _one_day(self, day: str, rows: pa.Table) -> None:
        path = self._write(rows, ".arrow")
        for number in pc.value_counts(rows["file_no"]).to_pylist():
            self._told.append(("rows", day, number["values"], 0, path, number["counts"]))

    def _write(self, table: pa.Table, suffix: str) -> str:
        """Path of a new file; read once, soon, by this machine or its neighbour: lz4 costs the least time in all."""
        name = f"{uuid.uuid4().hex}{suffix}"
        with self._fs.open_output_stream(posixpath.join(self._base, name)) as stream:
            if suffix == ".parquet":
                pq.write_table(table, stream, compression="lz4")
            else:
                with ipc.new_file(stream, table.schema, options=ipc.IpcWriteOptions(compression="lz4", use_threads=False)) as file:
                    file.write_table(table)
        return f"{self._folder}/{name}"


def read_staged(path: str) -> pa.Table:
    """The rows of one of a stage's files (a URI)."""
    system, at = fs.FileSystem.from_uri(path)
    with system.open_input_file(at) as stream:
        return ipc.open_file(stream, options=ipc.IpcReadOptions(use_threads=False)).read_all()


def _number(number: int, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(number, pa.int32()), rows)
