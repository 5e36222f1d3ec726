"""Measure the independent counters and the fast paths of ingest: `python -m bench.second_readers [LINES]`.

Prints seconds with and without each fast path, and which injected loss each counter detects. The figures of
docs/adr/0017-independent-line-counts.md come from it.
"""

import contextlib
import gzip
import io
import json
import sqlite3
import statistics
import struct
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from warcio.archiveiterator import ArchiveIterator

from jobs.settings import Settings
from jobs.sources.contract import Source
from jobs.sources.formats import app_log
from jobs.sources.ingest.fast_path import stage_source
from jobs.sources.ingest.staging import stage_rows
from jobs.sources.reading import csv_records, raw_bytes
from jobs.sources.reading.independent_counts.sqlite_rows import count_rows
from jobs.sources.reading.independent_counts.tar_members import count_members
from jobs.sources.reading.independent_counts.text_lines import count_lines
from jobs.sources.reading.independent_counts.warc_records import count_records
from jobs.sources.reading.lines import READ_ERRORS
from jobs.spark import session

RUNS = 3


def seconds(work: Callable[[], object]) -> float:
    """Return the median wall time of the work over RUNS runs."""
    times = []
    for _ in range(RUNS):
        start = time.monotonic()
        work()
        times.append(time.monotonic() - start)
    return statistics.median(times)


def write_log(folder: Path, lines: int) -> Path:
    """Write an app log of plays, plain and gzip; return the plain file."""
    path = folder / "plain" / "dt=2026-11-14" / "a.jsonl"
    packed = folder / "gzip" / "dt=2026-11-14" / "a.jsonl.gz"
    for file in (path, packed):
        file.parent.mkdir(parents=True)
    with path.open("w") as stream:
        for n in range(lines):
            moment = f"2026-11-14T{n // 3600 % 24:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
            event = {"user_id": f"user{n % 5000:08d}", "track_id": f"TR{n * 7919 % 30000:016d}", "event": "play"}
            more = {
                "ms_played": 30_000 + n % 1000,
                "played_at": moment,
                "received_at": moment,
                "session_id": f"s{n // 12}",
            }
            stream.write(json.dumps(event | more) + "\n")
    packed.write_bytes(gzip.compress(path.read_bytes(), 6))
    return path


def time_app_log(spark: SparkSession, folder: Path, path: Path) -> None:
    """Print the seconds of staging an app log by the fast path, and by the format's own parser alone."""
    source = Source("app", "app_log", str(path.parent.parent))
    number = iter(range(1000))

    def fast() -> None:
        parsed, _ = stage_source(spark, (folder / f"fast{next(number)}").as_uri(), source, [str(path)])
        assert parsed.lines.count() == 0

    def slow() -> None:
        parsed = app_log.FORMAT.parse(spark, source, [str(path)])
        stage_rows(parsed.rows, (folder / f"slow{next(number)}").as_uri(), [str(path)])

    fast()
    slow()
    print(f"app log, staged: fast path {seconds(fast):.2f} s, slow path {seconds(slow):.2f} s")


def time_csv(folder: Path, lines: int) -> None:
    """Print the seconds of converting CSV records in bulk, and one by one."""
    path = folder / "a.csv"
    path.write_text("".join(f"user{n},song{n},explore,Explore,online-playlist,{n % 2},x\n" for n in range(lines)))

    def convert() -> None:
        assert sum(batch.num_rows for batch in csv_records.iter_batches(str(path), "msno")) == lines

    bulk = seconds(convert)
    with mock.patch.object(csv_records._LineFeed, "next_bulk", return_value=b""):
        print(f"CSV without quotes: in bulk {bulk:.2f} s, one by one {seconds(convert):.2f} s")


def time_counts(path: Path) -> None:
    """Print the seconds of counting the lines, and of unpacking by isal and by zlib."""
    packed = path.parents[2] / "gzip" / "dt=2026-11-14" / "a.jsonl.gz"

    def by_zlib() -> None:
        member = zlib.decompressobj(31)
        for chunk in raw_bytes.file_chunks(str(packed)):
            member.decompress(chunk)

    def by_isal() -> None:
        for _ in raw_bytes.gunzip_chunks(str(packed)):
            pass

    print(f"count of lines: plain {seconds(lambda: count_lines(str(path))):.3f} s, gzip", end=" ")
    print(f"{seconds(lambda: count_lines(str(packed))):.3f} s ({path.stat().st_size / 2**20:.0f} MiB unpacked)")
    print(f"unpacking: isal {seconds(by_isal):.3f} s, zlib {seconds(by_zlib):.3f} s")


