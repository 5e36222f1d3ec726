"""Text lines through Spark, byte for byte, and what the second reader says about the same files."""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial, reduce
from itertools import islice
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.errors import SourceError
from jobs.lake.files import literal
from jobs.sources.contract import Source
from jobs.sources.reading import raw
from jobs.sources.reading.files import folder_date, name_date

SMALL_BYTES = 16 * 1024**2
"""Files of this size together are counted at once: starting Spark's Python workers takes longer than reading them."""
COUNTED = pa.schema([("file", pa.string()), ("lines_in", pa.int64()), ("fault", pa.string())])
READ_FAULTS = (OSError, EOFError, zlib.error)
Cut = Mapping[str, int]
"""Files that are cut short and to be taken as far as they go, each with the number of the line that the cut goes through."""
WHOLE: Cut = {}


def read_lines(spark: SparkSession, files: Sequence[str], cut: Cut = WHOLE) -> DataFrame:
    """One row per line: `file` (as given), `folder_date`, `name_date` (dates its path tells), `raw` (binary), `value`.

    `value` holds the bytes of `raw` as an unchecked string, see `as_text`. Lines end at a newline only; a byte order mark
    at the start of a file is gone. Packed files (.gz) are unpacked; of those in `cut`, what stands before the cut is read,
    with the number of each `line`, and `half` says which one the cut went through.
    """
    whole = [path for path in files if path not in cut]
    parts = [_whole_lines(spark, whole)] if whole else []
    if cut:
        lines = spread(spark, sorted(cut)).mapInPandas(_cut_lines, "file string, line long, raw binary")
        parts.append(with_half(as_lines(lines, sorted(cut)), cut, F.col("line")))
    return reduce(partial(DataFrame.unionByName, allowMissingColumns=True), parts)


def with_half(frame: DataFrame, cut: Cut, line: Column) -> DataFrame:
    """`frame` (of `file`) with `half`: whether `line` is that within which its file is cut short."""
    if not cut:
        return frame
    ends = F.create_map(*[F.lit(value) for pair in sorted(cut.items()) for value in pair])
    return frame.withColumn("half", F.coalesce(line == F.element_at(ends, F.col("file")), F.lit(False)))


def as_lines(frame: DataFrame, files: Sequence[str]) -> DataFrame:
    """`file` (one of `files`), `raw` with the other columns of `read_lines`."""
    known = [(path, folder_date(path), name_date(path)) for path in files]
    names = frame.sparkSession.createDataFrame(known, "file string, folder_date date, name_date date")
    return frame.join(F.broadcast(names), "file", "left").withColumn("value", F.col("raw").cast("string"))


def _whole_lines(spark: SparkSession, files: Sequence[str]) -> DataFrame:
    # recursiveFileLookup: or Spark takes a folder like dt=2026-11-01 for a column of its own.
    reader = spark.read.option("lineSep", "\n").option("recursiveFileLookup", "true")
    text = reader.text([spark_path(path) for path in files])
    value, uri = F.col("value"), F.col("_metadata.file_path").alias("uri")
    lines = text.select(uri, value, value.cast("binary").alias("raw"))
    return name_files(lines, text.inputFiles())


