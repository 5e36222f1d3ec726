"""Ingest of a night: what is read once, what counts once, what is left out, and how it is accounted for."""

import datetime as dt
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import SourceError
from jobs.history.history import usable_events
from jobs.lake.files import FileStore
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.settings import Settings
from jobs.sources.ingest import deduplicate, snapshots, write_events
from jobs.sources.ingest.fast_path import stage_source
from jobs.sources.ingest.orphans import OWNER_FILE, claim_folder
from tests.sources.feed import DAY, Ingest, app, counts, log, plays, table_of


def midnight(day: dt.date) -> dt.datetime:
    """Return midnight as Spark returns it: UTC without a zone."""
    return dt.datetime.combine(day, dt.time())


@pytest.mark.smoke
def test_duplicates_count_once_and_unusual_lines_take_the_slow_path(ingest: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    unusual = json.dumps({"user_id": "Ünal", "track_id": 7, "event": "play", "played_at": "2026-11-14T10:00:00+01:00"})
    log(folder, DAY, "a.jsonl.gz", [*plays(20), unusual, "{", ""])
    log(folder, DAY, "b.jsonl", [*plays(20), *plays(5, "other"), unusual])
    ctx = ingest(app(folder))
    accounts = counts(ctx)
    assert [accounts["a.jsonl.gz"][name] for name in ("lines_in", "good", "quarantined", "blank", "duplicates")] == [
        23,
        21,
        1,
        1,
        0,
    ]
    assert [accounts["b.jsonl"][name] for name in ("lines_in", "good", "quarantined", "blank", "duplicates")] == [
        26,
        26,
        0,
        0,
        21,
    ]
    rows = ctx.read("events", Partitions.UP_TO)
    assert rows.count() == 26
    (row,) = rows.where("user_id = 'Ünal'").collect()
    assert (row["track_id"], row["played_at"]) == ("7", midnight(DAY) + dt.timedelta(hours=9))


def test_the_digest_does_not_depend_on_files_splits_or_shares(
    ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [*plays(300, "a"), *plays(200, "b", rating=3), *plays(50, "a", ms_played=40_000)]
    log(tmp_path / "one", DAY, "a.jsonl", lines)
    first = ingest(app(tmp_path / "one")).night.lake.manifest("events/app", DAY.isoformat())
    log(tmp_path / "two", DAY, "a.jsonl.gz", lines[::-1][:170])
    log(tmp_path / "two", DAY, "b.jsonl", lines[::-1][150:])
    monkeypatch.setattr("jobs.sources.reading.blocks.SPLIT_BYTES", 4_000)
    monkeypatch.setattr(deduplicate, "MAX_TASK_ROWS", 100)
    # the first folder's file is gone, so --force is needed to drop its events
    second = ingest(app(tmp_path / "two"), force=True).night.lake.manifest("events/app", DAY.isoformat())
    assert first is not None
    assert second is not None
    assert (first.rows, first.digest) == (second.rows, second.digest)
    assert first.folder != second.folder


def test_events_of_a_user_beyond_the_daily_limit_are_dropped(ingest: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    log(folder, DAY, "a.jsonl.gz", [*plays(deduplicate.MAX_EVENTS_PER_USER_DAY + 500, "bot"), *plays(10, "human")])
    ctx = ingest(app(folder))
    rows = ctx.read("events", Partitions.UP_TO).groupBy("user_id").count().collect()
    assert {row["user_id"]: row["count"] for row in rows} == {"bot": deduplicate.MAX_EVENTS_PER_USER_DAY, "human": 10}
    account = counts(ctx)["a.jsonl.gz"]
    assert (account["good"], account["over_limit"]) == (deduplicate.MAX_EVENTS_PER_USER_DAY + 510, 500)
    latest = ctx.read("events", Partitions.UP_TO).where("user_id = 'bot'").agg({"played_at": "max"}).collect()[0][0]
    assert latest == midnight(DAY) + dt.timedelta(seconds=deduplicate.MAX_EVENTS_PER_USER_DAY - 1)


@pytest.mark.parametrize("kind", ["app_log", "table"])
def test_a_truncated_gz_is_refused_or_read_up_to_the_truncation(ingest: Ingest, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "logs"
    lines = plays(4_000) if kind == "app_log" else [f"u\tt{n}\t{1_763_000_000 + n}" for n in range(4_000)]
    path = log(folder, DAY, "cut.tsv.gz", lines)
    log(folder, DAY, "whole.tsv.gz", lines[:100])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = app(folder)
    if kind == "table":
        source = (
            f'[[source]]\nname = "app"\nformat = "table"\npath = "{folder}"\nnames = ["u", "t", "s"]\n'
            'columns = { user = "u", track = "t", time = "s" }\ntime_unit = "s"\n'
        )
    with pytest.raises(SourceError, match=r"cut\.tsv\.gz"):
        ingest(source)
    ctx = ingest(source + 'truncated = "take"\n')
    accounts = counts(ctx)
    assert accounts["cut.tsv.gz"]["truncated"]
    assert not accounts["whole.tsv.gz"]["truncated"]
    taken = accounts["cut.tsv.gz"]
    assert 500 < taken["good"] < 3_900
    assert taken["lines_in"] == taken["good"] + taken["quarantined"] + taken["blank"]
    assert ctx.read("events", Partitions.UP_TO).count() == taken["good"]
    (truncated,) = ctx.read("quarantine", Partitions.UP_TO).collect()
    assert (truncated["rule"], truncated["line"], taken["quarantined"]) == ("cut_off", taken["lines_in"], 1)


def test_a_damaged_gz_is_refused_even_with_truncated_take(ingest: Ingest, tmp_path: Path) -> None:
    path = log(tmp_path / "logs", DAY, "bad.jsonl.gz", plays(20_000))
    packed = gzip.compress(gzip.decompress(path.read_bytes()), 0)
    path.write_bytes(packed.replace(b'"T7"', b'"T8"', 1))
    assert path.read_bytes() != packed
    with pytest.raises(
        SourceError, match=r"bad\.jsonl\.gz cannot be read to its end .*; fetch it again, or remove it\."
    ):
        ingest(app(tmp_path / "logs") + 'truncated = "take"\n')


def test_only_new_and_changed_files_are_read(
    ingest: Ingest, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, stage = tmp_path / "logs", Path(settings.lake_root) / "small" / "stage"
    claim_folder(FileStore(str(stage.parent)), "stage/run=killed")
    owner = stage / "run=killed" / OWNER_FILE
    owner.write_text(owner.read_text().replace('"began": "', '"began": "1'))
    log(folder, DAY, "a.jsonl", plays(5))
    next_day = DAY + dt.timedelta(days=1)
    ingest(app(folder))
    late = plays(1, "late", DAY)
    new = log(folder, next_day, "a.jsonl", [*plays(7, day=next_day), *late])
    read: list[str] = []

    def watched(*arguments: Any) -> Any:
        assert (Path(arguments[1].removeprefix("file://")) / OWNER_FILE).is_file()
        read.extend(arguments[-1])
        return stage_source(*arguments)

    monkeypatch.setattr(write_events, "stage_source", watched)
    ctx = ingest(app(folder), next_day)
    assert read == [str(new)]
    assert list(stage.iterdir()) == []
    assert ctx.read("events", Partitions.UP_TO).count() == 13
    assert ctx.read("events", Partitions.DATE).where("user_id = 'late'").count() == 1
    old = folder / f"dt={DAY}" / "a.jsonl"
    os.utime(old, (1, 1))
    ingest(app(folder), next_day)
    assert read == [str(new)]
    old.write_text("\n".join(plays(6)) + "\n")
    assert ingest(app(folder), next_day).read("events", Partitions.UP_TO).count() == 14
    assert read == [str(new), str(old)]


def test_late_and_repeated_events_count_once_from_the_night_of_their_receipt(ingest: Ingest, tmp_path: Path) -> None:
    folder, next_day = tmp_path / "logs", DAY + dt.timedelta(days=1)
    log(folder, DAY, "a.jsonl", plays(3))
    again = [*plays(2)[::-1], *plays(1)]
    too_late = plays(1, "too late", next_day - dt.timedelta(days=4))
    log(folder, next_day, "a.jsonl", [*again, *plays(1, "late"), *too_late, *plays(1, day=next_day)])
    usable: dict[dt.date, list[list[tuple[str, str, str]]]] = {}
    # the older night again, when the lake has its late events
    for day in (DAY, next_day, DAY):
        received = ingest(app(folder), day).read("events", Partitions.UP_TO)
        rows = usable_events(received, day).select("user_id", "track_id", "played_at").collect()
        usable.setdefault(day, []).append(sorted((row[0], row[1], row[2].isoformat()) for row in rows))
    first = [("u", f"T{n}", f"2026-11-14T00:00:0{n}") for n in range(3)]
    assert usable[DAY] == [first, first]
    late, new = ("late", "T0", "2026-11-14T00:00:00"), ("u", "T0", "2026-11-15T00:00:00")
    assert usable[next_day] == [sorted([late, *first, new])]


def test_a_table_is_read_once_for_all_its_dates(ingest: Ingest, tmp_path: Path) -> None:
    days = [DAY - dt.timedelta(days=2), DAY, DAY + dt.timedelta(days=2)]
    source = table_of(tmp_path / "t.csv", days)
    first = ingest(source)
    assert first.read("events", Partitions.UP_TO).count() == 6
    later = ingest(source, days[2])
    assert not later.pending
    assert later.read("events", Partitions.UP_TO).count() == 9


def delete(user: str, day: dt.date) -> str:
    """A deletion request, as an app logs it."""
    return json.dumps({"user_id": user, "event": "delete", "played_at": f"{day}T12:00:00Z"})


def test_a_deletion_request_applies_to_all_dates_and_outlives_its_file(ingest: Ingest, tmp_path: Path) -> None:
    day_before = DAY - dt.timedelta(days=1)
    undated = tmp_path / "logs" / "all.jsonl"
    undated.parent.mkdir()
    undated.write_text("\n".join([*plays(5, "gone"), *plays(5, "here"), delete("gone", day_before)]) + "\n")
    ctx = ingest(app(undated.parent))
    assert {row["user_id"] for row in ctx.read("events", Partitions.UP_TO).collect()} == {"here"}
    dated = tmp_path / "dated"
    log(dated, DAY, "a.jsonl", [*plays(5, "gone"), *plays(5, "here")])
    request = log(dated, DAY, "b.jsonl", [delete("gone", DAY), *plays(1, "late")])
    source = app(dated).replace('"app"', '"dated"')
    ingest(source)
    request.unlink()
    log(dated, DAY, "c.jsonl", plays(1, "late"))
    rows = ingest(source, force=True).read("events", Partitions.UP_TO)
    assert {row["user_id"] for row in rows.collect()} == {"here", "late"}


def test_an_older_night_applies_a_later_deletion_request_of_an_unfinished_file(ingest: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    log(folder, DAY, "a.jsonl", [*plays(5, "gone"), *plays(5, "here")])
    later = log(folder, DAY + dt.timedelta(days=1), "a.jsonl.gz", [delete("gone", DAY), *plays(4_000, "filler")])
    later.write_bytes(later.read_bytes()[:-500])
    ctx = ingest(app(folder))
    assert {row["user_id"] for row in ctx.read("events", Partitions.UP_TO).collect()} == {"here"}


def test_a_killed_ingest_of_a_table_is_repeated_and_removed_dates_become_empty(
    ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [DAY - dt.timedelta(days=n) for n in (2, 1, 0)]
    source = table_of(tmp_path / "t.csv", days)
    committed: list[Manifest] = []
    real_commit = Lake.commit

    def commit(lake: Lake, manifest: Manifest) -> None:
        if len(committed) == 2:
            raise KeyboardInterrupt
        committed.append(manifest)
        real_commit(lake, manifest)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "commit", commit)
        with pytest.raises(KeyboardInterrupt):
            ingest(source)
    assert ingest(source).read("events", Partitions.UP_TO).count() == 9
    ctx = ingest(table_of(tmp_path / "t.csv", days[1:]))
    assert ctx.read("events", Partitions.UP_TO).count() == 6
    assert [row["lines_in"] for row in ctx.read("ingest_counts", Partitions.UP_TO).collect()] == [7]
    assert not ingest(table_of(tmp_path / "t.csv", days[1:])).pending


def test_a_multiline_record_is_one_event_and_its_lines_are_counted(ingest: Ingest, tmp_path: Path) -> None:
    source = table_of(tmp_path / "t.csv", [DAY])
    with (tmp_path / "t.csv").open("a") as file:
        file.write(f'u,"t\n\n9",{DAY}T11:00:00Z\n')
    ctx = ingest(source)
    assert {row["track_id"] for row in ctx.read("events", Partitions.UP_TO).collect()} == {"t0", "t1", "t2", "t\n\n9"}
    account = counts(ctx)["t.csv"]
    assert (account["lines_in"], account["good"], account["blank"], account["duplicates"]) == (7, 6, 1, 0)


def test_an_event_beyond_the_last_valid_time_is_rejected(ingest: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    end = plays(1)[0].replace("2026-11-14T00:00:00Z", "9999-12-31T23:59:59-01:00")
    log(folder, DAY, "a.jsonl", [*plays(40), end])
    account = counts(ingest(app(folder)))["a.jsonl"]
    assert (account["good"], account["quarantined"]) == (40, 1)


def test_an_unchanged_snapshot_is_reused(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "labels.cls").write_text("TRAAAAA128F0000001\tRock\n")
    log(tmp_path / "logs", DAY, "a.jsonl", plays(5))
    source = (
        app(tmp_path / "logs")
        + f'[[source]]\nname = "labels"\nformat = "genre_labels"\npath = "{tmp_path / "labels.cls"}"\n'
    )
    ingest(source)
    folders = [ingest(source, job=snapshots).pending[0].folder for _ in range(2)]
    assert folders[0] == folders[1]
    (tmp_path / "labels.cls").write_text("TRAAAAA128F0000001\tJazz\n")
    changed = ingest(source, job=snapshots)
    assert changed.pending[0].folder != folders[0]
    assert [row["label"] for row in changed.read("genre_labels").collect()] == ["Jazz"]


def test_play_counts_stay_readable_when_their_as_of_changes(ingest: Ingest, tmp_path: Path) -> None:
    (tmp_path / "counts.txt").write_text("u SOAAAAA12A00000001 3\nu SOAAAAA12A00000001 5\n")
    log(tmp_path / "logs", DAY, "a.jsonl", plays(5))

    def read_counts(as_of: int) -> list[int]:
        source = f'[[source]]\nname = "tp"\nformat = "taste_profile"\npath = "{tmp_path}/counts.txt"\nas_of = 2026-11-{as_of:02d}\n'
        ctx = ingest(app(tmp_path / "logs") + source, job=snapshots)
        return [row["plays"] for row in ctx.read("play_counts", Partitions.LATEST).collect()]

    assert [read_counts(10), read_counts(5), read_counts(12), read_counts(10)] == [[3]] * 4
