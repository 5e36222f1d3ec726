"""`pmrs nightly` and `pmrs backfill`: run the Airflow DAG without a scheduler, and show its progress."""

import datetime as dt
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from jobs.atomic_io import write_atomic
from jobs.cli.airflow import BIN, airflow_environment, dags_test_command
from jobs.cli.child import ProcessTree, stop_requested
from jobs.cli.sample import make_sample
from jobs.cli.summary import print_summary
from jobs.cli.watch import watching
from jobs.errors import PmrsError
from jobs.mongo import embedded, runs
from jobs.mongo.connection import Document, connect
from jobs.runner import profile_of_night
from jobs.settings import Settings
from jobs.sources.config import Sources, load_sources, newest_date

SAMPLE_DAYS, SAMPLE_SEED = 14, 7
POLL_SECONDS = 0.5
KEEP_DAYS = 7
"""Age from which Spark's folders below var/tmp are deleted: a killed driver leaves them behind."""
INTERRUPTED = 130


@dataclass(frozen=True)
class NightResult:
    """Result of a night's DAG run."""

    code: int
    """Airflow's exit status; 130 if the night was stopped by a signal."""
    run: Document | None
    log: Path
    last_error: str

    @property
    def succeeded(self) -> bool:
        """True if every task succeeded and the night is published."""
        return self.code == 0 and self.run is not None and self.run["status"] == runs.PUBLISHED

    def describe_failure(self, date: dt.date) -> str:
        """Return the failure and the path of the log, in two or three sentences."""
        if self.code == INTERRUPTED:
            return f"The night of {date} was stopped. The live night is unchanged. Run the night again to continue it."
        cause = (self.run or {}).get("error") or self.last_error or "Airflow ended before it opened a run."
        published = self.run is not None and self.run["status"] == runs.PUBLISHED
        state = "is published, but a task failed" if published else "failed. The live night is unchanged"
        return f"The night of {date} {state}. {cause}\nLog: {self.log}"


def run_night(settings: Settings, date: dt.date | None) -> int:
    """Run one night, by default of the newest date in the data, and print its result. Returns the exit status."""
    settings, sources = _prepare(settings)
    night = date or newest_date(sources)
    ended = _run_dag(settings, sources, night)
    if not ended.succeeded:
        print(f"pmrs: {ended.describe_failure(night)}", file=sys.stderr)
        return INTERRUPTED if ended.code == INTERRUPTED else 1
    _set_current_sources(settings, sources)
    print_summary(settings, night)
    return 0


def run_backfill(settings: Settings, first: dt.date, last: dt.date, dry_run: bool) -> int:
    """Run the nights `first` to `last` in ascending order; stop at the first that fails. Returns the exit status."""
    if last < first:
        raise PmrsError(f"FROM={first} is later than TO={last}; a backfill runs in ascending order.")
    dates = [first + dt.timedelta(days=day) for day in range((last - first).days + 1)]
    settings, sources = _prepare(settings, start=not dry_run)
    for number, night in enumerate(dates, 1):
        if dry_run:
            print(f"{night}: would run the night from {sources.path}")
            continue
        print(f"[{number}/{len(dates)}]", end=" ")
        ended = _run_dag(settings, sources, night, backfill=True)
        if not ended.succeeded:
            print(f"pmrs: {ended.describe_failure(night)}", file=sys.stderr)
            print(f"The backfill stopped at {night}; continue with FROM={night}.", file=sys.stderr)
            return INTERRUPTED if ended.code == INTERRUPTED else 1
    if not dry_run:
        _set_current_sources(settings, sources)
        print(f"{len(dates)} nights are published, {first} to {last}.")
        print_summary(settings, last)
    return 0


def _prepare(settings: Settings, start: bool = True) -> tuple[Settings, Sources]:
    """Check Airflow, load the sources (generate the sample if it is missing), and start MongoDB."""
    if not (BIN / "airflow").is_file():
        raise PmrsError(f"Airflow is missing at {BIN}; run `make setup`.")
    file = settings.sources_file
    if file == settings.sample_sources and not file.is_file():
        print("Generating the sample data (once, 1 to 3 minutes)", flush=True)
        make_sample(file.parent, SAMPLE_DAYS, SAMPLE_SEED)
    sources = load_sources(file)
    if start:
        if settings.embedded:
            embedded.start(settings)
        with connect(settings, sources.name):
            pass  # fails here, with one message, if MongoDB does not answer; otherwise every task would fail
        _delete_old(settings.var / "tmp")
    return settings.model_copy(update={"sources": sources.path}), sources


def _set_current_sources(settings: Settings, sources: Sources) -> None:
    """Store the sources file as the default of `pmrs top` and the other commands."""
    write_atomic(settings.var / "current_sources", f"{sources.path}\n")


def _delete_old(folder: Path) -> None:
    oldest = time.time() - KEEP_DAYS * 86_400
    for entry in folder.glob("*") if folder.is_dir() else ():
        if entry.is_dir() and entry.stat().st_mtime < oldest:
            shutil.rmtree(entry, ignore_errors=True)


def _run_dag(settings: Settings, sources: Sources, night: dt.date, backfill: bool = False) -> NightResult:
    log = settings.var.resolve() / "logs" / f"nightly-{night}.log"
    print(f"Night of {night}, sources {sources.name} ({sources.path}); log: {log}", flush=True)
    profile = profile_of_night(settings, sources, night)
    own = {"PMRS_SOURCES": str(sources.path), "PMRS_HOLDER_PID": str(os.getpid())}
    environment = {**os.environ, **airflow_environment(settings, profile), **own}
    with (
        connect(settings, sources.name) as store,
        watching(store, night) as watch,
        stop_requested() as signals,
        ProcessTree(dags_test_command(night, backfill), environment, log) as child,
    ):
        while child.running and not signals:
            watch.show()
            time.sleep(POLL_SECONDS)
        if signals:
            child.stop()
        watch.show()
        run = watch.run()
    if signals:
        _release_lease(settings, sources, run)
    return NightResult(INTERRUPTED if signals else child.code, run, log, _last_error(child.own_output()))


def _release_lease(settings: Settings, sources: Sources, run: Document | None) -> None:
    """Release the lease, because the DAG's task `end` was stopped too. Otherwise the lease would last for 90 seconds."""
    from jobs.runner import close_run

    if run is not None:
        close_run(settings, sources, run["_id"])


def _last_error(output: str) -> str:
    """Return the last line `pmrs: ...` in the output of this run; an empty text if there is none."""
    lines = re.findall(r"\bpmrs: (.+?)(?: \[airflow\.|\n)", output)
    return lines[-1].strip() if lines else ""
