"""All tests, in three processes at a time: `make test`. One keeps little more than one core busy.

All arguments are passed to pytest. Groups of folders start in order, the longest first. A group's output, with its slowest
tests, is printed at its end. (pytest-xdist cannot keep a folder's tests together under pytest 9.2.)
"""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOGETHER = 3
GROUPS = (("night",), ("sources",), ("evaluate", "audio", "embeddings"), ("collaborative", "artists", "genre", "content"))
"""Folders under tests/; all others make one more group. Each group starts a Spark and a MongoDB of its own."""


def main(arguments: list[str]) -> int:
    """Run pytest on all groups. Return the exit status of a group that failed, or 0."""
    named = {f"tests/{folder}" for group in GROUPS for folder in group}
    groups = [tuple(f"tests/{folder}" for folder in group) for group in GROUPS]
    groups.append(("tests", *(f"--ignore={folder}" for folder in sorted(named))))
    running: list[subprocess.Popen[str]] = []
    lock = threading.Lock()

    def run(group: tuple[str, ...]) -> int:
        began = time.monotonic()
        name = " ".join(group) if group[0] != "tests" else "all other tests"
        with lock:
            print(f"{name}: begun", flush=True)
        # each process would overwrite the others' cache of results
        command = (sys.executable, "-m", "pytest", *arguments, "-p", "no:cacheprovider", "--durations=15", *group)
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append(process)
        output, _ = process.communicate()
        with lock:
            print(f"\n{output}\n{name}: {time.monotonic() - began:.0f} s", flush=True)
        # 5: -k selected no test of the group
        return 0 if process.returncode == 5 else process.returncode

    try:
        with ThreadPoolExecutor(TOGETHER) as pool:
            return next((status for status in list(pool.map(run, groups)) if status), 0)
    finally:
        for process in running:
            process.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
