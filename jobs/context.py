"""What a job is handed: the night's date, Spark, and the lake, with every input and output recorded for the manifest."""

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import Field, asdict, dataclass, field, replace
from functools import partial, reduce
from typing import Any, ClassVar, Protocol

from pyspark.sql import DataFrame, SparkSession

from jobs.configured import configured
from jobs.errors import LakeError
from jobs.genres import GenreSet, genre_set
from jobs.lake.digest import Digest, nothing
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest, code_version
from jobs.lake.models import ModelRegistry
from jobs.lake.schemas import table
from jobs.registry import JOBS
from jobs.settings import Settings
from jobs.sources.config import Sources
from jobs.spark import at_once

Notify = Callable[[str, int, int], None]
"""Called with a step's name, how much is done, and of how much: for progress bars."""


class Config(Protocol):
    """A job's frozen config dataclass: *what* is computed."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


@dataclass
class Night:
    """One dated run of everything, as all its jobs share it."""

    date: dt.date
    run_id: str
    sources: Sources
    settings: Settings
    spark: SparkSession
    notify: Notify = lambda step, done, total: None

    @property
    def lake(self) -> Lake:
        """The lake of this sources file; another sources file has another one."""
        names = frozenset(source.name for source in self.sources.sources)
        return Lake(f"{self.settings.lake_root}/{self.sources.name}", names)

    @property
    def models(self) -> ModelRegistry:
        """The model registry, which lies in the lake."""
        return ModelRegistry(self.lake.store)

    @property
    def genres(self) -> GenreSet:
        """The run's genre set, with its maps."""
        return genre_set(self.sources.genres)

    def config_of(self, name: str) -> Any:
        """The Config of a job: what the sources file names, over its defaults. Raises SourceError where that is none."""
        job = next(job for job in JOBS if job.name == name)
        return configured(job.load().Config, self.sources.jobs.get(name, {}), f"{self.sources.path}, [jobs.{name}]")


