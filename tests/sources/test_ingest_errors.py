"""Ingest with errors: bad dates, files that are deleted or change, unusual names and bytes."""

import datetime as dt
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from jobs.errors import SourceError
from jobs.lake.partitions import Partitions
from jobs.lake.quarantine import QUARANTINE_DAY_LINES
from jobs.sources.ingest import snapshots, write_events
from jobs.sources.ingest.fast_path import stage_source
from tests.sources.feed import DAY, Ingest, app, counts, log, plays, table_of


def test_one_bad_date_stops_a_long_load_unless_it_is_tiny(ingest: Ingest, tmp_path: Path) -> None:
    folder, day_before = tmp_path / "logs", DAY - dt.timedelta(days=1)
    log(folder, DAY, "a.jsonl", plays(2_000))
    log(folder, day_before, "tiny.jsonl", [*plays(2, day=day_before), "{"])
    other = json.dumps({"user_id": "u", "event": "dance"})
    bad = log(folder, day_before, "bad.jsonl", [*plays(100, day=day_before), *["{"] * (QUARANTINE_DAY_LINES - 2)])
    assert counts(ingest(app(folder)))["bad.jsonl"]["quarantined"] == QUARANTINE_DAY_LINES - 2
    log(folder, day_before, "odd.jsonl", [*plays(100, day=day_before), other])
    with pytest.raises(
        SourceError, match=f"received on {day_before}: 20 of 222 lines.*{bad}, most often: the line is not JSON"
    ):
        ingest(app(folder))


class LogRecorder:
    """Records the messages of a log as one text."""

    def __init__(self) -> None:
        self.text = ""

    def warning(self, event: str, **more: Any) -> None:
        self.text += f"{event} {more}\n"


