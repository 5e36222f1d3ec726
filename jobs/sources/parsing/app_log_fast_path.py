"""The fast path for app logs: parse the lines that are certainly good in blocks, with Arrow.

Most lines of a log are plain: one flat JSON object with ids of ordinary characters and times in the usual form. A line
that is not certainly good is not rejected here. It takes the slow path through `formats/app_log.py`, which defines the
rules and their reasons. So this module may be stricter than the rules, but never more lenient; a test compares both
paths line by line.
"""

import datetime as dt
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from jobs.sources.event_format import ACTIONS, LATE_DAYS, MAX_CLOCK_SKEW_MINUTES

_TIME = r'"[0-9]{4}-[01][0-9]-[0-3][0-9][T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?Z?"'
_ID = r'"[A-Za-z0-9][A-Za-z0-9_.:@/+=-]{0,199}"'
_KNOWN_FIELD = "|".join(
    [
        rf'"(?:user_id|track_id)"[ \t]*:[ \t]*{_ID}',
        rf'"session_id"[ \t]*:[ \t]*(?:{_ID}|null)',
        rf'"event"[ \t]*:[ \t]*"(?:{"|".join(ACTIONS)})"',
        rf'"(?:played_at|received_at)"[ \t]*:[ \t]*{_TIME}',
        r'"ms_played"[ \t]*:[ \t]*(?:[1-9][0-9]{0,11}|0|null)',
        r'"rating"[ \t]*:[ \t]*(?:[1-5](?:\.[0-9]{1,6})?|null)',
    ]
)
_ANY_VALUE = r'(?:"[^"\\\x00-\x1f\x7f-\xff]*"|-?[0-9]{1,18}(?:\.[0-9]{1,18})?|true|false|null)'
_KNOWN_KEY = r'"(?:user_id|track_id|session_id|event|played_at|received_at|ms_played|rating)"[ \t]*:'


def _object(field: str) -> str:
    """Return the pattern of a line that is one flat object of such fields."""
    return rf"^[ \t]*\{{[ \t]*(?:(?:{field})[ \t]*(?:,[ \t]*|\}}[ \t\r]*\n$))+$"


_KNOWN_FIELDS_ONLY = _object(_KNOWN_FIELD)
_WITH_OTHER_FIELDS = _object(rf'"[A-Za-z0-9_]+"[ \t]*:[ \t]*{_ANY_VALUE}')
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
MAX_LINE_BYTES = 32 * 1024
"""A longer line with unknown fields takes the slow path."""
_TIMESTAMP = pa.timestamp("us")
"""Without a zone, because pyarrow computes faster with it: everything here is UTC."""


def parse_plain_lines(
    lines: pa.LargeBinaryArray, namespace: str, file_date: dt.date | None
) -> tuple[pa.Table, pa.BooleanArray]:
    """Parse the certainly good lines of a block; return their rows and a mask of `lines` (each with its newline).

    Rows have the columns of table `events` and `dt`, the date of receipt. `file_date`: the date in the file's path.
    """
    plain = _is_plain(lines)
    parsed = _parse_json(_selected_bytes(lines, plain), pc.sum(plain).as_py() or 0)
    if parsed is None:
        # one line that Arrow rejects (a duplicate field, 30 February) sends its block to the slow path
        return _event_rows(_SCHEMA.empty_table(), namespace, file_date)[0], pa.array(np.zeros(len(lines), np.bool_))
    rows, good = _event_rows(parsed, namespace, file_date)
    where = np.zeros(len(lines), np.bool_)
    where[np.flatnonzero(plain.to_numpy(zero_copy_only=False))] = good.to_numpy()
    return rows.filter(good), pa.array(where)


def _is_plain(lines: pa.LargeBinaryArray) -> pa.BooleanArray:
    """Return true for lines with plain fields only, in which every field that we read has a plain value."""
    strict = pc.match_substring_regex(lines, _KNOWN_FIELDS_ONLY)
    if pc.all(strict).as_py():
        return strict
    others = lines.filter(pc.invert(strict))
    # a value must be plain to its end: 30000.5 starts with 30000
    n_plain = pc.count_substring_regex(others, rf"(?:{_KNOWN_FIELD})[ \t]*[,}}]")
    known_are_plain = pc.equal(n_plain, pc.count_substring_regex(others, _KNOWN_KEY))
    both = pc.and_(known_are_plain, pc.match_substring_regex(others, _WITH_OTHER_FIELDS))
    # longer lines may exceed a limit of the JSON parser of the slow path
    short = pc.less(pc.binary_length(others), MAX_LINE_BYTES)
    return pc.replace_with_mask(strict, pc.invert(strict), pc.and_(both, short))


