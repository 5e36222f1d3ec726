"""Write the app log: gzipped JSON lines, in one folder per UTC date of receipt."""

import gzip
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from jobs.sample.config import SampleConfig
from jobs.sample.corruption import Line, log_record, make_garbage
from jobs.sample.events import DAY, Event

FILES_PER_DAY = 2


@dataclass(frozen=True)
class Garbage:
    """Position of a bad line: path relative to the sample's folder, line counted from 1."""

    file: str
    line: int
    kind: str


def write_gzip(path: Path, data: bytes) -> None:
    """Write compressed data without name and time, so that equal data gives equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
        file.write(data)


def log_lines(cfg: SampleConfig, events: list[Event]) -> list[Line]:
    """Return good lines, garbage and a few empty lines in the order of receipt."""
    rng = cfg.rng(11)
    lines = [Line(event.received, json.dumps(log_record(cfg, event)).encode()) for event in events]
    lines += make_garbage(cfg, events, rng)
    lines += [Line(day * DAY + int(rng.integers(DAY)), b"", "blank") for day in range(cfg.days)]
    return sorted(lines, key=lambda line: (line.received, line.raw))


def write_app_log(out: Path, cfg: SampleConfig, events: list[Event]) -> list[Garbage]:
    """Write the whole log; return the positions of its garbage."""
    files: dict[str, list[Line]] = {}
    for number, line in enumerate(log_lines(cfg, events)):
        day = cfg.first_date + timedelta(days=line.received // DAY)
        files.setdefault(f"app_log/dt={day}/part-{number % FILES_PER_DAY}.jsonl.gz", []).append(line)
    bad: list[Garbage] = []
    for name, lines in sorted(files.items()):
        write_gzip(out / name, b"\n".join(line.raw for line in lines) + b"\n")
        for number, line in enumerate(lines, start=1):
            if line.kind not in ("good", "blank"):
                bad.append(Garbage(name, number, line.kind))
    return bad