def test_events_of_deleted_files_are_kept(ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_recorder = LogRecorder()
    for module in ("change_detection", "events"):
        monkeypatch.setattr(f"jobs.sources.ingest.{module}.LOG", log_recorder)
    folder, day_before = tmp_path / "logs", DAY - dt.timedelta(days=1)
    log(folder, DAY, "a.jsonl", plays(5))
    gone = log(folder, day_before, "gone.jsonl", plays(5, "gone", day_before))
    log(folder, day_before, "here.jsonl", plays(5, "here", day_before))
    ingest(app(folder))
    gone.unlink()
    monkeypatch.setattr("jobs.sources.ingest.change_detection.reader_version", lambda kind: "newer")
    monkeypatch.setattr("jobs.sources.ingest.events.reader_version", lambda kind: "newer")
    ctx = ingest(app(folder))
    assert not ctx.pending
    assert f"{day_before}/gone.jsonl" in log_recorder.text
    assert "pmrs run events --date 2026-11-14 --force" in log_recorder.text
    log(folder, day_before, "new.jsonl", plays(1, "new", day_before))
    with pytest.raises(SourceError, match=f"received on {day_before}: .*gone.jsonl was read and no longer exists"):
        ingest(app(folder))
    assert ctx.read("events", Partitions.UP_TO).count() == 15
    assert ingest(app(folder), force=True).read("events", Partitions.UP_TO).count() == 11
    shutil.rmtree(folder / f"dt={day_before}")
    ctx = ingest(app(folder), force=True)
    assert {manifest.date for manifest in ctx.pending} == {DAY.isoformat()}
    assert ctx.read("events", Partitions.UP_TO).count() == 11
    details = {"source": "app", "days": day_before.isoformat()}
    assert f"the files of received dates no longer exist; their events are kept {details}" in log_recorder.text


def test_a_table_keeps_the_rows_of_a_deleted_file(ingest: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    table_of(folder / "a.csv", [DAY])
    source = table_of(folder / "b.csv", [DAY - dt.timedelta(days=1)]).replace(str(folder / "b.csv"), str(folder))
    ingest(source)
    (folder / "b.csv").unlink()
    ctx = ingest(source)
    assert (len(ctx.pending), ctx.read("events", Partitions.UP_TO).count()) == (0, 6)
    table_of(folder / "a.csv", [DAY, DAY])
    with pytest.raises(SourceError, match=r"files of many dates: .*b\.csv was read and no longer exists"):
        ingest(source)


SPECIAL_NAMES = ("a b#1.jsonl", "c%20d?.jsonl", "é{1,2}[x]*.jsonl.gz")


def test_paths_may_have_any_character(ingest: Ingest, tmp_path: Path) -> None:
    """Paths of the lake and of all inputs, on both paths. A file that a glob pattern would match is no input."""
    root = tmp_path / "x y#1%20é?[ab]*{c,d}"
    lake = str(root / "lake")
    folder = root / "logs {a,b}"
    for number, name in enumerate(SPECIAL_NAMES):
        event = json.dumps(
            {"user_id": f"Ünal {number}", "track_id": "t", "event": "play", "played_at": f"{DAY}T10:00:00Z"}
        )
        log(folder, DAY, name, [*plays(10, f"u{number}"), event, *["{"] * (number == 0)])
    log(tmp_path / "x y#1%20éZa_c" / "logs {a,b}", DAY, SPECIAL_NAMES[0], plays(50, "neighbor"))
    table = table_of(root / "t %41[#]?.csv", [DAY])
    plain = csv.read_csv(root / "t %41[#]?.csv")
    pq.write_table(plain, root / "p %41[#]?.parquet")
    parquet = table.replace('"t"', '"p"', 1).replace("t %41[#]?.csv", "p %41[#]?.parquet")
    (root / "labels #%3F*.cls").write_text("TRAAAAA128F0000001\tRock\n")
    labels = f'[[source]]\nname = "labels"\nformat = "genre_labels"\npath = "{root}/labels #%3F*.cls"\n'
    ctx = ingest(app(folder) + table + parquet + labels, lake=lake)
    accounts = counts(ctx)
    assert [accounts[name]["good"] for name in SPECIAL_NAMES] == [11, 11, 11]
    assert {accounts[name]["good"] for name in ("t %41[#]?.csv", "p %41[#]?.parquet")} == {3}
    assert ctx.read("events", Partitions.UP_TO).groupBy("user_id").count().count() == 7
    (bad,) = ctx.read("quarantine", Partitions.UP_TO).collect()
    assert (Path(bad["file"]).name, bad["line"]) == (SPECIAL_NAMES[0], 12)
    ingest(app(folder) + table + parquet + labels, job=snapshots, lake=lake)
    assert [row["label"] for row in ctx.read("genre_labels").collect()] == ["Rock"]
    assert not ingest(app(folder) + table + parquet + labels, lake=lake).pending


def test_hostile_bytes_reject_only_their_own_line(
    ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "logs"
    good = {name: "\n".join(plays(200, name)).encode() + b"\n" for name in ("a", "b", "crlf", "upper", "nul", "folder")}
    long = json.dumps(
        {"user_id": "long", "track_id": "t", "event": "play", "played_at": f"{DAY}T10:00:00Z", "x": "y" * 5_000_000}
    )
    files = {
        "empty.jsonl.gz": b"",
        "members.jsonl.gz": gzip.compress(good["a"]) + gzip.compress(good["b"]) + gzip.compress(b""),
        "crlf.jsonl": b"\xef\xbb\xbf" + good["crlf"].replace(b"\n", b"\r\n"),
        "upper.JSONL.GZ": gzip.compress(good["upper"]),
        "nul.jsonl": good["nul"] + b"\0" * 100 + b"\n" + b"[" * 100_000 + b"\n" + b'{"a":' * 50_000 + b"\n",
        "long.jsonl": long.encode() + b"\n",
        "huge.jsonl.gz": gzip.compress(b"z" * 12_000_000 + b"\n", 1),
    }
    for name, data in files.items():
        log(folder, DAY, name, []).write_bytes(data)
    log(folder / f"dt={DAY}" / "dir.jsonl.gz", DAY, "inner.jsonl", plays(200, "folder"))
    ctx = ingest(app(folder))
    accounts = {name: (row["lines_in"], row["good"], row["quarantined"]) for name, row in counts(ctx).items()}
    assert accounts == {
        "empty.jsonl.gz": (0, 0, 0), "members.jsonl.gz": (400, 400, 0), "crlf.jsonl": (200, 200, 0), "inner.jsonl": (200, 200, 0),
        "upper.JSONL.GZ": (200, 200, 0), "nul.jsonl": (203, 200, 3), "long.jsonl": (1, 1, 0), "huge.jsonl.gz": (1, 0, 1),
    }  # fmt: skip
    assert ctx.read("events", Partitions.UP_TO).count() == 1_201
    new_file = log(folder, DAY, "new.jsonl", plays(1))

    def remove_file_first(*arguments: Any) -> Any:
        new_file.unlink()
        return stage_source(*arguments)

    monkeypatch.setattr(write_events, "stage_source", remove_file_first)
    with pytest.raises(SourceError, match=r"new\.jsonl was changed or removed while it was read"):
        ingest(app(folder))


def test_an_upper_case_gz_is_unpacked_for_a_snapshot(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "labels.cls.GZ").write_bytes(gzip.compress(b"TRAAAAA128F0000001\tRock\n"))
    log(tmp_path / "logs", DAY, "a.jsonl", plays(5))
    source = app(tmp_path / "logs") + f'[[source]]\nformat = "genre_labels"\npath = "{tmp_path / "labels.cls.GZ"}"\n'
    ingest(source)
    assert [row["label"] for row in ingest(source, job=snapshots).read("genre_labels").collect()] == ["Rock"]
