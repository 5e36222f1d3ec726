"""Staging folders of killed ingests are removed, those of living ones never."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.lake.files import FileStore
from jobs.settings import REPOSITORY
from jobs.sources.ingest.orphans import ORPHAN_AGE, OWNER_FILE, claim_folder, remove_orphans

CLAIM = (
    "import sys, time; from jobs.lake.files import FileStore; from jobs.sources.ingest.orphans import claim_folder; "
)
CLAIM += "claim_folder(FileStore(sys.argv[1]), sys.argv[2]); print(flush=True); time.sleep(600)"


@pytest.fixture
def other(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that fills `stage/run=other`."""
    command = [sys.executable, "-c", CLAIM, str(tmp_path), "stage/run=other"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_folders_of_killed_processes_are_removed_and_those_of_living_ones_stay(
    tmp_path: Path, other: "subprocess.Popen[bytes]"
) -> None:
    store = FileStore(str(tmp_path))
    claim_folder(store, "stage/run=own")
    assert remove_orphans(store) == 0
    assert store.folders("stage") == ["run=other", "run=own"]
    other.send_signal(signal.SIGKILL)
    time.sleep(0.5)  # without waiting: it is a zombie, as below a parent that was killed too
    assert remove_orphans(store) == 1
    assert store.folders("stage") == ["run=own"]


def test_a_process_with_a_reused_pid_is_not_the_owner(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    claim_folder(store, "stage/run=old")
    owner = json.loads((tmp_path / "stage/run=old" / OWNER_FILE).read_text())
    store.write_json(f"stage/run=old/{OWNER_FILE}", owner | {"began": "1"})
    assert remove_orphans(store) == 1


@pytest.mark.parametrize("text", ['{"machine": "another", "pid": 1, "began": "1"}', "", "[]", None])
def test_folders_of_other_machines_are_removed_by_age(tmp_path: Path, text: str | None) -> None:
    store = FileStore(str(tmp_path))
    rows = tmp_path / "stage" / "run=far" / "rows.parquet"
    rows.parent.mkdir(parents=True)
    rows.touch()
    if text is not None:
        (rows.parent / OWNER_FILE).write_text(text)
        _age(rows.parent / OWNER_FILE, ORPHAN_AGE * 2)
    assert remove_orphans(store) == 0
    _age(rows, ORPHAN_AGE + dt.timedelta(minutes=1))
    assert remove_orphans(store) == 1


def _age(file: Path, age: dt.timedelta) -> None:
    then = time.time() - age.total_seconds()
    os.utime(file, (then, then))


def test_a_folder_without_files_stays(tmp_path: Path) -> None:
    (tmp_path / "stage" / "run=new").mkdir(parents=True)
    assert remove_orphans(FileStore(str(tmp_path))) == 0
