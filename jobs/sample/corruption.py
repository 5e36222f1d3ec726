"""Add errors to the log: late and repeated lines, and all kinds of garbage found in real logs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from numpy.random import Generator

from jobs.sample.config import SampleConfig
from jobs.sample.events import DAY, Event


@dataclass(frozen=True)
class Line:
    """A line of the app log before it is written: `kind` is `good`, `blank`, or the kind of error."""

    received: int
    raw: bytes
    kind: str = "good"


@dataclass(frozen=True)
class DelayedEvents:
    """All events as received, and those that were late."""

    events: list[Event]
    late: list[Event]
    too_late: list[Event]


def iso_time(cfg: SampleConfig, seconds: int) -> str:
    """Return a time after the first date's midnight in ISO 8601, UTC."""
    start = datetime.combine(cfg.first_date, time(), UTC)
    return (start + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def log_record(cfg: SampleConfig, event: Event) -> dict[str, object]:
    """Return the fields that the app writes; unknown ones are left out."""
    record: dict[str, object] = {"user_id": event.user_id, "event": event.event}
    if event.track_id:
        record["track_id"] = event.track_id
    if event.rating:
        record["rating"] = event.rating
    if event.ms_played >= 0:
        record["ms_played"] = event.ms_played
    record["played_at"] = iso_time(cfg, event.played)
    record["received_at"] = iso_time(cfg, event.received)
    if event.session_id:
        record["session_id"] = event.session_id
    return record


def delay_events(cfg: SampleConfig, events: list[Event]) -> DelayedEvents:
    """Delay the receipt of some events by days; none of them beyond the last date."""
    rng = cfg.rng(9)
    result = DelayedEvents([], [], [])
    for event in events:
        chance, days = rng.random(), 0
        if event.event != "delete" and chance < cfg.late:
            days = int(rng.integers(1, 3))
        elif event.event != "delete" and chance < cfg.late + cfg.too_late:
            days = int(rng.integers(5, 8))
        moved = replace(event, received=event.received + days * DAY)
        if days and moved.day < cfg.days:
            (result.late if days < 3 else result.too_late).append(moved)
            result.events.append(moved)
        else:
            result.events.append(event)
    return result


def duplicate_events(cfg: SampleConfig, events: list[Event]) -> list[Event]:
    """Return events that the app sends again: at once, or an hour later with another time of receipt."""
    rng = cfg.rng(10)
    again: list[Event] = []
    for event in events:
        if rng.random() < cfg.duplicates:
            moved = replace(event, received=event.received + 3600 * int(rng.integers(2)))
            again.append(moved if moved.day == event.day else event)
    return again


def drop_field(key: str) -> Callable[[dict[str, object]], object]:
    """Return a corruption that removes a field."""
    return lambda record: {k: v for k, v in record.items() if k != key}


def set_field(key: str, value: object) -> Callable[[dict[str, object]], object]:
    """Return a corruption that sets a field."""
    return lambda record: {**record, key: value}


CORRUPTIONS: dict[str, Callable[[dict[str, object]], object]] = {
    "array": lambda record: list(record.values()),
    "missing_user": drop_field("user_id"),
    "missing_track": drop_field("track_id"),
    "unknown_event": set_field("event", "teleport"),
    "bad_date": set_field("played_at", "yesterday evening"),
    "year_1970": set_field("played_at", "1970-01-01T00:00:00Z"),
    "future": set_field("played_at", "2199-06-01T12:00:00Z"),
    "rating_9": lambda record: {**record, "event": "rate", "rating": 9},
}
GARBAGE_KINDS = ("not_json", "cut_json", "invalid_utf8", *CORRUPTIONS)


def corrupt(kind: str, record: dict[str, object]) -> bytes:
    """Turn a record into garbage of one kind."""
    if kind == "not_json":
        return b"ERROR 502 upstream timed out <html>"
    if kind in CORRUPTIONS:
        return json.dumps(CORRUPTIONS[kind](record)).encode()
    line = json.dumps(record).encode()
    if kind == "cut_json":
        return line[: len(line) * 2 // 3]
    return line.replace(b'"event"', b'"event\xff\xfe"', 1).replace(b"play", b"pl\xc3\x28y", 1)


def make_garbage(cfg: SampleConfig, events: list[Event], rng: Generator) -> list[Line]:
    """Turn copies of plays into garbage of every kind in turn, without users who have a deletion request."""
    hidden = {event.user_id for event in events if event.event == "delete"}
    plays = [event for event in events if event.event == "play" and event.user_id not in hidden]
    count = max(len(GARBAGE_KINDS), int(cfg.garbage * len(events)))
    lines = []
    for n, i in enumerate(rng.choice(len(plays), min(count, len(plays)), replace=False)):
        kind = GARBAGE_KINDS[n % len(GARBAGE_KINDS)]
        lines.append(Line(plays[i].received, corrupt(kind, log_record(cfg, plays[i])), kind))
    return lines
