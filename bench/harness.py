"""How everything here is measured: each way in a process of its own, alternating, its time told by itself, its memory watched."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jobs.cli.child import descendants

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
PEERS = ROOT / ".venv-peers" / "bin" / "python"
WORK = ROOT / "var" / "bench"
"""Generated input and what the runs write; kept between runs, so that input is generated once."""
HEAP = "4g"
"""Heap of the one Java process that is driver and executor."""
LONG_SECONDS = 300.0
"""A run longer than this is measured once, shorter ones RUNS times."""
RUNS = 3


@dataclass(frozen=True)
class Row:
    """One comparison, as `bench/results/<name>.json` holds it."""

    what: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    """Ours by the peer's."""
    goal: str
    holds: bool
    peak_memory_mib: dict[str, int]


@dataclass(frozen=True)
class Measured:
    """Seconds without the start of Spark, medians over the runs, and the largest memory of the process with its children."""

    first: float
    """The first work that a fresh Spark does: Java loads and compiles while it goes."""
    again: float
    """The same work once more in the same Spark; equal to `first` where it was done once."""
    peak_mib: int


def house(*arguments: str) -> list[str]:
    """`python -m bench.ways ...`, in our environment."""
    return [sys.executable, "-m", "bench.ways", *arguments]


def guest(*arguments: str) -> list[str]:
    """Return a program of the peers' environment. Raises SystemExit if it does not exist."""
    if not PEERS.is_file():
        raise SystemExit("The peers' environment is missing; requirements/peers.in says at its head how it is made.")
    return [str(PEERS), *arguments]


def measured(ways: Mapping[str, Sequence[str]], times: int = 2) -> dict[str, Measured]:
    """Run each way (a name, and a command that takes `times` as its last argument) in turn, over and over, each in a fresh process.

    `times`: how often a process does its work.
    """
    runs: dict[str, list[tuple[list[float], int]]] = {name: [] for name in ways}
    for turn in range(RUNS):
        for name, arguments in ways.items():
            if turn and runs[name][0][0][0] > LONG_SECONDS:
                continue
            runs[name].append(_run([*arguments, str(times)]))
            seconds, peak = runs[name][-1]
            text = ", ".join(f"{one:.1f} s" for one in seconds)
            print(f"  {name}, run {turn + 1}: {text}, {peak:,} MiB", file=sys.stderr, flush=True)
    return {
        name: Measured(
            statistics.median(seconds[0] for seconds, _ in seconds_),
            statistics.median(seconds[-1] for seconds, _ in seconds_),
            max(peak for _, peak in seconds_),
        )
        for name, seconds_ in runs.items()
    }


def compared(what: str, ours: Measured, peer: Measured, peer_name: str, limit: float, names: tuple[str, str]) -> list[Row]:
    """Ours against the peer's, by a fresh Spark and by one that has done it before; `limit`: the largest ratio that is good."""
    memory = {names[0]: ours.peak_mib, names[1]: peer.peak_mib}
    goal = f"at most {limit:.2g} x"
    rows_ = {"again in the same Spark": (ours.again, peer.again), "the first work of a Spark": (ours.first, peer.first)}
    return [Row(f"{what}, {name}", "s", a, b, peer_name, a / b, goal, a / b <= limit, memory) for name, (a, b) in rows_.items()]


def _run(command: Sequence[str]) -> tuple[list[float], int]:
    """Seconds as the process tells them, and peak MiB as seen from outside."""
    output, peak = run_and_read(command)
    return [float(one) for one in output["seconds"]], peak


def run_and_read(command: Sequence[str], beside: int | None = None) -> tuple[dict[str, Any], int]:
    """Return the JSON line that the process prints last, and its peak MiB, measured from outside with process `beside`."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    peak, others = 0, [] if beside is None else [beside]
    while process.poll() is None:
        peak = max(peak, sum(_resident(pid) for pid in (process.pid, *descendants(process.pid), *others)))
        time.sleep(1)
    out = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}; run it by itself.")
    output: dict[str, Any] = json.loads(out.splitlines()[-1])
    return output, peak // 2**20


class Stolen:
    """How much of the processors the machine's host gave to others since this was made: then seconds are the neighbors' too."""

    def __init__(self) -> None:
        """From now on."""
        self._before = _jiffies()

    @property
    def share(self) -> float:
        """0 to 1, of all processor time, idle time included."""
        now = _jiffies()
        return round((now[7] - self._before[7]) / max(1, sum(now[:8]) - sum(self._before[:8])), 3)


def _jiffies() -> list[int]:
    """user, nice, system, idle, iowait, irq, softirq, steal, ... of all processors."""
    return [int(number) for number in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]


def _resident(pid: int) -> int:
    """Bytes of memory of a process, what it shares counted in part; 0 where it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def machine() -> dict[str, Any]:
    """Describe the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": os.cpu_count(), "memory_gib": round(memory / 2**30), "cpu": _cpu(), "python": platform.python_version()}


def _cpu() -> str:
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def save(name: str, rows: Sequence[Row]) -> None:
    """Write `bench/results/<name>.json` and print the rows as a table."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=ROOT)
    document = {
        "bench": name,
        "command": f"make bench ONLY={name}",
        "commit": commit.stdout.strip(),
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    for row in rows:
        memory = ", ".join(f"{who} {mib:,} MiB" for who, mib in row.peak_memory_mib.items())
        print(
            f"{row.what}: {row.ours:.4g} {row.unit} against {row.peer:.4g} ({row.peer_name}): {row.ratio:.2f}, "
            f"goal {row.goal}: {'holds' if row.holds else 'DOES NOT HOLD'}; {memory}"
        )