def _selected_bytes(lines: pa.LargeBinaryArray, which: pa.BooleanArray) -> bytes:
    """Concatenate the bytes of the selected lines, copied by runs of neighbors: most blocks have one run or two."""
    offsets = np.frombuffer(lines.buffers()[1], np.int64)[lines.offset : lines.offset + len(lines) + 1]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], which.to_numpy(zero_copy_only=False), [0]]).astype(np.int8)))
    data = memoryview(lines.buffers()[2])
    return b"".join(data[offsets[first] : offsets[stop]] for first, stop in zip(edges[::2], edges[1::2], strict=True))


def _parse_json(data: bytes, lines: int) -> pa.Table | None:
    """Parse lines into a table with times as timestamps; None if Arrow rejects one of them."""
    if not lines:
        return _SCHEMA.empty_table()
    options = pj.ReadOptions(use_threads=False, block_size=len(data) + 1)
    try:
        table = pj.read_json(pa.BufferReader(data), read_options=options, parse_options=_PARSE)
        for name in ("played_at", "received_at"):
            table = table.set_column(table.schema.get_field_index(name), name, _parse_times(table[name]))
    except pa.ArrowInvalid:
        return None
    return table.select(_SCHEMA.names) if table.num_rows == lines else None


def _parse_times(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert ISO times in UTC, whose form the pattern has checked, to timestamps."""
    return pc.cast(pc.utf8_rtrim(text, "Z"), _TIMESTAMP)


def _event_rows(table: pa.Table, namespace: str, file_date: dt.date | None) -> tuple[pa.Table, pa.ChunkedArray]:
    """Return the rows of the lines, and a mask of those that follow every rule of `event_rules` in event_format.py."""
    played, received = (pc.cast(table[name], _TIMESTAMP) for name in ("played_at", "received_at"))
    day, played_day = (
        pc.coalesce(_repeat_date(file_date, received), _as_date(received), _as_date(played)),
        _as_date(played),
    )
    rates = pc.equal(table["event"], "rate")
    rows = pa.table(
        {
            "user_id": _with_namespace(table["user_id"], namespace),
            "track_id": _with_namespace(table["track_id"], namespace),
            "event": table["event"],
            "rating": pc.if_else(rates, table["rating"], pa.scalar(None, pa.float64())),
            "ms_played": table["ms_played"],
            "played_at": pc.assume_timezone(played, "UTC"),
            "session_id": table["session_id"],
            "within_late_window": pc.less_equal(pc.days_between(played_day, day), LATE_DAYS),
            "dt": day,
        }
    )
    return rows, _follows_rules(table, played, received, file_date)


def _follows_rules(
    table: pa.Table, played: pa.ChunkedArray, received: pa.ChunkedArray, file_date: dt.date | None
) -> pa.ChunkedArray:
    present = [pc.is_valid(table[name]) for name in ("user_id", "track_id", "event", "played_at")]
    receipt = pc.coalesce(pc.min_element_wise(received, _end_of_date(file_date)), played)
    ahead = pc.subtract(played, pa.scalar(dt.timedelta(minutes=MAX_CLOCK_SKEW_MINUTES)))
    rules = [
        pc.greater_equal(played, pa.scalar(dt.date(2000, 1, 1)).cast(_TIMESTAMP)),
        pc.less_equal(ahead, receipt),
        pc.or_kleene(pc.not_equal(table["event"], "rate"), pc.less_equal(table["rating"], 5.0)),
    ]
    return pc.fill_null(reduce(pc.and_, [*present, *rules]), False)


def _with_namespace(ids: pa.ChunkedArray, namespace: str) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(f"{namespace}:", ids, "") if namespace else ids


def _repeat_date(file_date: dt.date | None, like: pa.ChunkedArray) -> pa.Array:
    return pa.array([file_date] * len(like), pa.date32())


def _as_date(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(pc.floor_temporal(moments, unit="day"), pa.date32())


def _end_of_date(file_date: dt.date | None) -> pa.Scalar:
    """Return the end of the file's date, the latest time at which its events can have been received."""
    end = file_date + dt.timedelta(days=1) if file_date else None
    return pa.scalar(end, pa.date32()).cast(_TIMESTAMP)
