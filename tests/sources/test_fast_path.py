"""The fast path of app logs accepts no line that the rules reject, and gives the same rows."""

import datetime as dt
import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from jobs.sources.contract import Source
from jobs.sources.formats import app_log
from jobs.sources.parsing.app_log_fast_path import parse_plain_lines
from jobs.sources.reading import blocks as blocks_module
from jobs.sources.reading import raw_bytes
from jobs.sources.reading.blocks import byte_ranges, line_blocks

DAY = dt.date(2026, 11, 14)
VALUES: dict[str, list[Any]] = {
    "user_id": ["u1", "user@home", "Ünal", "", " ", None, 7, "{x}", ["a"], "a\tb", 'q"uote'],
    "track_id": ["TR1", "30music:12", "", None, 12, {"a": 1}],
    "event": ["play", "skip", "like", "unlike", "rate", "block", "delete", "dance", None, 1],
    "rating": [1, 5, 4.5, 0, 6, 5.5, -1, "3", None, True, 1e1],
    "ms_played": [0, 30_000, 10**11, 10**12 + 1, 10**17, -1, 1.5, "40", None, "x", 1e3],
    "played_at": ["2026-11-14T10:00:00Z", "2026-11-14 10:00:00.25", "2026-11-14T10:00:00+01:00", "2026-11-10T10:00:00Z",
                  "2026-02-30T10:00:00Z", "1999-12-31T23:59:59Z", "2026-11-15T00:10:00Z", "2026-11-15T00:10:01Z", "10:00", None, 5,
                  "2026-11-14T24:00:00Z", "2026-11-14T10:00Z", "2026-11-14", "2029-01-01T00:00:00Z"],
    "received_at": ["2026-11-14T10:05:00Z", "2026-11-14T09:50:00Z", "2026-11-14T09:49:59Z", "soon", None, "",
                    "2029-01-01T00:00:00Z"],
    "session_id": ["s1", "", " ", None, 5, "sé"],
    "device": ["ios", 3, None, True, {"os": "x"}, "a } b", "user_id"],
}  # fmt: skip
USUAL = {"user_id": "u1", "track_id": "TR1", "event": "play", "played_at": "2026-11-14T10:00:00Z"}


def random_lines(count: int) -> Iterator[bytes]:
    """Yield lines that are mostly right, each with a few fields from VALUES, in any order, and some that are no
    objects.
    """
    draw = random.Random(5)
    for _ in range(count):
        event = dict(USUAL)
        for name in draw.sample(sorted(VALUES), draw.randint(0, 3)):
            event[name] = draw.choice(VALUES[name])
        if draw.random() < 0.1:
            del event[draw.choice(sorted(USUAL.keys() & event.keys()))]
        fields = list(event.items())
        draw.shuffle(fields)
        text = json.dumps(
            dict(fields), ensure_ascii=draw.random() < 0.5, separators=draw.choice([(",", ":"), (", ", ": ")])
        )
        yield draw.choice([b"", b" ", b"\t"]) + text.encode() + draw.choice([b"", b"\r", b" "])
    yield from [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"user_id": "u1", "user_id": "u2"}',
        json.dumps(USUAL).encode() * 2,
        b"\xff",
    ]
    yield json.dumps(USUAL).encode().replace(b"u1", b"u\xff")
    yield json.dumps(USUAL).encode()[:-1] + b', "user_id": "u2"}'
    yield json.dumps(USUAL).encode()[:-1] + b",}"


@pytest.mark.parametrize("folder", ["dt=2026-11-14", "logs"])
def test_fast_and_slow_path_agree_on_every_plain_line(spark: SparkSession, tmp_path: Path, folder: str) -> None:
    """The fast path parses the lines one by one; Spark's rules parse the same lines, in a file of the same day."""
    lines = list(random_lines(1_500))
    file_date = DAY if folder.startswith("dt=") else None
    file = tmp_path / folder / "log.jsonl"
    file.parent.mkdir()
    fast = {}
    for number, line in enumerate(lines):
        file.write_bytes(line + b"\n")
        for block in line_blocks(byte_ranges(str(file), file.stat().st_size)[0]):
            rows, good = parse_plain_lines(block, "ns", file_date)
            assert len(rows) == np.count_nonzero(good.to_numpy(zero_copy_only=False))
            if len(rows):
                fast[number] = rows.drop_columns([]).to_pylist()[0]
    marked = [line + b"" for line in lines]
    file.write_bytes(b"\n".join(marked) + b"\n")
    source = Source("app", "app_log", str(file), namespace="ns")
    slow = app_log.FORMAT.parse(spark, source, [str(file)])
    kinds = slow.count_kinds().collect()[0]
    assert 300 < len(fast) <= kinds["good"]
    keep = [
        "user_id",
        "track_id",
        "event",
        "rating",
        "ms_played",
        "played_at",
        "session_id",
        "within_late_window",
        "dt",
    ]
    expected = [tuple(row) for row in slow.rows.select(*keep).collect()]
    for row in fast.values():
        row["played_at"] = row["played_at"].replace(tzinfo=None)
        assert tuple(row[name] for name in keep) in expected
    # the rows of the fast path, with their multiplicity, are among those of the slow path
    assert all(expected.count(row) >= count for row, count in counted(fast, keep).items())


def counted(fast: dict[int, dict[str, Any]], keep: list[str]) -> dict[tuple[Any, ...], int]:
    """Count each row."""
    counts: dict[tuple[Any, ...], int] = {}
    for row in fast.values():
        key = tuple(row[name] for name in keep)
        counts[key] = counts.get(key, 0) + 1
    return counts


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    pieces=st.lists(st.one_of(st.binary(max_size=9), st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\xef\xbb\xbf"])), max_size=40),
    split=st.integers(3, 40), block=st.integers(3, 30), packed=st.booleans(),
)  # fmt: skip
def test_ranges_and_blocks_have_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], split: int, block: int, packed: bool
) -> None:
    content = b"".join(pieces)
    file = tmp_path_factory.mktemp("blocks") / ("a.txt.gz" if packed else "a.txt")
    file.write_bytes(gzip.compress(content) if packed else content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks_module, "SPLIT_BYTES", split)
        patch.setattr(blocks_module, "BLOCK_BYTES", block)
        parts = byte_ranges(str(file), file.stat().st_size)
        actual = [line for part in parts for lines in line_blocks(part) for line in lines.to_pylist()]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in actual)
    assert [line[:-1] for line in actual] == list(raw_bytes.iter_lines(str(file)))
