"""A stopped night leaves no process behind, not even one that left its parent's process group or ignores SIGTERM."""

import os
import signal
import sys
import time
from pathlib import Path

from jobs.cli.child import ProcessTree, descendants, stop_requested

# as Airflow does: a shell in a session of its own, which starts a program that does not listen
STUBBORN = """
import subprocess, sys
inner = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(300)"
subprocess.run([sys.executable, "-c", inner], start_new_session=True)
"""


def started(child: ProcessTree, word: str) -> None:
    deadline = time.monotonic() + 30
    while word not in child.own_output():
        assert time.monotonic() < deadline, child.own_output()
        time.sleep(0.05)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_leaving_stops_every_descendant(tmp_path: Path) -> None:
    before = set(descendants(os.getpid()))
    with ProcessTree([sys.executable, "-c", STUBBORN], os.environ, tmp_path / "night.log") as child:
        started(child, "ready")
        below = set(descendants(os.getpid())) - before
        assert len(below) == 2
    assert not child.running
    assert not [pid for pid in below if alive(pid)]


def test_a_log_is_continued_and_only_the_own_part_is_read(tmp_path: Path) -> None:
    log = tmp_path / "night.log"
    for word in ("first", "second"):
        with ProcessTree([sys.executable, "-c", f"print('{word}'); raise SystemExit(3)"], os.environ, log) as child:
            assert child.code == 3
    assert child.own_output() == "second\n"
    assert log.read_text() == "first\nsecond\n"


def test_signals_are_noted_and_then_given_back() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with stop_requested() as signals:
        assert signals == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == handler
