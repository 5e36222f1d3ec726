"""Read text lines through Spark, byte for byte, and compare them with the independent count of the same files."""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial, reduce
from itertools import islice
from urllib.parse import unquote

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.lake.files import literal
from jobs.sources.contract import Source
from jobs.sources.reading import raw_bytes
from jobs.sources.reading.files import folder_date, name_date
from jobs.sources.reading.independent_counts.text_lines import count_lines

DRIVER_COUNT_BYTES = 16 * 1024**2
"""Files of this total size are counted on the driver: starting Spark's Python workers takes longer."""
MIN_TASK_BYTES = 16 * 1024**2
"""Files of less are read by no more tasks than there are cores: a task costs more to start than to read them."""
LINE_SCHEMA = pa.schema([("file", pa.string()), ("line", pa.int64()), ("raw", pa.binary())])
COUNT_SCHEMA = pa.schema([("file", pa.string()), ("lines_in", pa.int64()), ("error", pa.string())])
READ_ERRORS = (OSError, EOFError, zlib.error)
TruncatedFiles = Mapping[str, int]
"""Truncated files that are read up to the truncation, each with the number of the line that is incomplete."""
NONE_TRUNCATED: TruncatedFiles = {}


def read_lines(spark: SparkSession, files: Sequence[str], truncated: TruncatedFiles = NONE_TRUNCATED) -> DataFrame:
    """Read one row per line: `file` (as given), `folder_date`, `name_date`, `raw` (binary) and `value`.

    `folder_date` and `name_date` are the dates in the file's path. `value` has the bytes of `raw` as an unchecked
    string, see `decode_text`. Lines end at a newline only. A byte order mark at the start of a file is dropped. Files
    named .gz are unpacked. The rows of `truncated` files also have `line` and `is_truncated`.
    """
    complete = [path for path in files if path not in truncated]
    parts = [_spark_lines(spark, complete)] if complete else []
    if truncated:
        paths = sorted(truncated)
        lines = distribute_files(spark, paths).mapInArrow(_python_lines, "file string, line long, raw binary")
        parts.append(mark_truncated_lines(with_file_dates(lines, paths), truncated, F.col("line")))
    return reduce(partial(DataFrame.unionByName, allowMissingColumns=True), parts)


def mark_truncated_lines(frame: DataFrame, truncated: TruncatedFiles, line: Column) -> DataFrame:
    """Add `is_truncated`: whether `line` is the incomplete line of its `file`."""
    if not truncated:
        return frame
    last_lines = F.create_map(*[F.lit(value) for pair in sorted(truncated.items()) for value in pair])
    is_truncated = F.coalesce(line == F.element_at(last_lines, F.col("file")), F.lit(False))
    return frame.withColumn("is_truncated", is_truncated)


def with_file_dates(frame: DataFrame, files: Sequence[str]) -> DataFrame:
    """Add the other columns of `read_lines` to `file` (one of `files`) and `raw`."""
    dates = [(path, folder_date(path), name_date(path)) for path in files]
    by_file = frame.sparkSession.createDataFrame(dates, "file string, folder_date date, name_date date")
    return frame.join(F.broadcast(by_file), "file", "left").withColumn("value", F.col("raw").cast("string"))


def _spark_lines(spark: SparkSession, files: Sequence[str]) -> DataFrame:
    # recursiveFileLookup: otherwise Spark reads a folder like dt=2026-11-01 as a partition column
    reader = spark.read.option("lineSep", "\n").option("recursiveFileLookup", "true")
    text = reader.text([spark_path(path) for path in files])
    value, uri = F.col("value"), F.col("_metadata.file_path").alias("uri")
    lines = text.select(uri, value, value.cast("binary").alias("raw"))
    return resolve_file_names(lines, text.inputFiles())


