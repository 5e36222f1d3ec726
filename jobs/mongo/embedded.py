"""The embedded MongoDB, used if PMRS_MONGO_URI is not set: a real mongod on 127.0.0.1 with passwords.

`start` may be called at any time, also after a kill of all processes, and by several processes at once. Files, all
under VAR/mongo (mode 0700): `uri` for the owner `pmrs`, `analyst.uri` for the read-only user `analyst`, both 0600.
"""

import contextlib
import fcntl
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from jobs.atomic_io import write_atomic
from jobs.errors import StoreError
from jobs.mongo import mongod
from jobs.mongo.mongod import MongodPaths
from jobs.settings import Settings

START_SECONDS = 90.0
"""Seconds to wait for mongod. A killed one replays its journal first, which takes long on a slow disk."""
ROLES = {
    # the jobs' user creates collections, views, validators and further users
    "pmrs": ["readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase", "clusterAdmin"],
    "analyst": ["readAnyDatabase"],
}
FILES = {"pmrs": "uri", "analyst": "analyst.uri"}
READY = "ready"
"""File that marks a completed first start. Before that there is a data folder, but no user to log in as."""
Client = MongoClient[dict[str, Any]]


def start(settings: Settings) -> SecretStr:
    """Start the embedded mongod unless it runs, and return the owner's URI.

    Raises StoreError, which names the log, if it does not start.
    """
    paths = paths_of(settings)
    with _locked(paths):
        passwords = _passwords(paths)
        _set_unfinished_aside(paths)
        port = mongod.last_port(paths)
        if mongod.running_pid(paths) is None or port is None:
            mongod.terminate(paths)
            port = _start_process(paths)
        _wait_until_it_answers(paths, port)
        _make_replica_set(paths, port, passwords)
        for user in ROLES:
            _make_user(paths, port, passwords, user)
            _write_secret(paths.folder / FILES[user], _uri(user, passwords[user], port))
        (paths.folder / READY).touch()
        return SecretStr(_uri("pmrs", passwords["pmrs"], port))


def stop(settings: Settings) -> bool:
    """Stop the embedded mongod; its data stays. Returns False if none ran."""
    paths = paths_of(settings)
    if not paths.folder.is_dir():
        return False
    with _locked(paths):
        return mongod.terminate(paths)


def status(settings: Settings) -> str:
    """Return one sentence on the state of the embedded mongod, without a password."""
    paths = paths_of(settings)
    pid = mongod.running_pid(paths)
    if pid is None:
        return "The embedded MongoDB does not run; `make mongo` starts it."
    owner, analyst = (paths.folder / FILES[user] for user in ("pmrs", "analyst"))
    where = f"mongodb://127.0.0.1:{mongod.last_port(paths)} (process {pid})"
    return f"The embedded MongoDB runs at {where}; URIs with passwords: {owner} (owner), {analyst} (read only)."


def paths_of(settings: Settings) -> MongodPaths:
    """Return the paths of the embedded mongod: below VAR/mongo."""
    return MongodPaths(settings.var.resolve() / "mongo")


@contextlib.contextmanager
def _locked(paths: MongodPaths) -> Iterator[None]:
    """Lock the folder, because two simultaneous starts would choose two ports for it.

    The second start waits, then uses the mongod of the first.
    """
    paths.folder.mkdir(parents=True, exist_ok=True)
    paths.folder.chmod(0o700)
    with (paths.folder / "lock").open("w") as lock:
        # no child inherits the lock, and the kernel frees it however this process ends
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write_secret(path: Path, text: str) -> None:
    """Write a file of mode 0600. It survives a loss of power: mongod's users may already have the password."""
    write_atomic(path, text + "\n", mode=0o600, sync=True)


def _passwords(paths: MongodPaths) -> dict[str, str]:
    """Return random passwords, stored before any user is created with them: a kill then leaves no unknown password."""
    path = paths.folder / "passwords.json"
    if not path.is_file():
        _write_secret(path, json.dumps({user: secrets.token_urlsafe(24) for user in ROLES}))
    if not paths.keyfile.is_file():
        _write_secret(paths.keyfile, secrets.token_hex(64))
    passwords: dict[str, str] = json.loads(path.read_text())
    return passwords


def _set_unfinished_aside(paths: MongodPaths) -> None:
    """Move the data of a killed first start aside: it has no users. Nothing is deleted."""
    if paths.data.is_dir() and not (paths.folder / READY).is_file():
        mongod.terminate(paths)
        paths.data.rename(paths.folder / f"data.unfinished.{time.time_ns()}")


