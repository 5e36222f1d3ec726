"""Helpers that write a feed and read its accounts back."""

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.context import JobContext
from jobs.lake.partitions import Partitions

DAY = dt.date(2026, 11, 14)
Ingest = Callable[..., JobContext]


def plays(count: int, user: str = "u", day: dt.date = DAY, step: int = 1, **more: Any) -> list[str]:
    """Return plays of different tracks, one every `step` seconds of a day."""
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    times = [(start + dt.timedelta(seconds=step * n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(count)]
    return [
        json.dumps({"user_id": user, "track_id": f"T{n % 97}", "event": "play", "played_at": time, **more})
        for n, time in enumerate(times)
    ]


def log(folder: Path, day: dt.date, name: str, lines: list[str]) -> Path:
    """Write a log file received on a day."""
    path = folder / f"dt={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def app(folder: Path, **options: str) -> str:
    """Return a `[[source]]` of app logs."""
    more = "".join(f'{name} = "{value}"\n' for name, value in options.items())
    return f'[[source]]\nname = "app"\nformat = "app_log"\npath = "{folder}"\n{more}'


def counts(ctx: JobContext) -> dict[str, Any]:
    """Return the account of each file by its name."""
    return {Path(row["file"]).name: row.asDict() for row in ctx.read("ingest_counts", Partitions.UP_TO).collect()}


def table_of(path: Path, days: list[dt.date]) -> str:
    """Write a CSV with three plays on each day; return its `[[source]]`."""
    rows = [f"u,t{n},{day}T10:00:0{n}Z" for day in days for n in range(3)]
    path.write_text("\n".join(["user,track,time", *rows]) + "\n")
    columns = '{ user = "user", track = "track", time = "time" }'
    return f'[[source]]\nname = "t"\nformat = "table"\npath = "{path}"\ncolumns = {columns}\n'
