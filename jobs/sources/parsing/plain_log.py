"""The quick way through an app log: the lines that are certainly good, judged a block at a time by Arrow.

Most lines of a log are plain: one flat JSON object with ids of ordinary characters and times as everybody writes them. What
is not proven good here is not judged here: it goes the long way, through `formats/app_log.py`, which alone knows the rules
and their reasons. So this module may be stricter than they are, never laxer; a test compares both ways line by line.
"""

import datetime as dt
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from jobs.sources.listening import ACTIONS, CLOCK_MINUTES, LATE_DAYS

_TIME = r'"[0-9]{4}-[01][0-9]-[0-3][0-9][T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z?"'
_ID = r'"[A-Za-z0-9][A-Za-z0-9_.:@/+=-]{0,199}"'
_KNOWN = "|".join(
    [
        rf'"(?:user_id|track_id)"[ \t]*:[ \t]*{_ID}',
        rf'"session_id"[ \t]*:[ \t]*(?:{_ID}|null)',
        rf'"event"[ \t]*:[ \t]*"(?:{"|".join(ACTIONS)})"',
        rf'"(?:played_at|received_at)"[ \t]*:[ \t]*{_TIME}',
        r'"ms_played"[ \t]*:[ \t]*(?:[1-9][0-9]{0,11}|0|null)',
        r'"rating"[ \t]*:[ \t]*(?:[1-5](?:\.[0-9]{1,6})?|null)',
    ]
)
_ANY = r'(?:"[^"\\\x00-\x1f\x7f-\xff]*"|-?[0-9]{1,18}(?:\.[0-9]{1,18})?|true|false|null)'
_KEY = r'"(?:user_id|track_id|session_id|event|played_at|received_at|ms_played|rating)"[ \t]*:'


def _object(field: str) -> str:
    """Pattern of a line that is one flat object of such fields."""
    return rf"^[ \t]*\{{[ \t]*(?:(?:{field})[ \t]*(?:,[ \t]*|\}}[ \t\r]*\n$))+$"


_PLAIN = _object(_KNOWN)
_WITH_OTHERS = _object(rf'"[A-Za-z0-9_]+"[ \t]*:[ \t]*{_ANY}')
_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("track_id", pa.string()),
        ("event", pa.string()),
        ("rating", pa.float64()),
        ("ms_played", pa.int64()),
        ("played_at", pa.string()),
        ("received_at", pa.string()),
        ("session_id", pa.string()),
    ]
)
_PARSE = pj.ParseOptions(explicit_schema=_SCHEMA, newlines_in_values=False, unexpected_field_behavior="ignore")
LONG_LINE = 32 * 1024
"""Bytes from which a line with fields that we do not know goes the long way."""
_TIMESTAMP = pa.timestamp("us")
"""Without a zone, as pyarrow computes quickest: everything here is UTC."""


def plain_events(lines: pa.LargeBinaryArray, namespace: str, file_date: dt.date | None) -> tuple[pa.Table, pa.BooleanArray]:
    """Rows of the certainly good lines, and which of `lines` (each with its newline) these are, in order.

    Rows: columns of table `events`, and `dt`, the date of receipt. `file_date`: the date that the file's name tells.
    """
    plain = _plain(lines)
    parsed = _parsed(_bytes_of(lines, plain), pc.sum(plain).as_py() or 0)
    if parsed is None:
        # one line that Arrow refuses (a field that stands twice, 30 February) sends its block the long way
        return _rows(_SCHEMA.empty_table(), namespace, file_date)[0], pa.array(np.zeros(len(lines), np.bool_))
    rows, good = _rows(parsed, namespace, file_date)
    where = np.zeros(len(lines), np.bool_)
    where[np.flatnonzero(plain.to_numpy(zero_copy_only=False))] = good.to_numpy()
    return rows.filter(good), pa.array(where)


def _plain(lines: pa.LargeBinaryArray) -> pa.BooleanArray:
    """Lines whose every field that we read has a plain value, and which have nothing but plain fields."""
    strict = pc.match_substring_regex(lines, _PLAIN)
    if pc.all(strict).as_py():
        return strict
    others = lines.filter(pc.invert(strict))
    # a value must be plain to its end: 30000 is how 30000.5 begins
    known = pc.equal(pc.count_substring_regex(others, rf"(?:{_KNOWN})[ \t]*[,}}]"), pc.count_substring_regex(others, _KEY))
    both = pc.and_(known, pc.match_substring_regex(others, _WITH_OTHERS))
    # longer ones may pass a limit of the JSON parser of the long way
    short = pc.less(pc.binary_length(others), LONG_LINE)
    return pc.replace_with_mask(strict, pc.invert(strict), pc.and_(both, short))


