"""The job `forget` really killed, by SIGKILL in a process of its own, at three points of its way; and an older date after it.

More points, by exceptions in this process, in tests/night/test_forget.py: each real kill costs a Spark of its own.
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
from tests.night.house import QUICK_JAVA

DAY = dt.date(2026, 11, 14)
DAYS = (DAY - dt.timedelta(days=1), DAY)
GONE, MAKER, PAIR = "forget-me-77", "pair-maker-88", "T5"
DRIVER = f"""
import datetime, importlib, os, signal, sys

module, owner, name, at = sys.argv[1:]
place = importlib.import_module(module)
place = getattr(place, owner) if owner else place
real, calls = getattr(place, name), []

def dying(*given, **named):
    calls.append(1)
    if len(calls) == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)

setattr(place, name, dying)
from jobs.runner import run_named
from jobs.settings import Settings
run_named(Settings(holder_pid=os.getpid()), "forget", datetime.date({DAY:%Y, %-m, %-d}))
"""
KILLS = [
    ("jobs.lake.lake", "Lake", "rewrite", 2),  # one part is amended, the next is not begun
    ("jobs.lake.lake", "Lake", "commit", 2),  # written and noted, not valid
    ("jobs.lake.files", "FileStore", "remove", 3),  # valid, the old rows still there
]


class House:
    """Two days of a log, a snapshot of counts, and a night in MongoDB."""

    def __init__(self, folder: Path, uri: SecretStr) -> None:
        self.wishes, file = folder / "wishes.txt", folder / "sources.toml"
        self.wishes.write_text("# nobody yet\n")
        for day in DAYS:
            log = folder / "logs" / f"dt={day}" / "a.jsonl"
            log.parent.mkdir(parents=True)
            log.write_text("\n".join(_lines(day)) + "\n")
        counts = [f"{user}\tSOAAAAA12A0000000{n}\t3" for n in range(3) for user in (GONE, MAKER, "other")]
        (folder / "counts.txt").write_text("\n".join(counts) + "\n")
        app = f'[[source]]\nname = "app"\nformat = "app_log"\npath = "{folder}/logs"\n'
        profile = f'[[source]]\nformat = "taste_profile"\npath = "{folder}/counts.txt"\nas_of = {DAYS[0]}\n'
        wishes = f'[[source]]\nformat = "deletions"\npath = "{self.wishes}"\n'
        file.write_text(f'name = "killed"\ngenres = "pmrs7"\n{app}{profile}{wishes}')
        self.settings = Settings(var=folder / "var", sources=file, mongo_uri=uri, master="local[2]", driver_memory="2g")
        self.lake = Lake(f"{self.settings.lake_root}/killed")

    def run(self, *jobs: str, day: dt.date = DAY, force: bool = False) -> None:
        for job in jobs:
            run_named(self.settings, job, day, force=force)

    def run_killed(self, *point: Any) -> None:
        """`forget` in a process that ends itself as `kill -9` would."""
        uri = self.settings.mongo_uri.get_secret_value() if self.settings.mongo_uri else ""
        told = {"VAR": self.settings.var, "SOURCES": self.settings.sources, "MONGO_URI": uri, "MASTER": "local[2]"}
        environment = os.environ | {f"PMRS_{name}": str(value) for name, value in told.items()}
        environment |= {"PMRS_DRIVER_MEMORY": "2g", "JDK_JAVA_OPTIONS": QUICK_JAVA}
        command = [sys.executable, "-c", DRIVER, *map(str, point)]
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr[-3_000:]

    def publish(self) -> None:
        """A night's lists, as one that was published has left them."""
        with connect(self.settings, "killed") as store:
            for user in (GONE, MAKER, "other"):
                items = [{"rank": n + 1, "track_id": track, "why": "popular"} for n, track in enumerate((PAIR, "T6"))]
                document: dict[str, Any] = {"_id": f"{user}|overall", "user_id": user, "list": "overall", "items": items}
                store["recommendations__20261114_0"].insert_one(document)
            store.runs.insert_one({"_id": "20261114_0", "date": f"{DAY}", "status": "published", "publication": {"users": 3}})
            store.publications.insert_one({"_id": "20261114_0", "date": f"{DAY}", "users": 3, "lists": 3, "items": 6})

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of all files of the lake and of all documents; Parquet as rows, base64 undone."""
        for path in (p for p in Path(self.lake.store.root).rglob("*") if p.is_file()):
            yield str(path), path.read_bytes()
            if path.suffix == ".parquet":
                rows = pq.read_table(path, partitioning=None).to_pylist()
                yield str(path), json.dumps(rows, default=str).encode()
                yield str(path), b"\n".join(base64.b64decode(row["raw"]) for row in rows if row.get("raw"))
        with connect(self.settings, "killed") as store:
            for name in store.list_collection_names():
                yield name, json.dumps(list(store[name].find()), default=str).encode()

    def holding(self) -> set[str]:
        return {name for name, data in self.everything() if GONE.encode() in data}

    def pairs(self) -> int:
        """Events and list items that still tell of the pair."""
        tables = [json.loads(data) for name, data in self.everything() if name.endswith(".parquet") and data.startswith(b"[")]
        rows = [row for rows in tables for row in rows]
        with connect(self.settings, "killed") as store:
            rows += [{"user_id": d["user_id"], **item} for d in store["recommendations__20261114_0"].find() for item in d["items"]]
        return sum((row.get("user_id"), row.get("track_id")) == (MAKER, PAIR) for row in rows)

    def sizes(self) -> dict[tuple[str, str], int]:
        """Rows by part and date, as the manifests say, once the files were found to hold as many."""
        found = {}
        for path in Path(self.lake.store.root).rglob("_manifest.json"):
            manifest = json.loads(path.read_text())
            place = Path(self.lake.store.root) / manifest["table"] / manifest["folder"]
            files = place.glob("*.parquet") if manifest["folder"] else ()
            assert sum(pq.read_metadata(file).num_rows for file in files) == manifest["rows"], manifest
            found[manifest["table"], manifest["date"]] = manifest["rows"]
        return found


def _lines(day: dt.date) -> Iterator[str]:
    for user in (GONE, MAKER, "other"):
        for n in range(20):
            yield json.dumps({"user_id": user, "track_id": f"T{n}", "event": "play", "played_at": f"{day}T10:00:{n:02d}Z"})
    yield f'{{"user_id": "{GONE}", "event": '


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, mongo_uri: SecretStr, spark: SparkSession) -> House:
    house = House(tmp_path_factory.mktemp("killed"), mongo_uri)
    house.run("events", "snapshots", "forget")
    house.publish()
    return house


@pytest.mark.slow
def test_killed_anywhere_it_forgets_all_and_tells_of_it_once(house: House) -> None:
    before = house.sizes()
    assert house.pairs() == 3
    house.wishes.write_text(f"{GONE}\n{MAKER}\t{PAIR}\n")
    house.run("snapshots")
    for point in KILLS:
        house.run_killed(*point)
        house.sizes()
    assert house.holding()
    house.run("forget")
    assert house.holding() == set()
    assert house.pairs() == 0
    after = house.sizes()
    told = _told(house)
    removed: Counter[tuple[str, str]] = Counter()
    for row in told:
        removed[row["what"], row["date"]] += row["removed"]
    for day in DAYS:
        assert removed["events/app", f"{day}"] == before["events/app", f"{day}"] - after["events/app", f"{day}"] == 21
    assert [row["changed"] for row in told if row["what"] == "quarantine/app"] == [1, 1]
    with connect(house.settings, "killed") as store:
        published = store.publications.find_one({"_id": "20261114_0"}) or {}
        assert (published["users"], published["items"], "amending" in published) == (2, 3, False)


def _told(house: House) -> list[dict[str, Any]]:
    (manifest,) = Path(house.lake.store.root, "erasures").rglob("_manifest.json")
    folder = Path(house.lake.store.root, "erasures", json.loads(manifest.read_text())["folder"])
    return [row for file in folder.glob("*.parquet") for row in pq.read_table(file, partitioning=None).to_pylist()]


@pytest.mark.slow
def test_an_older_date_that_is_run_again_brings_nobody_back(house: House) -> None:
    before = house.sizes()
    house.run("events", "snapshots", "forget", day=DAYS[0])
    assert house.holding() == set()
    house.run("events", day=DAYS[0], force=True)
    house.run("snapshots", "forget", day=DAYS[0])
    assert house.holding() == set()
    assert house.pairs() == 0
    after = house.sizes()
    same = [key for key in before if key[0].startswith(("events/", "quarantine/", "ingest_counts/"))]
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