def _start_process(paths: MongodPaths) -> int:
    """Start mongod and return its port; tries another port if a process takes the first between check and bind."""
    port_last_used = mongod.last_port(paths)
    for _ in range(3):
        port = mongod.choose_port(port_last_used)
        process = mongod.spawn(paths, port)
        if _listens(paths, port, process):
            _write_secret(paths.port_file, str(port))
            return port
        port_last_used = None
        if "Address already in use" not in paths.log.read_text(errors="replace") if paths.log.is_file() else True:
            break
    raise StoreError(mongod.why_it_ended(paths))


def _listens(paths: MongodPaths, port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with _client(port, timeout_ms=500) as client, contextlib.suppress(PyMongoError):
            client.admin.command("ping")
            return True
        time.sleep(0.1)
    return False


def _wait_until_it_answers(paths: MongodPaths, port: int) -> None:
    with _client(port, timeout_ms=int(START_SECONDS * 1000)) as client:
        try:
            client.admin.command("ping")
        except PyMongoError:
            raise StoreError(
                f"The embedded MongoDB runs but does not answer at 127.0.0.1:{port}; see {paths.log}, "
                "then `make stop` and start again."
            ) from None


def _client(port: int, user: str | None = None, password: str | None = None, timeout_ms: int = 10_000) -> Client:
    """Connect directly: this server is the only node of the replica set."""
    return MongoClient(
        "127.0.0.1", port, username=user, password=password, directConnection=True,
        serverSelectionTimeoutMS=timeout_ms, connectTimeoutMS=5_000,
    )  # fmt: skip


def _uri(user: str, password: str, port: int) -> str:
    # token_urlsafe needs no escaping in a URI
    return f"mongodb://{user}:{password}@127.0.0.1:{port}/?authSource=admin&directConnection=true"


def _make_replica_set(paths: MongodPaths, port: int, passwords: dict[str, str]) -> None:
    """Initiate the replica set, or set its new port, then wait until its one member is primary."""
    config = {"_id": mongod.REPLICA_SET, "members": [{"_id": 0, "host": f"127.0.0.1:{port}"}]}
    deadline = time.monotonic() + START_SECONDS
    with _client(port) as anybody:
        if (paths.folder / READY).is_file():
            with _client(port, "pmrs", passwords["pmrs"]) as owner:
                while not _follows_port(paths, owner, config) and time.monotonic() < deadline:
                    time.sleep(0.1)
        else:
            anybody.admin.command("replSetInitiate", config)
        while not anybody.admin.command("hello").get("isWritablePrimary"):
            if time.monotonic() > deadline:
                raise StoreError(f"The embedded MongoDB does not become writable; see {paths.log}.")
            time.sleep(0.1)


def _follows_port(paths: MongodPaths, owner: Client, config: dict[str, Any]) -> bool:
    """Update the address of the set's member if it changed. Returns False while the configuration is being read."""
    try:
        now = owner.admin.command("replSetGetConfig")["config"]
        if now["members"][0]["host"] != config["members"][0]["host"]:
            # forced: a member whose address changed is no longer in its own configuration, and elects no primary
            owner.admin.command("replSetReconfig", {**now, **config, "version": now["version"] + 1}, force=True)
    except OperationFailure as error:
        if error.code == 18:
            raise StoreError(_wrong_password(paths, "pmrs")) from None
        # 94: not read yet; 93 and 109: the configuration is being changed
        if error.code not in {93, 94, 109}:
            raise
        return False
    return True


def _wrong_password(paths: MongodPaths, user: str) -> str:
    return (
        f"The embedded MongoDB has a user {user} with another password than {paths.folder / 'passwords.json'}; "
        f"restore that file, or move {paths.folder} away to start from the beginning."
    )


def _make_user(paths: MongodPaths, port: int, passwords: dict[str, str], user: str) -> None:
    """Create the user unless it can log in. The first is created without a login, which mongod allows on localhost."""
    if _can_log_in(port, user, passwords[user]):
        return
    maker = _client(port) if user == "pmrs" else _client(port, "pmrs", passwords["pmrs"])
    with maker:
        try:
            maker.admin.command("createUser", user, pwd=passwords[user], roles=ROLES[user])
        except OperationFailure:
            raise StoreError(_wrong_password(paths, user)) from None


def _can_log_in(port: int, user: str, password: str) -> bool:
    with _client(port, user, password) as client:
        try:
            client.admin.command("ping")
        except OperationFailure as error:
            if error.code == 18:
                return False
            raise
        return True