def _python_lines(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for path in batch["file"].to_pylist():
            numbered = enumerate(raw_bytes.iter_lines(path, truncated=True), 1)
            while chunk := list(islice(numbered, 10_000)):
                rows = [{"file": path, "line": number, "raw": line} for number, line in chunk]
                yield pa.RecordBatch.from_pylist(rows, LINE_SCHEMA)


def resolve_file_names(frame: DataFrame, uris: Sequence[str]) -> DataFrame:
    """Replace `uri` (Spark's name of a file, one of `uris`) by `file`, `folder_date` and `name_date`.

    A broadcast join decodes the URI and searches it for dates once per file, not once per line.
    """
    names = []
    for uri in uris:
        path = "/" + unquote(uri.removeprefix("file:")).lstrip("/")
        tail = uri.removeprefix("file:").lstrip("/")
        # Spark writes the URI of a local file with one slash or three
        names += [(f"file:{slashes}{tail}", path, folder_date(path), name_date(path)) for slashes in ("/", "///")]
    by_uri = frame.sparkSession.createDataFrame(names, "uri string, file string, folder_date date, name_date date")
    others = [name for name in frame.columns if name != "uri"]
    joined = frame.join(F.broadcast(by_uri), "uri", "left")
    # never an inner join: a line of a file with an unknown name must show up in the accounts
    return joined.select(F.coalesce("file", "uri").alias("file"), "folder_date", "name_date", *others)


def decode_text() -> Column:
    """Decode `value` of `read_lines`: UTF-8, and latin-1 where the bytes are not UTF-8.

    Trailing carriage returns are dropped. The encoding is detected by characters, not by lines: a catalogue merged from
    several sources has both encodings in one line.
    """
    pieces = F.regexp_extract_all(F.decode("raw", "ISO-8859-1"), F.lit(f"({raw_bytes.TEXT_PIECE})"))
    mixed = F.array_join(F.transform(pieces, _decode_piece), "")
    return F.rtrim(F.when(F.is_valid_utf8("value"), F.col("value")).otherwise(mixed), F.lit("\r"))


def _decode_piece(piece: Column) -> Column:
    """Decode as UTF-8 what was decoded as latin-1, where its bytes are valid UTF-8."""
    as_bytes = F.encode(piece, "ISO-8859-1").cast("string")
    return F.when(F.is_valid_utf8(as_bytes), as_bytes).otherwise(piece)


def read_text(spark: SparkSession, files: Sequence[str], truncated: TruncatedFiles = NONE_TRUNCATED) -> DataFrame:
    """Read lines like `read_lines`, with the decoded `text`."""
    return read_lines(spark, files, truncated).withColumn("text", decode_text())


def is_blank(text: Column) -> Column:
    """Return true where a line has only spaces, tabs and carriage returns."""
    return F.ltrim(text, F.lit(" \t\r")) == F.lit("")


def count_text_lines(
    spark: SparkSession, files: Sequence[str], truncated: TruncatedFiles = NONE_TRUNCATED
) -> dict[str, int]:
    """Count the lines of each file from its raw bytes, independently of Spark's reader.

    Raises SourceError with the name of a file that cannot be read to its end, such as a .gz that is truncated and not
    in `truncated`.
    """
    return count_files(spark, files, lambda path: count_lines(path, path in truncated))


def truncated_files(source: Source, files: Sequence[str]) -> TruncatedFiles:
    """Return the truncated .gz files, where the source accepts them; otherwise none."""
    return {path: line for path in files if (line := source.truncated_at_line(path)) is not None}


def count_files(spark: SparkSession, files: Sequence[str], count: Callable[[str], int]) -> dict[str, int]:
    """Apply `count` to each file. A read error becomes a SourceError with the name of the file."""
    if sum(os.path.getsize(path) for path in files) <= DRIVER_COUNT_BYTES:
        counts = [_count_or_error(path, count) for path in files]
    else:
        frame = distribute_files(spark, files).mapInArrow(
            _count_partition(count), "file string, lines_in long, error string"
        )
        counts = [(row["file"], row["lines_in"], row["error"]) for row in frame.collect()]
    for path, _, error in sorted(counts, key=lambda row: row[0]):
        if error:
            take = ', or set truncated = "take" in its [[source]]' if raw_bytes.TRUNCATED_GZIP in error else ""
            raise SourceError(f"{path} cannot be read to its end ({error}); fetch it again, or remove it{take}.")
    return {path: lines for path, lines, _ in counts}


def distribute_files(spark: SparkSession, files: Sequence[str]) -> DataFrame:
    """Return the paths as column `file`, distributed over tasks."""
    size = sum(os.path.getsize(path) for path in files)
    tasks = max(1, min(len(files), task_count(spark, size, per_core=4)))
    return spark.createDataFrame([(path,) for path in files], "file string").repartition(tasks)


def task_count(spark: SparkSession, size: int, per_core: int) -> int:
    """Return the number of tasks for `size` bytes: `per_core` for each core, and fewer where each would read little."""
    cores = spark.sparkContext.defaultParallelism
    return max(cores, min(per_core * cores, -(-size // MIN_TASK_BYTES)))


def locate_lines(rejected: DataFrame) -> DataFrame:
    """Fill in the 1-based `line` of each rejected text line by searching the raw bytes of its file.

    Returns one row per rejected line: a bad line that occurs twice in a file has two rows with two numbers. Only files
    with rejected lines are read. Rows with a line, or for a whole file (`raw` null), stay unchanged.
    """
    located = F.col("line").isNotNull() | F.col("raw").isNull()
    distinct = rejected.where(~located).dropDuplicates(["file", "raw"])
    newly_located = distinct.groupBy("file").applyInArrow(_find_lines, rejected.schema)
    return rejected.where(located).unionByName(newly_located)


@lru_cache(maxsize=1_000_000)
def _sha256(path: str, size: int, changed_ns: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_digest(path: str) -> str:
    """Return the SHA-256 (hexadecimal) of the file's bytes, cached while its size and modification time stay the same.

    Raises SourceError with the name of a file that cannot be read.
    """
    try:
        state = os.stat(path)
        return _sha256(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None


def spark_path(path: str) -> str:
    """Escape a local path for Spark's readers, which treat `*`, `[` and the like as patterns."""
    return f"file:{literal(path)}"


def _count_or_error(path: str, count: Callable[[str], int]) -> tuple[str, int, str | None]:
    try:
        return path, count(path), None
    except READ_ERRORS as error:
        return path, 0, str(error)


def _count_partition(count: Callable[[str], int]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [_count_or_error(path, count) for path in batch["file"].to_pylist()]
            yield pa.RecordBatch.from_pylist(
                [dict(zip(COUNT_SCHEMA.names, row, strict=True)) for row in rows], COUNT_SCHEMA
            )

    return run


def _find_lines(bad: pa.Table) -> pa.Table:
    """Repeat the rows of `bad` (one per distinct raw line of one file) for each occurrence, with its line number."""
    index_of = {line: index for index, line in enumerate(bad["raw"].to_pylist())}
    numbered = enumerate(raw_bytes.iter_lines(bad["file"][0].as_py(), truncated=True), 1)
    hits = [(index_of[line], number) for number, line in numbered if line in index_of]
    lines = pa.array([number for _, number in hits], pa.int64())
    rows = bad.take(pa.array([index for index, _ in hits], pa.int64()))
    return rows.set_column(rows.schema.get_field_index("line"), "line", lines)
