"""Show a night's progress from its document in `runs`: a bar on a terminal, else one line per job."""

import contextlib
import datetime as dt
from collections.abc import Iterator

from pymongo.errors import PyMongoError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from jobs.mongo.connection import Document, MongoDatabase
from jobs.registry import JOBS


class Watch:
    """Progress display of one run; holds what is already shown."""

    def __init__(self, store: MongoDatabase, date: dt.date, progress: Progress) -> None:
        """Watch the first run of `date` that starts from now on."""
        self._store = store
        self._progress = progress
        self._bar = progress.add_task("starting Airflow", total=None)
        # runs store their start in milliseconds
        self._query = {"date": date.isoformat(), "started_at": {"$gte": dt.datetime.now(dt.UTC).replace(microsecond=0)}}
        self._job = ""
        self._done: set[str] = set()
        self._numbers = {job.name: number for number, job in enumerate(JOBS, 1)}

    def run(self) -> Document | None:
        """Return the run's document; None before the run is opened, or while MongoDB does not answer."""
        with contextlib.suppress(PyMongoError):
            return self._store.runs.find_one(self._query, sort=[("started_at", -1)])
        return None

    def show(self) -> None:
        """Show the jobs that finished, and the current one."""
        run = self.run()
        if run is None:
            return
        self._show_finished(run.get("jobs", {}))
        if job := run.get("job"):
            self._show_current(job, run)

    def _show_finished(self, jobs: dict[str, Document]) -> None:
        for name in [job.name for job in JOBS if job.name in jobs and job.name not in self._done]:
            self._done.add(name)
            facts = jobs[name]
            note = " (reused: equal inputs)" if facts.get("reused") else ""
            line = f"  {self._numbered(name)} {name:<14} done in {facts['seconds']:6.1f} s{note}"
            self._progress.console.print(line, highlight=False)

    def _show_current(self, name: str, run: Document) -> None:
        total = run.get("total") or None
        what = f"{self._numbered(name)} {name}: {run.get('step', '')}"
        self._progress.update(self._bar, description=what, completed=run.get("done", 0), total=total)
        if name != self._job and name not in self._done:
            self._job = name
            if self._progress.disable:
                self._progress.console.print(f"  {self._numbered(name)} {name:<14} {_title(name)}", highlight=False)

    def _numbered(self, name: str) -> str:
        return f"[{self._numbers.get(name, 0):>2}/{len(JOBS)}]".replace("[", r"\[")


def _title(name: str) -> str:
    return next((job.title for job in JOBS if job.name == name), "")


@contextlib.contextmanager
def watching(store: MongoDatabase, date: dt.date) -> Iterator[Watch]:
    """Yield a watch. Its bar disappears at the end of the night; without a terminal there is no bar."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Watch(store, date, progress)
