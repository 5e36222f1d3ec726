"""The job `erase` in a separate process, killed by SIGKILL at three points; then a rerun of an older date.

Each real kill costs the start of a Spark process. tests/night/test_erasure.py simulates more points by exceptions.
"""

import base64
import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from jobs.lake.lake import Lake
from jobs.mongo.connection import connect
from jobs.runner import run_named
from jobs.settings import REPOSITORY, Settings
from tests.night.published_night import QUICK_JAVA

DAY = dt.date(2026, 11, 14)
DAYS = (DAY - dt.timedelta(days=1), DAY)
GONE, REQUESTER, PAIR = "erase-me-77", "requester-88", "T5"
DRIVER = f"""
import datetime, importlib, os, signal, sys

module, owner, name, at = sys.argv[1:]
target = importlib.import_module(module)
target = getattr(target, owner) if owner else target
real, calls = getattr(target, name), []

def call_or_die(*given, **named):
    calls.append(1)
    if len(calls) == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)

setattr(target, name, call_or_die)
from jobs.runner import run_named
from jobs.settings import Settings
run_named(Settings(holder_pid=os.getpid()), "erase", datetime.date({DAY:%Y, %-m, %-d}))
"""
KILLS = [
    ("jobs.lake.lake", "Lake", "rewrite", 2),  # one part is amended, the next one is not started
    ("jobs.lake.lake", "Lake", "commit", 2),  # written and logged, not yet valid
    ("jobs.lake.files", "FileStore", "remove", 3),  # valid, the old rows not yet deleted
]


