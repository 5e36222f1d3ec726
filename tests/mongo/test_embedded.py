"""The embedded mongod, a real server with passwords, restarts after kills and interrupted starts."""

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
def paths(settings: Settings) -> Iterator[MongodPaths]:
    """The paths of a mongod, which is stopped after the test."""
    yield MongodPaths(settings.var.resolve() / "mongo")
    embedded.stop(settings)


def client(uri: SecretStr | str) -> MongoClient[dict[str, Any]]:
    text = uri if isinstance(uri, str) else uri.get_secret_value()
    return MongoClient(text, serverSelectionTimeoutMS=5_000)


class ReusableServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


def kill(paths: MongodPaths) -> None:
    pid = mongod.running_pid(paths)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while mongod.running_pid(paths) is not None:
        time.sleep(0.02)


def test_data_and_port_survive_sigkill_and_restart(settings: Settings, paths: MongodPaths) -> None:
    with client(embedded.start(settings)) as owner:
        owner.night.rows.insert_one({"_id": 1})
    port = mongod.last_port(paths)
    kill(paths)
    with client(embedded.start(settings)) as owner:
        assert owner.night.rows.count_documents({}) == 1
    assert mongod.last_port(paths) == port
    assert embedded.stop(settings)
    assert mongod.running_pid(paths) is None
    assert not embedded.stop(settings)


def test_second_start_returns_the_uri_of_the_running_server(settings: Settings, paths: MongodPaths) -> None:
    first = embedded.start(settings)
    pid = mongod.running_pid(paths)
    assert embedded.start(settings) == first
    assert mongod.running_pid(paths) == pid


def test_anonymous_access_fails_and_the_analyst_only_reads(settings: Settings, paths: MongodPaths) -> None:
    with client(embedded.start(settings)) as owner:
        owner.night.rows.insert_one({"_id": 1})
    address = f"mongodb://127.0.0.1:{mongod.last_port(paths)}/?directConnection=true"
    with client(address) as nobody, pytest.raises(OperationFailure, match="authentication"):
        nobody.night.rows.find_one()
    with client((paths.folder / "analyst.uri").read_text().strip()) as analyst:
        assert analyst.night.rows.find_one() == {"_id": 1}
        with pytest.raises(OperationFailure, match="not authorized"):
            analyst.night.rows.insert_one({"_id": 2})


def test_start_chooses_another_port_when_the_last_is_taken(settings: Settings, paths: MongodPaths) -> None:
    with client(embedded.start(settings)) as owner:
        owner.night.rows.insert_one({"_id": 1})
    old = mongod.last_port(paths)
    assert old is not None
    kill(paths)
    # another program that closes every connection at once
    with ReusableServer(("127.0.0.1", old), socketserver.BaseRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        uri = embedded.start(settings)
        assert mongod.last_port(paths) != old
        with client(uri) as owner:
            owner.night.rows.insert_one({"_id": 2})
            assert owner.night.rows.count_documents({}) == 2
        other.shutdown()


def test_killed_first_start_is_set_aside_and_repeated(settings: Settings, paths: MongodPaths) -> None:
    (paths.data / "journal").mkdir(parents=True)
    (paths.data / "mongod.lock").write_text("99999\n")
    with client(embedded.start(settings)) as owner:
        owner.night.rows.insert_one({"_id": 1})
    assert len(list(paths.folder.glob("data.unfinished.*"))) == 1


def test_arguments_status_and_log_have_no_secret_and_files_are_private(settings: Settings, paths: MongodPaths) -> None:
    uri = embedded.start(settings).get_secret_value()
    password = uri.split(":")[2].split("@")[0]
    arguments = Path(f"/proc/{mongod.running_pid(paths)}/cmdline").read_text()
    assert password not in arguments + embedded.status(settings) + paths.log.read_text()
    for name in ("uri", "analyst.uri", "passwords.json", "keyfile"):
        assert stat.S_IMODE((paths.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(paths.folder.stat().st_mode) == 0o700


def test_server_listens_on_localhost_only(settings: Settings, paths: MongodPaths) -> None:
    embedded.start(settings)
    port = f"{mongod.last_port(paths):04X}"
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = "0A"
    addresses = [fields[1] for fields in sockets if fields[3] == listening and fields[1].endswith(f":{port}")]
    assert addresses == [f"0100007F:{port}"]


def test_concurrent_starts_return_the_same_uri(settings: Settings, paths: MongodPaths) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from jobs.mongo import embedded; from jobs.settings import Settings;"
        "print(embedded.start(Settings(var=Path(sys.argv[1]))).get_secret_value())"
    )
    command = [sys.executable, "-c", code, str(settings.var)]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    uris = {start.communicate(timeout=120)[0] for start in starts}
    assert len(uris) == 1
    assert uris.pop().startswith("mongodb://pmrs:")


def test_missing_password_file_raises_with_its_name(settings: Settings, paths: MongodPaths) -> None:
    embedded.start(settings)
    embedded.stop(settings)
    (paths.folder / "passwords.json").unlink()
    with pytest.raises(StoreError, match=r"passwords\.json"):
        embedded.start(settings)


def test_mongod_that_cannot_start_raises_with_the_name_of_its_log(settings: Settings, paths: MongodPaths) -> None:
    embedded.start(settings)
    embedded.stop(settings)
    for file in paths.data.glob("WiredTiger*"):
        file.write_bytes(b"broken")
    with pytest.raises(StoreError, match=r"mongod\.log"):
        embedded.start(settings)
