"""What a killed ingest had set aside goes when the next one starts, and never what a living one is filling."""

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
from jobs.sources.ingest.orphans import AGE, OWNER, claim, sweep

CLAIM = "import sys, time; from jobs.lake.files import FileStore; from jobs.sources.ingest.orphans import claim; "
CLAIM += "claim(FileStore(sys.argv[1]), sys.argv[2]); print(flush=True); time.sleep(600)"


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


def test_a_killed_ones_rows_go_and_a_living_ones_stay(tmp_path: Path, other: "subprocess.Popen[bytes]") -> None:
    store = FileStore(str(tmp_path))
    claim(store, "stage/run=mine")
    assert sweep(store) == 0
    assert store.folders("stage") == ["run=mine", "run=other"]
    other.send_signal(signal.SIGKILL)
    time.sleep(0.5)  # not waited for: it is a zombie now, as under a parent that was killed too
    assert sweep(store) == 1
    assert store.folders("stage") == ["run=mine"]


def test_another_process_of_the_same_number_is_not_taken_for_it(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    claim(store, "stage/run=old")
    owner = json.loads((tmp_path / "stage/run=old" / OWNER).read_text())
    store.write_json(f"stage/run=old/{OWNER}", owner | {"began": "1"})
    assert sweep(store) == 1


@pytest.mark.parametrize("text", ['{"machine": "another", "pid": 1, "began": "1"}', "", "[]", None])
def test_of_another_machine_only_age_tells(tmp_path: Path, text: str | None) -> None:
    store = FileStore(str(tmp_path))
    rows = tmp_path / "stage" / "run=far" / "rows.parquet"
    rows.parent.mkdir(parents=True)
    rows.touch()
    if text is not None:
        (rows.parent / OWNER).write_text(text)
        _age(rows.parent / OWNER, AGE * 2)
    assert sweep(store) == 0
    _age(rows, AGE + dt.timedelta(minutes=1))
    assert sweep(store) == 1


def _age(file: Path, age: dt.timedelta) -> None:
    then = time.time() - age.total_seconds()
    os.utime(file, (then, then))


def test_a_folder_without_a_file_yet_stays(tmp_path: Path) -> None:
    (tmp_path / "stage" / "run=new").mkdir(parents=True)
    assert sweep(FileStore(str(tmp_path))) == 0
