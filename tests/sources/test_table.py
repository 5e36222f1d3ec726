"""Tables with a column map: separators, headers, quotes, units of time, and the optional columns."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.errors import SourceError
from jobs.sources.contract import Source
from jobs.sources.formats import FORMATS
from tests.sources.expected_lines import BLANK, GOOD, rows_of

MAP = {"user": "uid", "track": "tid", "time": "ts"}
TIME, SECONDS = "2026-11-14T10:00:00", 1_794_650_400


def summary(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (row["user_id"], row["track_id"], row["event"], row["played_at"].isoformat(), row["dt"].isoformat())
        for row in rows
    ]


def test_a_tsv_without_a_header_may_have_stray_quotes(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        (f'ann\t{TIME}Z\tx\t12" mix', GOOD),
        (f'bob\t{TIME}+02:00\t"quoted"\t,', GOOD),
        (f"ann\t{TIME}Z\tx", "fields"),
        (f"\t{TIME}Z\tx\tt", "missing_user"),
        ("uid\tts\tother\ttid", "bad_time"),
        ("", BLANK),
    ]
    options = {"columns": MAP, "names": ["uid", "ts", "other", "tid"]}
    parsed = rows_of(spark, "table", tmp_path / "plays.tsv", lines, namespace="shop", **options)
    assert summary(parsed) == [
        ("shop:ann", 'shop:12" mix', "play", TIME, "2026-11-14"),
        ("shop:bob", "shop:,", "play", "2026-11-14T08:00:00", "2026-11-14"),
    ]


@pytest.mark.parametrize("mark", [",", ";", "|"])
def test_a_csv_may_have_quotes_and_any_separator(spark: SparkSession, tmp_path: Path, mark: str) -> None:
    lines = [
        (f"uid{mark}tid{mark}ts{mark}title", BLANK),
        (f'ann{mark}"a{mark}b"{mark}{TIME}{mark}"say ""hi"""', GOOD),
        (f'"bob"{mark}t{mark}"{TIME}"{mark}', GOOD),
        (f"ann{mark}t{mark}{TIME}", "fields"),
        (f"ann{mark}t{mark}{TIME}{mark}x{mark}y", "fields"),
        (f'ann{mark}""{mark}{TIME}{mark}x', "missing_track"),
        # more columns than Spark's CSV parser has room for
        (f"ann{mark}t{mark}{TIME}{mark * 25_000}", "fields"),
    ]
    options: dict[str, Any] = {"columns": MAP} | ({} if mark == "," else {"separator": mark})
    parsed = rows_of(spark, "table", tmp_path / "plays.csv", lines, **options)
    assert summary(parsed) == [
        ("ann", f"a{mark}b", "play", TIME, "2026-11-14"),
        ("bob", "t", "play", TIME, "2026-11-14"),
    ]


@pytest.mark.parametrize("mark", [",", ";"])
def test_a_quoted_field_may_have_line_breaks(spark: SparkSession, tmp_path: Path, mark: str) -> None:
    file, header = tmp_path / "plays.csv", "uid,tid,title,ts"
    lines = [
        (header, BLANK),
        (f'ann,a,"two\nlines, and ""quotes""",{TIME}', GOOD),
        (f'ann,"b\n\nc",x,{TIME}', GOOD),
        (f"bob, d ,plain,{TIME}", GOOD),
        ('bob,e,12" mix,"soon\nor later"', "bad_time"),
        ('bob,"f","g,h",2026-11-15T10:00:00', GOOD),
        (f'bob,"","x\n",{TIME}', "missing_track"),
        (f"bob,x,{TIME}", "fields"),
        (header, BLANK),
        ("", BLANK),
        (f'bob,g,"open,{TIME}', "not_csv"),
        (f"bob,h,x,{TIME}", GOOD),
    ]
    options: dict[str, Any] = {"columns": MAP, "separator": mark}
    lines = [(text.replace(",", mark), rule) for text, rule in lines]
    parsed = rows_of(spark, "table", file, lines, namespace="shop", **options)
    assert [(*row[:2], row[4]) for row in summary(parsed)] == [
        ("shop:ann", "shop:a", "2026-11-14"), ("shop:ann", "shop:b\n\nc", "2026-11-14"), ("shop:bob", "shop: d ", "2026-11-14"),
        ("shop:bob", "shop:f", "2026-11-15"), ("shop:bob", "shop:h", "2026-11-14"),
    ]  # fmt: skip
    assert FORMATS["table"].newest_date(Source("t", "table", str(file), options=options)) == date(2026, 11, 15)