def _cut_lines(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    for batch in batches:
        for path in batch["file"]:
            numbered = enumerate(raw.lines(path, cut=True), 1)
            while some := list(islice(numbered, 10_000)):
                yield pd.DataFrame({"file": path, "line": [n for n, _ in some], "raw": [line for _, line in some]})


def name_files(frame: DataFrame, uris: Sequence[str]) -> DataFrame:
    """`frame` with `uri` (Spark's name of a file, one of `uris`) replaced by `file`, `folder_date` and `name_date`.

    By a broadcast join: undoing the URI's escapes and searching for dates once per file, not once per line.
    """
    known = []
    for uri in uris:
        path = "/" + unquote(uri.removeprefix("file:")).lstrip("/")
        tail = uri.removeprefix("file:").lstrip("/")
        # Spark writes a local file's URI with one slash or three, depending on how it came by it.
        known += [(f"file:{slashes}{tail}", path, folder_date(path), name_date(path)) for slashes in ("/", "///")]
    names = frame.sparkSession.createDataFrame(known, "uri string, file string, folder_date date, name_date date")
    others = [name for name in frame.columns if name != "uri"]
    joined = frame.join(F.broadcast(names), "uri", "left")
    # Never an inner join: a line of a file by an unknown name must show up in the accounts, not vanish.
    return joined.select(F.coalesce("file", "uri").alias("file"), "folder_date", "name_date", *others)


def as_text() -> Column:
    """`value` of `read_lines` as text: UTF-8, and what is not UTF-8 as latin-1. Trailing carriage returns are off.

    By characters, not by lines: a catalogue put together from several has both in one line.
    """
    pieces = F.regexp_extract_all(F.decode("raw", "ISO-8859-1"), F.lit(f"({raw.PIECE})"))
    mixed = F.array_join(F.transform(pieces, _piece_as_text), "")
    return F.rtrim(F.when(F.is_valid_utf8("value"), F.col("value")).otherwise(mixed), F.lit("\r"))


def _piece_as_text(piece: Column) -> Column:
    """What was decoded as latin-1, decoded as UTF-8 where its bytes are that."""
    as_bytes = F.encode(piece, "ISO-8859-1").cast("string")
    return F.when(F.is_valid_utf8(as_bytes), as_bytes).otherwise(piece)


def read_text(spark: SparkSession, files: Sequence[str], cut: Cut = WHOLE) -> DataFrame:
    """`read_lines` with `text`, see `as_text`."""
    return read_lines(spark, files, cut).withColumn("text", as_text())


def is_blank(text: Column) -> Column:
    """True where a line holds nothing but spaces, tabs and carriage returns."""
    return F.ltrim(text, F.lit(" \t\r")) == F.lit("")


def independent_count(spark: SparkSession, files: Sequence[str], cut: Cut = WHOLE) -> dict[str, int]:
    """By file, its lines, counted from the raw bytes by the second reader.

    Raises SourceError naming a file that cannot be read to its end (a truncated .gz that is not in `cut`) and the reason.
    """
    return count_by(spark, files, lambda path: raw.count_lines(path, path in cut))


def cut_files(source: Source, files: Sequence[str]) -> Cut:
    """Those .gz files that are cut short, where the source says that they are to be taken; else none."""
    return {path: line for path in files if (line := source.cut_line(path)) is not None}


def count_by(spark: SparkSession, files: Sequence[str], count: Callable[[str], int]) -> dict[str, int]:
    """`count` of each file; its read errors become a SourceError that names the file."""
    if sum(os.path.getsize(path) for path in files) <= SMALL_BYTES:
        found = [_counted(path, count) for path in files]
    else:
        frame = spread(spark, files).mapInArrow(_counter(count), "file string, lines_in long, fault string")
        found = [(row["file"], row["lines_in"], row["fault"]) for row in frame.collect()]
    for path, _, fault in sorted(found, key=lambda row: row[0]):
        if fault:
            take = ', or say truncated = "take" in its [[source]]' if raw.CUT_SHORT in fault else ""
            raise SourceError(f"{path} cannot be read to its end ({fault}); fetch it again, or take it away{take}.")
    return {path: lines for path, lines, _ in found}


def spread(spark: SparkSession, files: Sequence[str]) -> DataFrame:
    """`file`: the paths, spread over tasks."""
    tasks = max(1, min(len(files), 4 * spark.sparkContext.defaultParallelism))
    return spark.createDataFrame([(path,) for path in files], "file string").repartition(tasks)


def locate(rejected: DataFrame) -> DataFrame:
    """`rejected` with the 1-based line of each rejected text line, found by the second reader in the raw bytes.

    One row per rejected line: a bad line that occurs twice in a file has two rows with two numbers. Only files with
    rejected lines are read. Rows that have a line, or that stand for a whole file (`raw` null), stay as they are.
    """
    located = F.col("line").isNotNull() | F.col("raw").isNull()
    distinct = rejected.where(~located).dropDuplicates(["file", "raw"])
    found = distinct.groupBy("file").applyInPandas(_scan, rejected.schema)
    return rejected.where(located).unionByName(found)


@lru_cache(maxsize=1_000_000)
def _sha256(path: str, size: int, changed_ns: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(path: str) -> str:
    """SHA-256 (hex) of the file's bytes; not read again in this process while size and time of change stay the same.

    Raises SourceError naming the file where it cannot be read.
    """
    try:
        state = os.stat(path)
        return _sha256(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None


def spark_path(path: str) -> str:
    """A local path for Spark's readers, which take `*`, `[` and the like for patterns."""
    return f"file:{literal(path)}"


def _counted(path: str, count: Callable[[str], int]) -> tuple[str, int, str | None]:
    try:
        return path, count(path), None
    except READ_FAULTS as error:
        return path, 0, str(error)


def _counter(count: Callable[[str], int]) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [_counted(path, count) for path in batch["file"].to_pylist()]
            yield pa.RecordBatch.from_pylist([dict(zip(COUNTED.names, row, strict=True)) for row in rows], COUNTED)

    return run


def _scan(bad: pd.DataFrame) -> pd.DataFrame:
    """The rows of `bad` (one per distinct raw line of one file), repeated for each place where the line stands."""
    wanted: dict[bytes, int] = {bytes(line): index for index, line in enumerate(bad["raw"])}
    places = [(wanted[line], number) for number, line in enumerate(raw.lines(bad["file"].iloc[0], cut=True), 1) if line in wanted]
    return bad.iloc[[index for index, _ in places]].assign(line=[number for _, number in places])
