"""Stage accepted events by received date, before duplicates are dropped: the first half of an ingest.

Tasks write Arrow files themselves and report only the paths to the driver. So each line is read and parsed only once. A
repeated task writes files with other names; only files of finished tasks are ever read.
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

from jobs.bin_packing import assign_to_bins
from jobs.lake.files import literal
from jobs.sources.reading.blocks import ByteRange, line_blocks
from jobs.sources.reading.files import folder_date, name_date
from jobs.sources.reading.lines import task_count

FLUSH_ROWS = 1_000_000
"""A task writes a file after so many rows: some 150 MB."""
FLUSH_BYTES = 256 * 1024**2
"""A task writes a file after so many bytes, where rows are long."""
TASKS_PER_CORE = 8
"""Number of tasks per core: few enough that starting them costs nothing, enough that none waits long for another."""
REPORT_SCHEMA = pa.schema(
    [("kind", pa.string()), ("dt", pa.string()), ("file_no", pa.int32()), ("start", pa.int64()), ("path", pa.string()),
     ("rows", pa.int64())]
)  # fmt: skip
"""One row of a task's report, by `kind`.

- `rows`: a file of events that it wrote, for one received date and input file
- `slow_path`: a file of lines for the slow path that it wrote
- `range`: a byte range that it read, with its number of lines"""
SLOW_LINES_SCHEMA = pa.schema(
    [("file", pa.string()), ("folder_date", pa.date32()), ("name_date", pa.date32()), ("start", pa.int64()),
     ("line_in_range", pa.int64()), ("raw", pa.binary())]
)  # fmt: skip
"""A line that the fast path skipped: its file, the dates in its path, the start of its byte range, and its 1-based
number in the range.
"""
SLOW_LINES_DDL = "file string, folder_date date, name_date date, start long, line_in_range long, raw binary"
FastParser = Callable[[pa.LargeBinaryArray, str, dt.date | None], tuple[pa.Table, pa.BooleanArray]]
"""Takes lines, namespace and the file's date. Returns rows of the certainly good lines, and a mask of these lines
(`app_log_fast_path.py`).
"""


@dataclass(frozen=True)
class StagedEvents:
    """Files of staged events, and what they hold."""

    folder: str
    """URI of the staging folder, which is removed after the ingest."""
    files: tuple[str, ...]
    """Input files, sorted. `file_no` in the rows is an index into them."""
    arrow_files: dict[str, list[str]] = field(default_factory=dict)
    """Received date (ISO) -> paths of Arrow files with the columns of `events` and `file_no`."""
    rows_by_path: dict[str, int] = field(default_factory=dict)
    """Path of an Arrow file -> number of rows."""
    fast_path_lines: dict[str, int] = field(default_factory=dict)
    """Input file -> number of lines that the fast path parsed."""
    slow_path_files: list[str] = field(default_factory=list)
    """Paths of Parquet files with the lines for the slow path, see SLOW_LINES_SCHEMA."""
    lines_before: list[tuple[str, int, int]] = field(default_factory=list)
    """Input file, start of a byte range, and number of lines before that range."""

    def slow_path_lines(self, spark: SparkSession) -> DataFrame:
        """Return the lines that the fast path skipped, in the columns of `read_lines`, with `line` (1-based)."""
        if self.slow_path_files:
            lines = spark.read.schema(SLOW_LINES_DDL).parquet(*map(literal, self.slow_path_files))
        else:
            lines = spark.createDataFrame([], SLOW_LINES_DDL)
        line = F.col("line_in_range")
        if any(count for _, _, count in self.lines_before):
            offsets = spark.createDataFrame(self.lines_before, "file string, start long, lines_before long")
            lines, line = lines.join(F.broadcast(offsets), ["file", "start"]), line + F.col("lines_before")
        value = F.col("raw").cast("string").alias("value")
        return lines.select("file", "folder_date", "name_date", line.alias("line"), "raw", value)


def stage_fast_path(
    spark: SparkSession,
    folder: str,
    ranges: Sequence[ByteRange],
    dates: Mapping[str, dt.date | None],
    namespace: str,
    parse: FastParser,
) -> StagedEvents:
    """Read byte ranges of text files; stage the rows that `parse` returns, and set the other lines aside.

    `dates`: every input file with the date of receipt in its path.
    """
    files = tuple(sorted(dates))
    number_of = {file: n for n, file in enumerate(files)}

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writer = _Writer(folder)
        for batch in batches:
            for byte_range in (ByteRange(**row) for row in batch.drop_columns(["task"]).to_pylist()):
                file_no, n_lines = number_of[byte_range.file], 0
                for lines in line_blocks(byte_range):
                    rows, good = parse(lines, namespace, dates[byte_range.file])
                    writer.add(rows.append_column("file_no", _repeat_number(file_no, len(rows))))
                    writer.add_slow_lines(byte_range, lines, good, n_lines)
                    n_lines += len(lines)
                writer.report_range(file_no, byte_range.start, n_lines)
        yield writer.report()

    sizes = [_size(byte_range) for byte_range in ranges]
    n_tasks = max(1, min(len(ranges), task_count(spark, sum(sizes), TASKS_PER_CORE)))
    tasks = assign_to_bins(sizes, n_tasks)
    rows_of_ranges = [(part.file, part.start, part.stop, task) for part, task in zip(ranges, tasks, strict=True)]
    rows = spark.createDataFrame(rows_of_ranges, "file string, start long, stop long, task int")
    reports = rows.repartitionById(n_tasks, "task").mapInArrow(run, from_arrow_schema(REPORT_SCHEMA))
    return _collect_reports(folder, files, reports)


def _size(byte_range: ByteRange) -> int:
    return os.path.getsize(byte_range.file) if byte_range.stop < 0 else byte_range.stop - byte_range.start


def stage_rows(rows: DataFrame, folder: str, files: Sequence[str]) -> StagedEvents:
    """Stage rows that Spark has parsed: columns of `events`, `dt` and `file`."""
    ordered = tuple(sorted(files))
    number_of = {file: n for n, file in enumerate(ordered)}

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writer = _Writer(folder)
        for batch in batches:
            encoded = pc.dictionary_encode(batch["file"])
            dictionary = pa.array([number_of[file] for file in encoded.dictionary.to_pylist()], pa.int32())
            file_no = dictionary.take(encoded.indices)
            writer.add(pa.table(batch.drop_columns(["file"])).append_column("file_no", file_no))
        yield writer.report()

    return _collect_reports(folder, ordered, rows.mapInArrow(run, from_arrow_schema(REPORT_SCHEMA)))


def merge_staged(first: StagedEvents, second: StagedEvents) -> StagedEvents:
    """Merge the Arrow files of two stagings of the same input files."""
    days = {*first.arrow_files, *second.arrow_files}
    arrow_files = {day: [*first.arrow_files.get(day, []), *second.arrow_files.get(day, [])] for day in days}
    return replace(first, arrow_files=arrow_files, rows_by_path=first.rows_by_path | second.rows_by_path)


def _collect_reports(folder: str, files: tuple[str, ...], reports: DataFrame) -> StagedEvents:
    staged = StagedEvents(folder, files)
    lines_in_range: dict[tuple[str, int], int] = {}
    for row in reports.collect():
        if row["kind"] == "slow_path":
            staged.slow_path_files.append(row["path"])
        elif row["kind"] == "range":
            lines_in_range[files[row["file_no"]], row["start"]] = row["rows"]
        else:
            _add_rows_report(staged, row)
    passed: dict[str, int] = {}
    for (file, start), lines in sorted(lines_in_range.items()):
        staged.lines_before.append((file, start, passed.get(file, 0)))
        passed[file] = passed.get(file, 0) + lines
    return staged


def _add_rows_report(staged: StagedEvents, row: Row) -> None:
    """Add a report on a file of events; a file with events of several input files has a report for each of them."""
    paths = staged.arrow_files.setdefault(row["dt"], [])
    if row["path"] not in paths[-1:]:
        paths.append(row["path"])
    staged.rows_by_path[row["path"]] = staged.rows_by_path.get(row["path"], 0) + row["rows"]
    file = staged.files[row["file_no"]]
    staged.fast_path_lines[file] = staged.fast_path_lines.get(file, 0) + row["rows"]


class _Writer:
    """Buffers the rows of one task and writes them, one file per received date."""

    def __init__(self, folder: str) -> None:
        self._fs, self._base = fs.FileSystem.from_uri(folder)
        self._folder = folder
        self._rows_buffer: list[pa.Table] = []
        self._slow_buffer: list[pa.Table] = []
        self._n_rows, self._n_bytes = 0, 0
        self._report: list[tuple[str, str, int, int, str, int]] = []
        self._fs.create_dir(self._base, recursive=True)

    def add(self, rows: pa.Table) -> None:
        """Buffer rows; all are written once there are FLUSH_ROWS."""
        self._rows_buffer.append(rows)
        self._count(rows)

    def add_slow_lines(
        self, byte_range: ByteRange, lines: pa.LargeBinaryArray, good: pa.BooleanArray, lines_before: int
    ) -> None:
        """Buffer the lines of a block that are not `good`. `lines_before`: lines of the range before the block."""
        indices = np.flatnonzero(~good.to_numpy(zero_copy_only=False))
        if len(indices):
            raw = pc.cast(pc.binary_slice(lines.take(pa.array(indices)), 0, -1), pa.binary())
            file = byte_range.file
            constants = [file, folder_date(file), name_date(file), byte_range.start]
            columns = [
                pa.repeat(pa.scalar(value, column.type), len(raw))
                for value, column in zip(constants, SLOW_LINES_SCHEMA, strict=False)
            ]
            numbers = pa.array(indices + lines_before + 1)
            self._slow_buffer.append(pa.table([*columns, numbers, raw], schema=SLOW_LINES_SCHEMA))
            self._count(self._slow_buffer[-1])

    def _count(self, table: pa.Table) -> None:
        self._n_rows += len(table)
        self._n_bytes += table.nbytes
        if self._n_rows >= FLUSH_ROWS or self._n_bytes >= FLUSH_BYTES:
            self._flush()

    def report_range(self, file_no: int, start: int, lines: int) -> None:
        """Report the number of lines of a byte range."""
        self._report.append(("range", "", file_no, start, "", lines))

    def report(self) -> pa.RecordBatch:
        """Write what is buffered and return the report, see REPORT_SCHEMA."""
        self._flush()
        rows = [dict(zip(REPORT_SCHEMA.names, row, strict=True)) for row in self._report]
        return pa.RecordBatch.from_pylist(rows, REPORT_SCHEMA)

    def _flush(self) -> None:
        if self._slow_buffer:
            table = pa.concat_tables(self._slow_buffer)
            self._report.append(("slow_path", "", 0, 0, self._write(table, ".parquet"), len(table)))
        if self._rows_buffer:
            table = pa.concat_tables(self._rows_buffer)
            for day in pc.unique(table["dt"]).to_pylist():
                of_day = table.filter(pc.equal(table["dt"], pa.scalar(day))).drop_columns(["dt"])
                self._write_date(day.isoformat(), of_day)
        self._rows_buffer, self._slow_buffer, self._n_rows, self._n_bytes = [], [], 0, 0

    def _write_date(self, day: str, rows: pa.Table) -> None:
        path = self._write(rows, ".arrow")
        for count in pc.value_counts(rows["file_no"]).to_pylist():
            self._report.append(("rows", day, count["values"], 0, path, count["counts"]))

    def _write(self, table: pa.Table, suffix: str) -> str:
        """Write a table to a new file and return its path. It is read once and soon, so lz4 is the fastest."""
        name = f"{uuid.uuid4().hex}{suffix}"
        with self._fs.open_output_stream(posixpath.join(self._base, name)) as stream:
            if suffix == ".parquet":
                pq.write_table(table, stream, compression="lz4")
            else:
                options = ipc.IpcWriteOptions(compression="lz4", use_threads=False)
                with ipc.new_file(stream, table.schema, options=options) as file:
                    file.write_table(table)
        return f"{self._folder}/{name}"


def read_staged(path: str) -> pa.Table:
    """Read the rows of one staged Arrow file (a URI)."""
    system, name = fs.FileSystem.from_uri(path)
    with system.open_input_file(name) as stream:
        return ipc.open_file(stream, options=ipc.IpcReadOptions(use_threads=False)).read_all()


def _repeat_number(number: int, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(number, pa.int32()), rows)
