"""A file that hangs, kills or breaks whoever reads it."""

import faulthandler
import os
import signal
import time
from typing import Any

import pytest

from jobs.audio.decode import Unusable
from jobs.audio.guard import guarded


def does(file: dict[str, Any]) -> str:
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
            raise Unusable("silent", "nothing to hear")
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
def test_a_bad_file_costs_itself_alone(path: str, rule: str, reason: str) -> None:
    with guarded(does, 2.0) as guard:
        before = guard({"path": "good"})
        began = time.monotonic()
        with pytest.raises(Unusable) as told:
            guard({"path": path})
        assert time.monotonic() - began < 30
        assert told.value.rule == rule
        assert reason in told.value.reason
        after = guard({"path": "good"})
    # whoever reads is another process than this one, and another one where the first was lost
    assert str(os.getpid()) not in before
    assert (before == after) == (rule in {"failed", "silent"})
    with pytest.raises(ProcessLookupError):
        os.kill(int(after.split()[-1]), 0)


def test_a_process_that_is_lost_between_two_files_does_not_stop_the_work() -> None:
    with guarded(does, 2.0) as guard:
        pid = int(guard({"path": "good"}).split()[-1])
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(Unusable, match=r"died \(SIGKILL\)"):
            guard({"path": "good"})
        assert guard({"path": "good"})
