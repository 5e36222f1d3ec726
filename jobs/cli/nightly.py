"""`pmrs nightly` and `pmrs backfill`: the real DAG, run by Airflow without a scheduler, watched from here."""

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
"""Spark's folders under var/tmp that a killed driver left are removed after so long."""
INTERRUPTED = 130


@dataclass(frozen=True)
class NightResult:
    """How a night's DAG ended."""

    code: int
    """Airflow's exit status, or 130 where a person stopped it."""
    run: Document | None
    log: Path
    last_error: str

    @property
    def succeeded(self) -> bool:
        """True where every task succeeded and the night is published."""
        return self.code == 0 and self.run is not None and self.run["status"] == runs.PUBLISHED

    def why(self, date: dt.date) -> str:
        """One or two sentences for a person: what failed, and where the whole story lies."""
        if self.code == INTERRUPTED:
            return f"The night of {date} was stopped; what was live stays live. Run it again to go on."
        cause = (self.run or {}).get("error") or self.last_error or "Airflow ended before a run was opened."
        published = self.run is not None and self.run["status"] == runs.PUBLISHED
        state = "is published, but not whole" if published else "failed; what was live stays live"
        return f"The night of {date} {state}. {cause}\nThe whole log: {self.log}"


def run_night(settings: Settings, date: dt.date | None) -> int:
    """Run one night, by default of the newest date in the data, and print what came out. Returns the exit status."""
    settings, sources = _prepare(settings)
    night = date or newest_date(sources)
    ended = _run_dag(settings, sources, night)
    if not ended.succeeded:
        print(f"pmrs: {ended.why(night)}", file=sys.stderr)
        return INTERRUPTED if ended.code == INTERRUPTED else 1
    _remember(settings, sources)
    print_summary(settings, night)
    return 0


def run_backfill(settings: Settings, first: dt.date, last: dt.date, dry_run: bool) -> int:
    """Run the nights `first` to `last`, upwards; stop at the first that fails, naming it. Returns the exit status."""
    if last < first:
        raise PmrsError(f"A backfill goes upwards: FROM={first} is later than TO={last}.")
    dates = [first + dt.timedelta(days=day) for day in range((last - first).days + 1)]
    settings, sources = _prepare(settings, start=not dry_run)
    for number, night in enumerate(dates, 1):
        if dry_run:
            print(f"{night}: would run the night from {sources.path}")
            continue
        print(f"[{number}/{len(dates)}]", end=" ")
        ended = _run_dag(settings, sources, night, backfill=True)
        if not ended.succeeded:
            print(f"pmrs: {ended.why(night)}\nThe backfill stopped at {night}; go on with FROM={night}.", file=sys.stderr)
            return INTERRUPTED if ended.code == INTERRUPTED else 1
    if not dry_run:
        _remember(settings, sources)
        print(f"{len(dates)} nights are published, {first} to {last}.")
        print_summary(settings, last)
    return 0


def _prepare(settings: Settings, start: bool = True) -> tuple[Settings, Sources]:
    """Prepare sources (the sample is generated if it is missing), MongoDB and Airflow before a night."""
    if not (BIN / "airflow").is_file():
        raise PmrsError(f"Airflow is missing at {BIN}; run `make setup`.")
    file = settings.sources_file
    if file == settings.sample_sources and not file.is_file():
        print("Making the sample data (once, 1 to 3 minutes)", flush=True)
        make_sample(file.parent, SAMPLE_DAYS, SAMPLE_SEED)
    sources = load_sources(file)
    if start:
        if settings.embedded:
            embedded.start(settings)
        with connect(settings, sources.name):
            pass  # a MongoDB that does not answer is said now, in one sentence, and not by ten tasks
        _sweep(settings.var / "tmp")
    return settings.model_copy(update={"sources": sources.path}), sources


def _remember(settings: Settings, sources: Sources) -> None:
    """`pmrs top` and the others show what was last run."""
    write_atomic(settings.var / "current_sources", f"{sources.path}\n")


def _sweep(folder: Path) -> None:
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
        _give_back(settings, sources, run)
    return NightResult(INTERRUPTED if signals else child.code, run, log, _last_error(child.own_output()))


def _give_back(settings: Settings, sources: Sources, run: Document | None) -> None:
    """Release the lease: the DAG's own `close` was stopped too, and the lease would hold for 90 seconds."""
    from jobs.runner import close_run

    if run is not None:
        close_run(settings, sources, run["_id"])


def _last_error(output: str) -> str:
    """Return the last line `pmrs: ...` that a task of this run printed, or an empty text."""
    lines = re.findall(r"\bpmrs: (.+?)(?: \[airflow\.|\n)", output)
    return lines[-1].strip() if lines else ""
