"""Staged rows to distinct, sorted, limited ones, without Spark."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.bin_packing import assign_to_bins
from jobs.sources.ingest.deduplicate import KEY, MERGED_BY_MAX, SCHEMA, distinct, over_limit

ROWS = SCHEMA.append(pa.field("file_no", pa.int32()))
NOON = dt.datetime(2026, 11, 14, 12, tzinfo=dt.UTC)
ROW = st.tuples(
    st.sampled_from(["u1", "u2", "ü", ""]),
    st.sampled_from(["TR1", "TR2", None]),
    st.sampled_from(["play", "rate"]),
    st.sampled_from([None, 1.5, 4.0]),
    st.sampled_from([None, 0, 30_000]),
    # the last time that Parquet's readers know: user and time no longer fit into one number
    st.sampled_from([NOON, NOON + dt.timedelta(microseconds=1), dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)]),
    st.sampled_from([None, "s1", "s2"]),
    st.booleans(),
    st.integers(0, 3),
)


def table(rows: Sequence[tuple[object, ...]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(ROWS.names, row, strict=True)) for row in rows], ROWS)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=40), st.integers(1, 3))
def test_distinct_merges_duplicates_and_sorts(rows: list[tuple[object, ...]], chunks: int) -> None:
    staged_rows = pa.concat_tables([table(rows[n::chunks]) for n in range(chunks)])
    actual = distinct(staged_rows).to_pylist()
    expected: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in staged_rows.to_pylist():
        best = expected.setdefault(tuple(row[name] for name in KEY), dict(row))
        for name in MERGED_BY_MAX:
            best[name] = max((v for v in (best[name], row[name]) if v is not None), default=None)
        best["file_no"] = min(best["file_no"], row["file_no"])

    def sort_key(row: dict[str, Any]) -> tuple[object, ...]:
        track = row["track_id"]
        # null sorts after every track, as in Arrow
        return str(row["user_id"]).encode(), row["played_at"], track is None, track or "", row["event"]

    assert actual == sorted(expected.values(), key=sort_key)


def test_distinct_sorts_events_of_the_year_9999() -> None:
    late = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    early = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    users = [f"u{n:02d}" for n in range(60)]
    rows = [
        (user, "TR1", "play", None, None, when, None, True, 0) for when in (late, early) for user in reversed(users)
    ]
    merged = distinct(table(rows)).to_pylist()
    assert [(row["user_id"], row["played_at"]) for row in merged] == [
        (user, when) for user in users for when in (early, late)
    ]


def test_over_limit_marks_later_events_of_a_user_and_day() -> None:
    hour = dt.timedelta(hours=1)
    rows = [(user, "TR1", "play", None, None, NOON + n * hour, None, True, 0) for user in "ab" for n in range(14)]
    over = over_limit(distinct(table(rows)), limit=3).to_pylist()
    # 12:00 to 23:00 are one day, 0:00 and 1:00 the next
    assert over == [*[False] * 3, *[True] * 9, False, False] * 2
    assert over_limit(ROWS.empty_table()).to_pylist() == []


def test_assign_to_bins_balances_the_loads() -> None:
    sizes = [50, 10, 10, 10, 10, 10, 40, 30]
    tasks = assign_to_bins(sizes, 3)
    loads = [sum(size for size, task in zip(sizes, tasks, strict=True) if task == n) for n in range(3)]
    assert max(loads) == 60
    assert sum(loads) == sum(sizes)