class ErasureEnv:
    """Two days of a log, a snapshot of play counts, and a night in MongoDB."""

    def __init__(self, folder: Path, uri: SecretStr) -> None:
        self.requests_file, file = folder / "deletions.txt", folder / "sources.toml"
        self.requests_file.write_text("# no request yet\n")
        for day in DAYS:
            log = folder / "logs" / f"dt={day}" / "a.jsonl"
            log.parent.mkdir(parents=True)
            log.write_text("\n".join(_lines(day)) + "\n")
        counts = [f"{user}\tSOAAAAA12A0000000{n}\t3" for n in range(3) for user in (GONE, REQUESTER, "other")]
        (folder / "counts.txt").write_text("\n".join(counts) + "\n")
        app = f'[[source]]\nname = "app"\nformat = "app_log"\npath = "{folder}/logs"\n'
        profile = f'[[source]]\nformat = "taste_profile"\npath = "{folder}/counts.txt"\nas_of = {DAYS[0]}\n'
        deletions = f'[[source]]\nformat = "deletions"\npath = "{self.requests_file}"\n'
        file.write_text(f'name = "killed"\ngenres = "pmrs7"\n{app}{profile}{deletions}')
        self.settings = Settings(var=folder / "var", sources=file, mongo_uri=uri, master="local[2]", driver_memory="2g")
        self.lake = Lake(f"{self.settings.lake_root}/killed")

    def run(self, *jobs: str, day: dt.date = DAY, force: bool = False) -> None:
        for job in jobs:
            run_named(self.settings, job, day, force=force)

    def run_killed(self, *point: Any) -> None:
        """Run `erase` in a process that kills itself at the given point."""
        uri = self.settings.mongo_uri.get_secret_value() if self.settings.mongo_uri else ""
        options = {"VAR": self.settings.var, "SOURCES": self.settings.sources, "MONGO_URI": uri, "MASTER": "local[2]"}
        environment = os.environ | {f"PMRS_{name}": str(value) for name, value in options.items()}
        environment |= {"PMRS_DRIVER_MEMORY": "2g", "JDK_JAVA_OPTIONS": QUICK_JAVA}
        command = [sys.executable, "-c", DRIVER, *map(str, point)]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr[-3_000:]

    def publish(self) -> None:
        """Write the lists and records of a published night into MongoDB."""
        with connect(self.settings, "killed") as store:
            for user in (GONE, REQUESTER, "other"):
                items = [{"rank": n + 1, "track_id": track, "why": "popular"} for n, track in enumerate((PAIR, "T6"))]
                document: dict[str, Any] = {"_id": f"{user}|overall", "user_id": user, "list": "overall", "items": items}
                store["recommendations__20261114_0"].insert_one(document)
            store.runs.insert_one({"_id": "20261114_0", "date": f"{DAY}", "status": "published", "publication": {"users": 3}})
            store.publications.insert_one({"_id": "20261114_0", "date": f"{DAY}", "users": 3, "lists": 3, "items": 6})

    def stored_bytes(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of all files of the lake and all documents: Parquet as rows, base64 decoded."""
        for path in (p for p in Path(self.lake.store.root).rglob("*") if p.is_file()):
            yield str(path), path.read_bytes()
            if path.suffix == ".parquet":
                rows = pq.read_table(path, partitioning=None).to_pylist()
                yield str(path), json.dumps(rows, default=str).encode()
                yield str(path), b"\n".join(base64.b64decode(row["raw"]) for row in rows if row.get("raw"))
        with connect(self.settings, "killed") as store:
            for name in store.list_collection_names():
                yield name, json.dumps(list(store[name].find()), default=str).encode()

    def names_containing_user(self) -> set[str]:
        return {name for name, data in self.stored_bytes() if GONE.encode() in data}

    def count_pair(self) -> int:
        """Return the number of events and list items that still have the pair."""
        tables = [json.loads(data) for name, data in self.stored_bytes() if name.endswith(".parquet") and data.startswith(b"[")]
        rows = [row for rows in tables for row in rows]
        with connect(self.settings, "killed") as store:
            rows += [{"user_id": d["user_id"], **item} for d in store["recommendations__20261114_0"].find() for item in d["items"]]
        return sum((row.get("user_id"), row.get("track_id")) == (REQUESTER, PAIR) for row in rows)

    def row_counts(self) -> dict[tuple[str, str], int]:
        """Return the rows of the manifests by part and date, after checking that the files have as many."""
        by_part = {}
        for path in Path(self.lake.store.root).rglob("_manifest.json"):
            manifest = json.loads(path.read_text())
            folder = Path(self.lake.store.root) / manifest["table"] / manifest["folder"]
            files = folder.glob("*.parquet") if manifest["folder"] else ()
            assert sum(pq.read_metadata(file).num_rows for file in files) == manifest["rows"], manifest
            by_part[manifest["table"], manifest["date"]] = manifest["rows"]
        return by_part


def _lines(day: dt.date) -> Iterator[str]:
    for user in (GONE, REQUESTER, "other"):
        for n in range(20):
            yield json.dumps({"user_id": user, "track_id": f"T{n}", "event": "play", "played_at": f"{day}T10:00:{n:02d}Z"})
    yield f'{{"user_id": "{GONE}", "event": '


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory, mongo_uri: SecretStr, spark: SparkSession) -> ErasureEnv:
    env = ErasureEnv(tmp_path_factory.mktemp("killed"), mongo_uri)
    env.run("events", "snapshots", "erase")
    env.publish()
    return env


@pytest.mark.slow
def test_killed_erasure_resumes_and_logs_each_removal_once(env: ErasureEnv) -> None:
    before = env.row_counts()
    assert env.count_pair() == 3
    env.requests_file.write_text(f"{GONE}\n{REQUESTER}\t{PAIR}\n")
    env.run("snapshots")
    for point in KILLS:
        env.run_killed(*point)
        env.row_counts()
    assert env.names_containing_user()
    env.run("erase")
    assert env.names_containing_user() == set()
    assert env.count_pair() == 0
    after = env.row_counts()
    erasures = read_erasures(env)
    removed: Counter[tuple[str, str]] = Counter()
    for row in erasures:
        removed[row["what"], row["date"]] += row["removed"]
    for day in DAYS:
        assert removed["events/app", f"{day}"] == before["events/app", f"{day}"] - after["events/app", f"{day}"] == 21
    assert [row["changed"] for row in erasures if row["what"] == "quarantine/app"] == [1, 1]
    with connect(env.settings, "killed") as store:
        published = store.publications.find_one({"_id": "20261114_0"}) or {}
        assert (published["users"], published["items"], "amending" in published) == (2, 3, False)


def read_erasures(env: ErasureEnv) -> list[dict[str, Any]]:
    (manifest,) = Path(env.lake.store.root, "erasures").rglob("_manifest.json")
    folder = Path(env.lake.store.root, "erasures", json.loads(manifest.read_text())["folder"])
    return [row for file in folder.glob("*.parquet") for row in pq.read_table(file, partitioning=None).to_pylist()]


@pytest.mark.slow
def test_rerun_of_an_older_date_restores_no_deleted_data(env: ErasureEnv) -> None:
    before = env.row_counts()
    env.run("events", "snapshots", "erase", day=DAYS[0])
    assert env.names_containing_user() == set()
    env.run("events", day=DAYS[0], force=True)
    env.run("snapshots", "erase", day=DAYS[0])
    assert env.names_containing_user() == set()
    assert env.count_pair() == 0
    after = env.row_counts()
    same = [key for key in before if key[0].startswith(("events/", "quarantine/", "ingest_counts/"))]
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
