"""What goes wrong on the way: late and repeated lines, and garbage of every kind a log has shown."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from numpy.random import Generator

from jobs.sample.config import SampleConfig
from jobs.sample.events import DAY, Event


@dataclass(frozen=True)
class Line:
    """A line of the app log on its way into a file: `kind` is `good`, `blank`, or what is wrong with it."""

    received: int
    raw: bytes
    kind: str = "good"


@dataclass(frozen=True)
class Delayed:
    """All events as they were received, and which of them were late."""

    events: list[Event]
    late: list[Event]
    too_late: list[Event]


def stamp(cfg: SampleConfig, seconds: int) -> str:
    """ISO 8601 in UTC of a time after the first date's midnight."""
    start = datetime.combine(cfg.first_date, time(), UTC)
    return (start + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def log_record(cfg: SampleConfig, event: Event) -> dict[str, object]:
    """The fields that the app writes; what it does not know, it leaves out."""
    record: dict[str, object] = {"user_id": event.user_id, "event": event.event}
    if event.track_id:
        record["track_id"] = event.track_id
    if event.rating:
        record["rating"] = event.rating
    if event.ms_played >= 0:
        record["ms_played"] = event.ms_played
    record["played_at"] = stamp(cfg, event.played)
    record["received_at"] = stamp(cfg, event.received)
    if event.session_id:
        record["session_id"] = event.session_id
    return record


def delay(cfg: SampleConfig, events: list[Event]) -> Delayed:
    """Some events received days after they happened; none of them after the last date."""
    rng = cfg.rng(9)
    result = Delayed([], [], [])
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


def repeat(cfg: SampleConfig, events: list[Event]) -> list[Event]:
    """Events that the app sends again: at once, or an hour after with another time of receipt."""
    rng = cfg.rng(10)
    again: list[Event] = []
    for event in events:
        if rng.random() < cfg.duplicates:
            moved = replace(event, received=event.received + 3600 * int(rng.integers(2)))
            again.append(moved if moved.day == event.day else event)
    return again


def without(key: str) -> Callable[[dict[str, object]], object]:
    """A corruption that leaves a field out."""
    return lambda record: {k: v for k, v in record.items() if k != key}


def with_value(key: str, value: object) -> Callable[[dict[str, object]], object]:
    """A corruption that sets a field."""
    return lambda record: {**record, key: value}


CORRUPT: dict[str, Callable[[dict[str, object]], object]] = {
    "array": lambda record: list(record.values()),
    "missing_user": without("user_id"),
    "missing_track": without("track_id"),
    "unknown_event": with_value("event", "teleport"),
    "bad_date": with_value("played_at", "yesterday evening"),
    "year_1970": with_value("played_at", "1970-01-01T00:00:00Z"),
    "future": with_value("played_at", "2199-06-01T12:00:00Z"),
    "rating_9": lambda record: {**record, "event": "rate", "rating": 9},
}
KINDS = ("not_json", "cut_json", "invalid_utf8", *CORRUPT)


def corrupt(kind: str, record: dict[str, object]) -> bytes:
    """A record made into garbage of one kind."""
    if kind == "not_json":
        return b"ERROR 502 upstream timed out <html>"
    if kind in CORRUPT:
        return json.dumps(CORRUPT[kind](record)).encode()
    whole = json.dumps(record).encode()
    if kind == "cut_json":
        return whole[: len(whole) * 2 // 3]
    return whole.replace(b'"event"', b'"event\xff\xfe"', 1).replace(b"play", b"pl\xc3\x28y", 1)


def garbage(cfg: SampleConfig, events: list[Event], rng: Generator) -> list[Line]:
    """Garbage made from copies of plays, every kind in turn; never from users who asked to be forgotten."""
    hidden = {event.user_id for event in events if event.event == "delete"}
    plays = [event for event in events if event.event == "play" and event.user_id not in hidden]
    count = max(len(KINDS), int(cfg.garbage * len(events)))
    lines = []
    for n, i in enumerate(rng.choice(len(plays), min(count, len(plays)), replace=False)):
        kind = KINDS[n % len(KINDS)]
        lines.append(Line(plays[i].received, corrupt(kind, log_record(cfg, plays[i])), kind))
    return lines