@pytest.mark.parametrize(
    ("unit", "good", "bad"),
    [
        ("iso", [f"{TIME}Z", "2026-11-14 10:00:00", "2026-11-14T10:00Z"], ["10:00", str(SECONDS), "soon"]),
        ("s", [str(SECONDS), f"{SECONDS}.0", "1.7946504e9"], [f"{TIME}Z", "", "NaN", "1794650400000000"]),
        ("ms", [f"{SECONDS}000", f"{SECONDS}000.0"], [f"{TIME}Z", "5f", "Infinity"]),
    ],
)
def test_times_are_parsed_in_every_unit(
    spark: SparkSession, tmp_path: Path, unit: str, good: list[str], bad: list[str]
) -> None:
    file, options = tmp_path / "plays.csv", {"columns": MAP, "time_unit": unit}
    lines = [("uid,tid,ts", BLANK)]
    lines += [(f"u{number},t,{text}", GOOD) for number, text in enumerate(good)] + [
        (f"u,t,{text}", "bad_time") for text in bad
    ]
    parsed = rows_of(spark, "table", file, lines, **options)
    assert {(row["played_at"].isoformat(), row["dt"].isoformat()) for row in parsed} == {(TIME, "2026-11-14")}
    assert FORMATS["table"].newest_date(Source("t", "table", str(file), options=options)) == date(2026, 11, 14)


def test_optional_columns_are_read(spark: SparkSession, tmp_path: Path) -> None:
    names = ["uid", "tid", "ts", "what", "stars", "sid", "listened", "got"]
    columns = MAP | {"event": "what", "rating": "stars", "session": "sid", "ms_played": "listened", "received": "got"}
    lines = [
        (";".join(names), BLANK),
        (f"ann;t1;{TIME};play;;s1;31000.0;2026-11-15T01:00:00", GOOD),
        (f"ann;t2;{TIME};rate;4.5;;;", GOOD),
        (f"ann;t3;{TIME};like;;;;2026-11-20T00:00:00", GOOD),
        (f"ann;t4;{TIME};skip;5;;-0;", GOOD),
        (f"ann;t5;{TIME};;;;;", "unknown_event"),
        (f"ann;t5;{TIME};dance;;;;", "unknown_event"),
        (f"ann;t5;{TIME};rate;9;;;", "bad_rating"),
        (f"ann;t5;{TIME};rate;;;;", "bad_rating"),
        (f"ann;t5;{TIME};play;;;-5;", "bad_ms_played"),
        (f"ann;t5;{TIME};play;;;;never", "bad_time"),
        (f"ann;t5;{TIME};play;;;;2026-11-14T09:00:00", "after_receipt"),
        ("ann;t5;1999-12-31T23:59:59;play;;;;", "before_2000"),
    ]
    file, options = tmp_path / "log.csv", {"columns": columns, "separator": ";"}
    parsed = rows_of(spark, "table", file, lines, **options)
    parts = ("track_id", "event", "rating", "session_id", "ms_played", "within_late_window")
    assert [(*(row[part] for part in parts), row["dt"].isoformat()) for row in parsed] == [
        ("t1", "play", None, "s1", 31_000, True, "2026-11-15"),
        ("t2", "rate", 4.5, None, None, True, "2026-11-14"),
        ("t3", "like", None, None, None, False, "2026-11-20"),
        ("t4", "skip", None, None, 0, True, "2026-11-14"),
    ]


@pytest.mark.parametrize(
    ("content", "options", "word"),
    [
        ("a,b,c\n", {"columns": MAP}, "no column"),
        ("uid,tid\n", {"columns": MAP}, "no column 'ts'"),
        ("", {"columns": MAP, "names": ["uid", "tid"]}, None),
    ],
)
def test_a_missing_column_raises_with_its_name(
    tmp_path: Path, content: str, options: dict[str, Any], word: str | None
) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(SourceError, match=word or "no column"):
        FORMATS["table"].files(Source("t", "table", str(tmp_path / "t.csv"), options=options))
