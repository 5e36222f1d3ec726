"""Work on files that may be hostile, done in a process beside this one: a file that kills it or holds it up costs itself alone."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from jobs.audio.decode import Unusable

Work = Callable[[dict[str, Any]], Any]
"""From a file (what `work` needs to know of it) to what is wanted of it; raises Unusable."""


class Guard:
    """Does `work` on one file after the other, `seconds` for each at most."""

    def __init__(self, work: Work, seconds: float) -> None:
        """Nothing is started before the first file."""
        self._work, self._seconds = work, seconds
        self._process: Any = None
        self._pipe: Any = None

    def __call__(self, file: dict[str, Any]) -> Any:
        """What `work` gives. Raises Unusable where that does, where it took too long, fell over, or took its process with it."""
        if self._process is None:
            self._start()
        try:
            self._pipe.send(file)
            if not self._pipe.poll(self._seconds):
                self.close()
                raise Unusable("timed_out", f"it took more than {self._seconds:g} s")
            done, found = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            how = self._process.exitcode
            self.close()
            raise Unusable("crashed", f"the process that read it died ({_named(how)})") from None
        if done:
            return found
        raise Unusable(*found)

    def _start(self) -> None:
        # forked, so that what this process has loaded need not be loaded again: nothing here has started threads yet
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._pipe, theirs, self._work), daemon=True)
        self._process.start()
        theirs.close()

    def close(self) -> None:
        """End the process beside this one, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None


@contextmanager
def guarded(work: Work, seconds: float) -> Iterator[Guard]:
    """A guard that is closed in the end."""
    guard = Guard(work, seconds)
    try:
        yield guard
    finally:
        guard.close()


def _serve(theirs: Connection, pipe: Connection, work: Work) -> None:
    theirs.close()  # or the end of the other process would not be seen
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            file = pipe.recv()
        except EOFError:
            return
        try:
            found = (True, work(file))
        except Unusable as why:
            found = (False, (why.rule, why.reason))
        except Exception as error:
            found = (False, ("failed", f"{type(error).__name__}: {error}"))
        pipe.send(found)


def _named(status: int | None) -> str:
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"
