"""`python -m bench.spark_jobs [FOLDER]`: count the Spark jobs and tasks of each application, from its event log.

Counts do not depend on the machine or its load, as seconds do. FOLDER is `$PMRS_VAR/spark-events` unless given. Of several
runs of one application (`pmrs ingest 2026-11-14`) the last counts. Exits with 1 if the sum exceeds --max-jobs or --max-tasks.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Application:
    """What one Spark application ran."""

    name: str
    jobs: int
    tasks: int
    wall_seconds: float
    """From the application's start to its end; to the end of its last job if it was killed."""
    task_seconds: float
    """Time in tasks, summed over the cores."""


def read_application(folder: Path) -> Application | None:
    """Return what the application of one event log (`eventlog_v2_*`) ran; None if it ran no job."""
    name, start, end, jobs, tasks, milliseconds = "", 0, 0, 0, 0, 0
    for event in _events(folder):
        match event["Event"]:
            case "SparkListenerApplicationStart":
                name, start = event["App Name"], event["Timestamp"]
            case "SparkListenerApplicationEnd":
                end = event["Timestamp"]
            case "SparkListenerJobStart":
                jobs += 1
            case "SparkListenerJobEnd":
                end = event["Completion Time"]
            case "SparkListenerTaskEnd":
                tasks += 1
                milliseconds += (event.get("Task Metrics") or {}).get("Executor Run Time", 0)
    return Application(name, jobs, tasks, (end - start) / 1000, milliseconds / 1000) if jobs else None


def latest_applications(folder: Path) -> list[Application]:
    """Return the last run of each application below `folder`, in the order of their starts."""
    logs = sorted(folder.glob("eventlog_v2_*"), key=lambda log: log.name)
    applications = [application for log in logs if (application := read_application(log))]
    return list({application.name: application for application in applications}.values())


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("events_*")):
        with pa.input_stream(str(file), compression="zstd" if file.suffix in {".zst", ".zstd"} else None) as stream:
            for line in stream.read().splitlines():
                try:
                    yield json.loads(line)
                except ValueError:
                    # the last line of an application that was killed
                    continue


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and compare its sum with the ceilings."""
    parser = argparse.ArgumentParser(prog="python -m bench.spark_jobs", description=(__doc__ or "").partition("\n")[0])
    default = Path(os.environ.get("PMRS_VAR", ROOT / "var")) / "spark-events"
    parser.add_argument("folder", type=Path, nargs="?", default=default)
    parser.add_argument("--max-jobs", type=int, metavar="N", help="exit with 1 if more jobs ran")
    parser.add_argument("--max-tasks", type=int, metavar="N", help="exit with 1 if more tasks ran")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder; event logs are below $PMRS_VAR/spark-events after a night")
    applications = latest_applications(options.folder)
    if not applications:
        parser.error(f"{options.folder} has no event log of an application that ran a Spark job")
    total = Application(
        "sum",
        sum(each.jobs for each in applications),
        sum(each.tasks for each in applications),
        sum(each.wall_seconds for each in applications),
        sum(each.task_seconds for each in applications),
    )
    print(f"{'application':34} {'jobs':>5} {'tasks':>6} {'wall s':>7} {'task s':>7}")
    for each in (*applications, total):
        print(f"{each.name:34} {each.jobs:5} {each.tasks:6} {each.wall_seconds:7.1f} {each.task_seconds:7.1f}")
    ceilings = (("jobs", total.jobs, options.max_jobs), ("tasks", total.tasks, options.max_tasks))
    exceeded = [f"{count} {unit}, at most {top} are allowed" for unit, count, top in ceilings if top is not None and count > top]
    for text in exceeded:
        print(text, file=sys.stderr)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
