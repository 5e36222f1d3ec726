"""The embedded mongod: a real server with passwords, which comes back from whatever was done to it."""

import os
import signal
import socketserver
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from jobs.errors import StoreError
from jobs.mongo import embedded, mongod
from jobs.mongo.mongod import MongodPaths
from jobs.settings import Settings


@pytest.fixture
def place(settings: Settings) -> Iterator[MongodPaths]:
    """The folder of a mongod that is stopped after the test, whatever happened."""
    yield MongodPaths(settings.var.resolve() / "mongo")
    embedded.stop(settings)


def client(uri: SecretStr | str) -> MongoClient[dict[str, Any]]:
    text = uri if isinstance(uri, str) else uri.get_secret_value()
    return MongoClient(text, serverSelectionTimeoutMS=5_000)


class ReusableServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


def kill(place: MongodPaths) -> None:
    pid = mongod.running_pid(place)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while mongod.running_pid(place) is not None:
        time.sleep(0.02)


def test_data_outlives_kill_9_and_stop(settings: Settings, place: MongodPaths) -> None:
    with client(embedded.start(settings)) as owner:
        owner.night.kept.insert_one({"_id": 1})
    port = mongod.last_port(place)
    kill(place)
    with client(embedded.start(settings)) as owner:
        assert owner.night.kept.count_documents({}) == 1
    assert mongod.last_port(place) == port
    assert embedded.stop(settings)
    assert mongod.running_pid(place) is None
    assert not embedded.stop(settings)


def test_starting_twice_finds_the_first(settings: Settings, place: MongodPaths) -> None:
    first = embedded.start(settings)
    pid = mongod.running_pid(place)
    assert embedded.start(settings) == first
    assert mongod.running_pid(place) == pid


def test_nobody_is_let_in_and_the_analyst_only_reads(settings: Settings, place: MongodPaths) -> None:
    with client(embedded.start(settings)) as owner:
        owner.night.kept.insert_one({"_id": 1})
    address = f"mongodb://127.0.0.1:{mongod.last_port(place)}/?directConnection=true"
    with client(address) as nobody, pytest.raises(OperationFailure, match="authentication"):
        nobody.night.kept.find_one()
    with client((place.folder / "analyst.uri").read_text().strip()) as analyst:
        assert analyst.night.kept.find_one() == {"_id": 1}
        with pytest.raises(OperationFailure, match="not authorized"):
            analyst.night.kept.insert_one({"_id": 2})


def test_a_taken_port_is_left_to_its_owner(settings: Settings, place: MongodPaths) -> None:
    with client(embedded.start(settings)) as owner:
        owner.night.kept.insert_one({"_id": 1})
    old = mongod.last_port(place)
    assert old is not None
    kill(place)
    # a program that hangs up at once, as most do that are no mongod
    with ReusableServer(("127.0.0.1", old), socketserver.BaseRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        uri = embedded.start(settings)
        assert mongod.last_port(place) != old
        with client(uri) as owner:
            owner.night.kept.insert_one({"_id": 2})
            assert owner.night.kept.count_documents({}) == 2
        other.shutdown()


def test_a_first_start_that_was_killed_is_begun_anew(settings: Settings, place: MongodPaths) -> None:
    (place.data / "journal").mkdir(parents=True)
    (place.data / "mongod.lock").write_text("99999\n")
    with client(embedded.start(settings)) as owner:
        owner.night.kept.insert_one({"_id": 1})
    assert len(list(place.folder.glob("data.unfinished.*"))) == 1


def test_no_secret_in_arguments_or_status_and_files_are_private(settings: Settings, place: MongodPaths) -> None:
    uri = embedded.start(settings).get_secret_value()
    password = uri.split(":")[2].split("@")[0]
    arguments = Path(f"/proc/{mongod.running_pid(place)}/cmdline").read_text()
    assert password not in arguments + embedded.status(settings) + place.log.read_text()
    for name in ("uri", "analyst.uri", "passwords.json", "keyfile"):
        assert stat.S_IMODE((place.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700


def test_only_this_machine_can_connect(settings: Settings, place: MongodPaths) -> None:
    embedded.start(settings)
    port = f"{mongod.last_port(place):04X}"
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = "0A"
    found = [fields[1] for fields in sockets if fields[3] == listening and fields[1].endswith(f":{port}")]
    assert found == [f"0100007F:{port}"]


def test_two_starts_at_once_agree(settings: Settings, place: MongodPaths) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from jobs.mongo import embedded; from jobs.settings import Settings;"
        "print(embedded.start(Settings(var=Path(sys.argv[1]))).get_secret_value())"
    )
    command = [sys.executable, "-c", code, str(settings.var)]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = {start.communicate(timeout=120)[0] for start in starts}
    assert len(told) == 1
    assert told.pop().startswith("mongodb://pmrs:")


def test_a_lost_password_file_is_named(settings: Settings, place: MongodPaths) -> None:
    embedded.start(settings)
    embedded.stop(settings)
    (place.folder / "passwords.json").unlink()
    with pytest.raises(StoreError, match=r"passwords\.json"):
        embedded.start(settings)


def test_a_mongod_that_cannot_start_says_where_to_look(settings: Settings, place: MongodPaths) -> None:
    embedded.start(settings)
    embedded.stop(settings)
    for file in place.data.glob("WiredTiger*"):
        file.write_bytes(b"broken")
    with pytest.raises(StoreError, match=r"mongod\.log"):
        embedded.start(settings)