def _bytes_of(lines: pa.LargeBinaryArray, which: pa.BooleanArray) -> bytes:
    """The bytes of some of the lines one after the other, copied by runs of neighbours: most blocks are one run or two."""
    offsets = np.frombuffer(lines.buffers()[1], np.int64)[lines.offset : lines.offset + len(lines) + 1]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], which.to_numpy(zero_copy_only=False), [0]]).astype(np.int8)))
    data = memoryview(lines.buffers()[2])
    return b"".join(data[offsets[first] : offsets[stop]] for first, stop in zip(edges[::2], edges[1::2], strict=True))


def _parsed(data: bytes, lines: int) -> pa.Table | None:
    """So many lines as a table, row by row, times as timestamps; None where Arrow refuses one of them."""
    if not lines:
        return _SCHEMA.empty_table()
    options = pj.ReadOptions(use_threads=False, block_size=len(data) + 1)
    try:
        table = pj.read_json(pa.BufferReader(data), read_options=options, parse_options=_PARSE)
        for name in ("played_at", "received_at"):
            table = table.set_column(table.schema.get_field_index(name), name, _moments(table[name]))
    except pa.ArrowInvalid:
        return None
    return table.select(_SCHEMA.names) if table.num_rows == lines else None


def _moments(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """ISO times as timestamps, UTC; the pattern has seen to their shape."""
    return pc.cast(pc.utf8_rtrim(text, "Z"), _TIMESTAMP)


def _rows(table: pa.Table, namespace: str, file_date: dt.date | None) -> tuple[pa.Table, pa.ChunkedArray]:
    """Rows of the lines, and which of them keep every rule of `event_faults` in listening.py."""
    played, received = (pc.cast(table[name], _TIMESTAMP) for name in ("played_at", "received_at"))
    day, played_day = pc.coalesce(_day(file_date, received), _as_date(received), _as_date(played)), _as_date(played)
    rates = pc.equal(table["event"], "rate")
    rows = pa.table(
        {
            "user_id": _named(table["user_id"], namespace),
            "track_id": _named(table["track_id"], namespace),
            "event": table["event"],
            "rating": pc.if_else(rates, table["rating"], pa.scalar(None, pa.float64())),
            "ms_played": table["ms_played"],
            "played_at": pc.assume_timezone(played, "UTC"),
            "session_id": table["session_id"],
            "within_late_window": pc.less_equal(pc.days_between(played_day, day), LATE_DAYS),
            "dt": day,
        }
    )
    return rows, _keeps_rules(table, played, received, file_date)


def _keeps_rules(
    table: pa.Table, played: pa.ChunkedArray, received: pa.ChunkedArray, file_date: dt.date | None
) -> pa.ChunkedArray:
    there = [pc.is_valid(table[name]) for name in ("user_id", "track_id", "event", "played_at")]
    receipt = pc.coalesce(pc.min_element_wise(received, _end_of(file_date)), played)
    ahead = pc.subtract(played, pa.scalar(dt.timedelta(minutes=CLOCK_MINUTES)))
    rules = [
        pc.greater_equal(played, pa.scalar(dt.date(2000, 1, 1)).cast(_TIMESTAMP)),
        pc.less_equal(ahead, receipt),
        pc.or_kleene(pc.not_equal(table["event"], "rate"), pc.less_equal(table["rating"], 5.0)),
    ]
    return pc.fill_null(reduce(pc.and_, [*there, *rules]), False)


def _named(ids: pa.ChunkedArray, namespace: str) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(f"{namespace}:", ids, "") if namespace else ids


def _day(file_date: dt.date | None, like: pa.ChunkedArray) -> pa.Array:
    return pa.array([file_date] * len(like), pa.date32())


def _as_date(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.floor_temporal(moments, unit="day"), pa.date32())


def _end_of(file_date: dt.date | None) -> pa.Scalar:
    """The last moment at which an event of the file can have come in: the end of its day."""
    end = file_date + dt.timedelta(days=1) if file_date else None
    return pa.scalar(end, pa.date32()).cast(_TIMESTAMP)
