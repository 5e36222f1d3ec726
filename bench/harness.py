"""Measure two sides in processes of their own, which alternate.

Each process prints its time; the parent process measures its memory.
"""

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
"""Generated input, and the output of the runs. Input is generated once and reused by later runs."""
HEAP = "4g"
"""Heap of the Java process, which is driver and executor."""
LONG_SECONDS = 300.0
"""A longer run is measured once, a shorter one RUNS times."""
RUNS = 3


@dataclass(frozen=True)
class Row:
    """A comparison, as stored in `bench/results/<name>.json`."""

    what: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    """Ours divided by the peer's."""
    goal: str
    holds: bool
    peak_memory_mib: dict[str, int]


@dataclass(frozen=True)
class Measurement:
    """Median seconds of the runs without the start of Spark, and the peak memory of the process with its children."""

    first: float
    """Seconds of the first work of a fresh Spark, while Java loads and compiles classes."""
    again: float
    """Seconds of the same work, repeated in the same Spark; equal to `first` if it was done once."""
    peak_mib: int


def our_command(*arguments: str) -> list[str]:
    """Return the command `python -m bench.ingest_sides ...` in the pipeline environment."""
    return [sys.executable, "-m", "bench.ingest_sides", *arguments]


def peer_command(*arguments: str) -> list[str]:
    """Return the command of a program in the peers' environment. Raises SystemExit if the environment does not exist."""
    if not PEERS.is_file():
        raise SystemExit("The peers' environment is missing; the first lines of requirements/peers.in say how to make it.")
    return [str(PEERS), *arguments]


def measure(commands: Mapping[str, Sequence[str]], times: int = 2) -> dict[str, Measurement]:
    """Run the commands in turn, RUNS times, each in a fresh process, and return their measurements by name.

    Each command gets `times`, the number of repetitions of its work, as its last argument.
    """
    runs: dict[str, list[tuple[list[float], int]]] = {name: [] for name in commands}
    for turn in range(RUNS):
        for name, arguments in commands.items():
            if turn and runs[name][0][0][0] > LONG_SECONDS:
                continue
            runs[name].append(_run([*arguments, str(times)]))
            seconds, peak = runs[name][-1]
            text = ", ".join(f"{value:.1f} s" for value in seconds)
            print(f"  {name}, run {turn + 1}: {text}, {peak:,} MiB", file=sys.stderr, flush=True)
    return {
        name: Measurement(
            statistics.median(seconds[0] for seconds, _ in measured),
            statistics.median(seconds[-1] for seconds, _ in measured),
            max(peak for _, peak in measured),
        )
        for name, measured in runs.items()
    }


def compare(
    what: str, ours: Measurement, peer: Measurement, peer_name: str, limit: float, names: tuple[str, str]
) -> list[Row]:
    """Return rows that compare ours with the peer: repeated work, and the first work of a fresh Spark.

    `limit`: largest ratio that meets the goal. `names`: of our side and of the peer's.
    """
    memory = {names[0]: ours.peak_mib, names[1]: peer.peak_mib}
    goal = f"at most {limit:.2g} x"
    seconds = {"again in the same Spark": (ours.again, peer.again), "the first work of a Spark": (ours.first, peer.first)}
    return [Row(f"{what}, {name}", "s", a, b, peer_name, a / b, goal, a / b <= limit, memory) for name, (a, b) in seconds.items()]


def _run(command: Sequence[str]) -> tuple[list[float], int]:
    """Return the seconds that the process prints, and its peak MiB."""
    output, peak = run_and_read(command)
    return [float(value) for value in output["seconds"]], peak


def run_and_read(command: Sequence[str], other_pid: int | None = None) -> tuple[dict[str, Any], int]:
    """Return the JSON of the last line that the process prints, and the peak MiB of it and of the process `other_pid`."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    peak, others = 0, [] if other_pid is None else [other_pid]
    while process.poll() is None:
        peak = max(peak, sum(_resident(pid) for pid in (process.pid, *descendants(process.pid), *others)))
        time.sleep(1)
    out = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with exit status {process.returncode}; run it alone to see its error.")
    output: dict[str, Any] = json.loads(out.splitlines()[-1])
    return output, peak // 2**20


class StealTime:
    """Share of processor time that the host gave to other virtual machines since this object was created."""

    def __init__(self) -> None:
        """Start at the current counters."""
        self._start = _jiffies()

    @property
    def share(self) -> float:
        """0 to 1, of all processor time, including idle time."""
        now = _jiffies()
        return round((now[7] - self._start[7]) / max(1, sum(now[:8]) - sum(self._start[:8])), 3)


def _jiffies() -> list[int]:
    """Return user, nice, system, idle, iowait, irq, softirq, steal, ... of all processors."""
    return [int(number) for number in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]


def _resident(pid: int) -> int:
    """Return the proportional set size of a process in bytes; 0 if it has ended."""
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
        memory = ", ".join(f"{side} {mib:,} MiB" for side, mib in row.peak_memory_mib.items())
        print(
            f"{row.what}: {row.ours:.4g} {row.unit} against {row.peer:.4g} ({row.peer_name}): {row.ratio:.2f}, "
            f"goal {row.goal}: {'holds' if row.holds else 'DOES NOT HOLD'}; {memory}"
        )
