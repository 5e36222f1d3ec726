"""Files that block, kill or break the process that reads them."""

import faulthandler
import os
import signal
import time
from typing import Any

import pytest

from jobs.audio.decode import UnusableAudio
from jobs.audio.isolated_worker import isolated_worker


def extract(file: dict[str, Any]) -> str:
    match file["path"]:
        case "killer":
            faulthandler.disable()
            os.kill(os.getpid(), signal.SIGSEGV)
        case "leaver":
            os._exit(3)
        case "sleeper":
            time.sleep(60)
        case "stumbler":
            raise ValueError("no such chunk")
        case "known":
            raise UnusableAudio("silent", "nothing to hear")
    return f"{file['path']} by {os.getpid()}"


@pytest.mark.parametrize(
    ("path", "rule", "reason"),
    [
        ("killer", "crashed", "SIGSEGV"),
        ("leaver", "crashed", "exit status 3"),
        ("sleeper", "timed_out", "more than 2 s"),
        ("stumbler", "failed", "ValueError: no such chunk"),
        ("known", "silent", "nothing to hear"),
    ],
)
def test_a_bad_file_affects_no_other(path: str, rule: str, reason: str) -> None:
    with isolated_worker(extract, 2.0) as worker:
        first_reply = worker({"path": "good"})
        start = time.monotonic()
        with pytest.raises(UnusableAudio) as error:
            worker({"path": path})
        assert time.monotonic() - start < 30
        assert error.value.rule == rule
        assert reason in error.value.reason
        second_reply = worker({"path": "good"})
    # the worker is another process, and a new one after the first has died
    assert str(os.getpid()) not in first_reply
    assert (first_reply == second_reply) == (rule in {"failed", "silent"})
    with pytest.raises(ProcessLookupError):
        os.kill(int(second_reply.split()[-1]), 0)


def test_a_process_that_dies_between_two_files_is_restarted() -> None:
    with isolated_worker(extract, 2.0) as worker:
        pid = int(worker({"path": "good"}).split()[-1])
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(UnusableAudio, match=r"died \(SIGKILL\)"):
            worker({"path": "good"})
        assert worker({"path": "good"})