def counted(count: Callable[[str], int], path: Path) -> str:
    """Return the counter's result, or its error."""
    try:
        return str(count(str(path)))
    except READ_ERRORS as error:
        return f"error: {error}"


def lose_lines(spark: SparkSession, path: Path) -> None:
    """Print what the line count detects when Spark's reader drops one line in a thousand."""
    source = Source("app", "app_log", str(path.parent.parent))
    lines = app_log.FORMAT.parse(spark, source, [str(path)]).lines
    remaining = lines.where(F.xxhash64("raw", "user_id", "track_id", "played_at") % 1000 != 0).count()
    print(f"text: reader {remaining} lines, counter {counted(count_lines, path)}")


def lose_sqlite_rows(folder: Path) -> None:
    """Print what both sides return for a SQLite file in which two pointers of the B-tree lead to one page."""
    path = folder / "a.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA page_size = 1024")
    database.execute("CREATE TABLE t (a TEXT)")
    database.executemany("INSERT INTO t VALUES (?)", [(f"{n:030d}",) for n in range(2000)])
    database.commit()
    database.close()
    content = bytearray(path.read_bytes())
    root = content[1024:2048]
    cells = struct.unpack_from(f">{int.from_bytes(root[3:5], 'big')}H", root, 12)
    content[1024 + cells[5] : 1024 + cells[5] + 4] = root[cells[4] : cells[4] + 4]
    path.write_bytes(content)
    with contextlib.closing(sqlite3.connect(path)) as opened:
        try:
            values = opened.execute("SELECT rowid, a FROM t").fetchall()
            rows: Any = f"{len(values)} ({len(set(values))} distinct)"
        except sqlite3.Error as error:
            rows = f"error: {error}"
    print(f"SQLite, 2000 rows: SELECT gives {rows}, counter {counted(lambda p: count_rows(p, 2), path)}")


def lose_members(folder: Path) -> None:
    """Print what `tarfile` and the counter return for a damaged header in the middle, and for an appended archive."""

    def archive(names: str) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as file:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = 1000
                file.addfile(info, io.BytesIO(bytes(1000)))
        return stream.getvalue()

    packed = archive("abcdef")
    damaged = bytearray(packed)
    damaged[3 * 1536 + 150] ^= 1  # the checksum of the fourth header
    for what, content in (("damaged header", bytes(damaged)), ("appended archive", archive("abc") + archive("def"))):
        path = folder / "a.tar"
        path.write_bytes(content)
        with tarfile.open(path) as file:
            members = len(file.getmembers())
        print(f"tar, 6 members, {what}: tarfile gives {members}, counter {counted(count_members, path)}")


def lose_records(folder: Path) -> None:
    """Print what warcio and the counter return for a wrong Content-Length."""

    def record(n: int, length: int) -> bytes:
        head = f"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: https://a.example/{n}\r\nContent-Length: {length}\r\n\r\n"
        return head.encode() + b"0123456789\r\n\r\n"

    path = folder / "a.warc"
    path.write_bytes(record(1, 10) + record(2, 7) + record(3, 10))
    with path.open("rb") as stream, contextlib.redirect_stderr(io.StringIO()):
        records = _count(ArchiveIterator(stream))
    print(
        f"WARC, 3 records, a Content-Length too small: warcio gives {records}, counter {counted(count_records, path)}"
    )


def _count(records: Iterator[Any]) -> str:
    count = 0
    try:
        for record in records:
            record.content_stream().read()
            count += 1
    except Exception as error:  # whatever warcio raises
        return f"{count}, then {type(error).__name__}"
    return str(count)


def main(lines: int = 200_000) -> None:
    """Run all measurements on a log of so many lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_log(folder, lines)
        spark = session("bench", Settings(var=folder / "var", master="local[2]", driver_memory="2g"))
        spark.range(1).count()
        time_app_log(spark, folder, path)
        time_csv(folder, lines)
        time_counts(path)
        lose_lines(spark, path)
        lose_sqlite_rows(folder)
        lose_members(folder)
        lose_records(folder)
        spark.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
