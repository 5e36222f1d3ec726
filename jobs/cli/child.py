"""Run a long child process with its output in a file, and stop it together with its descendants."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

import psutil

STOP_SECONDS = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ProcessTree:
    """`command` in its own session. A context manager: its exit stops the command and all descendants."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        """Start the command; its output is appended to `log`."""
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = log.stat().st_size if log.exists() else 0
        self._stopped = False
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def __enter__(self) -> "ProcessTree":
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self.stop()

    @property
    def running(self) -> bool:
        """True while the command runs."""
        return self._process.poll() is None

    @property
    def code(self) -> int:
        """Exit status of the command; waits for its end."""
        return self._process.wait()

    def stop(self) -> None:
        """End the command and all its descendants: by SIGTERM, and after 5 s by SIGKILL.

        Descendants are ended one by one, because Airflow starts its shells in sessions of their own.
        """
        started = self._processes()
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for process in started:
                with contextlib.suppress(psutil.NoSuchProcess):
                    end(process)
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                self._process.poll()
                started = {process for process in started if _is_alive(process)} | self._processes()
                if not started:
                    return
                time.sleep(0.1)

    def _processes(self) -> set[psutil.Process]:
        """Return the command's process and its descendants; an empty set if it has ended."""
        try:
            root = psutil.Process(self._process.pid)
            return {root, *root.children(recursive=True)}
        except psutil.NoSuchProcess:
            return set()

    def own_output(self) -> str:
        """Return what this command wrote to the log, without the output of earlier commands."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")


def descendants(root: int) -> list[int]:
    """Return the ids of all descendants of process `root`; an empty list if it has ended."""
    try:
        return [process.pid for process in psutil.Process(root).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def stop_requested() -> Iterator[list[int]]:
    """Yield a list to which the numbers of SIGINT, SIGTERM and SIGHUP are appended as they arrive."""
    signals: list[int] = []

    def record(number: int, _: FrameType | None) -> None:
        signals.append(number)

    previous = {sign: signal.signal(sign, record) for sign in SIGNALS}
    try:
        yield signals
    finally:
        for sign, handler in previous.items():
            signal.signal(sign, handler)
