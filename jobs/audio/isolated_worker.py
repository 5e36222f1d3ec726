"""Process files that may be hostile in a child process: a file that crashes or blocks it affects no other file."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from jobs.audio.decode import UnusableAudio

Extract = Callable[[dict[str, Any]], Any]
"""Takes a file (its fields as a dict) and returns the extracted data. Raises UnusableAudio."""


class IsolatedWorker:
    """Applies `extract` to one file after the other in a child process, with a time limit for each (seconds)."""

    def __init__(self, extract: Extract, timeout_s: float) -> None:
        """Start nothing before the first file."""
        self._extract, self._timeout_s = extract, timeout_s
        self._process: Any = None
        self._pipe: Any = None

    def __call__(self, file: dict[str, Any]) -> Any:
        """Return the result of `extract`.

        Raises UnusableAudio if `extract` does, if it fails or takes too long, or if the process dies.
        """
        if self._process is None:
            self._start()
        try:
            self._pipe.send(file)
            if not self._pipe.poll(self._timeout_s):
                self.close()
                raise UnusableAudio("timed_out", f"it took more than {self._timeout_s:g} s")
            succeeded, result = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            exit_code = self._process.exitcode
            self.close()
            raise UnusableAudio("crashed", f"the process that read it died ({_exit_reason(exit_code)})") from None
        if succeeded:
            return result
        raise UnusableAudio(*result)

    def _start(self) -> None:
        # forked, so that the child has all loaded modules: no thread has been started at this point
        context = multiprocessing.get_context("fork")
        self._pipe, child_pipe = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._pipe, child_pipe, self._extract), daemon=True)
        self._process.start()
        child_pipe.close()

    def close(self) -> None:
        """Kill the child process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


@contextmanager
def isolated_worker(extract: Extract, timeout_s: float) -> Iterator[IsolatedWorker]:
    """Yield a worker and close it at the end."""
    worker = IsolatedWorker(extract, timeout_s)
    try:
        yield worker
    finally:
        worker.close()


def _serve(parent_pipe: Connection, pipe: Connection, extract: Extract) -> None:
    parent_pipe.close()  # otherwise the end of the parent would not be noticed
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            file = pipe.recv()
        except EOFError:
            return
        try:
            reply = (True, extract(file))
        except UnusableAudio as error:
            reply = (False, (error.rule, error.reason))
        except Exception as error:
            reply = (False, ("failed", f"{type(error).__name__}: {error}"))
        pipe.send(reply)


def _exit_reason(status: int | None) -> str:
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"