@dataclass
class JobContext:
    """One job of one night. Reads record digests; writes stay pending until `commit` makes them valid together."""

    night: Night
    job: str
    config: Config
    inputs: dict[str, str] = field(default_factory=dict)
    force: bool = False
    """Compute anew what exists already, and replace a registered model."""
    pending: list[Manifest] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def spark(self) -> SparkSession:
        """The Spark session."""
        return self.night.spark

    @property
    def date(self) -> dt.date:
        """The night's date; using it makes it an input, so that the rows are not taken for another night's."""
        self.inputs["date"] = self.night.date.isoformat()
        return self.night.date

    @property
    def genres(self) -> GenreSet:
        """The run's genre set; using it makes its name an input."""
        self.inputs["genres|"] = self.night.genres.name
        return self.night.genres

    @property
    def backfill(self) -> bool:
        """Whether the night is one of a backfill; using it makes it an input, so that a warm fit is not taken for a cold one."""
        self.inputs["backfill|"] = str(self.night.settings.backfill)
        return self.night.settings.backfill

    def config_of(self, job: str) -> Any:
        """Another job's Config; using it makes it an input."""
        found = self.night.config_of(job)
        self.inputs[f"config|{job}"] = in_words(found)
        return found

    def read(self, name: str, rule: str = "on") -> DataFrame:
        """Rows of a table as the night sees them; rule: `on` its date, `before`: the night before's, where there is one, `upto`
        its date, `latest`, or `all` ever known; `said`: all, for whom it is nothing new on which dates they were read; `held`:
        all of a table that is kept by content.
        """
        date = self.night.date.isoformat()
        self.inputs[f"{name}|{rule}"] = self.night.lake.digest_of(name, rule, date)
        return self.night.lake.read(self.spark, name, rule, date)

    def read_with_pending(self, name: str, rule: str = "on") -> DataFrame:
        """As `read`, and what this very job has written to the table's parts and not yet committed."""
        fresh = [m for m in self.pending if m.table.startswith(f"{name}/") and m.folder]
        rows = [self.night.lake.rows(self.spark, m.table, m.folder) for m in fresh]
        return reduce(DataFrame.unionByName, rows, self.read(name, rule))

    def need(self, name: str, rule: str = "on") -> DataFrame:
        """As `read`, but raises LakeError where nothing is committed, naming the job to run first."""
        self.night.lake.require(name, rule, self.night.date.isoformat())
        return self.read(name, rule)

    def write_nothing(self, *names: str) -> None:
        """Write tables without rows."""
        for name in names:
            self.write(name, self.spark.createDataFrame([], table(name).schema))

    def write(
        self, part: str, frame: DataFrame, on: dt.date | None = None, inputs: dict[str, str] | None = None
    ) -> DataFrame:
        """Write the night's partition (or that of date `on`) of a table or part; returns the rows as they lie in the lake.

        `inputs`: what the rows were made of, where that is not all that the job has read.
        """
        date = (on or self.night.date).isoformat()
        folder, found = self.night.lake.put(part, date, frame)
        self.pending.append(self._manifest(part, date, folder, found.rows, found.digest, inputs))
        return self.night.lake.rows(self.spark, part, folder)

    def write_days(self, part: str, frame: DataFrame, days: Mapping[str, dict[str, str]]) -> None:
        """Write rows of several received dates (column `dt`); `days` lists every date with its inputs, empty ones too."""
        self._pend_days(part, self.night.lake.put_days(part, frame), days)

    def write_rows(self, part: str, rows: Mapping[str, list[dict[str, Any]]], days: Mapping[str, dict[str, str]]) -> None:
        """The same for the few rows, by ISO date, that the driver holds."""
        self._pend_days(part, self.night.lake.put_rows(self.spark, part, rows), days)

    def adopt_days(self, part: str, run: str, days: Mapping[str, dict[str, str]]) -> None:
        """The same for rows that lie in the folders `run` of their dates already."""
        self._pend_days(part, self.night.lake.put_already(self.spark, part, run), days)

    def empty_days(self, part: str, days: Mapping[str, dict[str, str]]) -> None:
        """Partitions that from now on have no rows."""
        self._pend_days(part, {}, days)

    def at_once(self, *writes: Callable[["JobContext"], None]) -> None:
        """Writes that do not need each other; they become valid in the order given, as if one had followed the other."""
        branches = [replace(self, pending=[], inputs=dict(self.inputs)) for _ in writes]
        at_once(self.spark, *[partial(write, branch) for write, branch in zip(writes, branches, strict=True)])
        for branch in branches:
            self.pending += branch.pending
            self.inputs |= branch.inputs

    def _pend_days(self, part: str, written: dict[str, tuple[str, Digest]], days: Mapping[str, dict[str, str]]) -> None:
        if strange := sorted(set(written) - set(days)):
            raise LakeError(f"Rows for {part} are of {strange[0]}, a date that was not to be written.")
        empty = nothing(table(part).read_schema)
        for day, inputs in sorted(days.items()):
            folder, found = written.get(day, ("", empty))
            self.pending.append(self._manifest(part, day, folder, found.rows, found.digest, inputs))

    def _manifest(
        self, part: str, date: str, folder: str, rows: int, digest: str, inputs: dict[str, str] | None = None
    ) -> Manifest:
        return Manifest(
            table=part,
            date=date,
            folder=folder,
            rows=rows,
            digest=digest,
            job=self.job,
            run_id=self.night.run_id,
            config=config_dict(self.config),
            inputs=dict(self.inputs) if inputs is None else inputs,
            code=code_version(),
            seconds=round(time.monotonic() - self.started, 3),
        )

    def commit(self) -> list[Manifest]:
        """Make all that was written valid, in the order of writing; returns the manifests."""
        for manifest in self.pending:
            self.night.lake.commit(manifest)
        return self.pending


def config_dict(config: Config) -> dict[str, Any]:
    """A job's config as JSON holds it (tuples become lists), so that a stored one can be compared."""
    plain = asdict(config)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def in_words(config: Config) -> str:
    """A job's config as a manifest names it among the inputs of another job."""
    return json.dumps(config_dict(config), sort_keys=True)
