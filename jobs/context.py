"""The context of a job: date, Spark session and lake. It records every input and output for the manifests."""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession

from jobs.errors import LakeError
from jobs.genres import GenreSet, genre_set
from jobs.job_config import JobConfig, build_config, config_dict, config_json
from jobs.lake.digest import Digest, empty_digest
from jobs.lake.inputs import BACKFILL, DATE, GENRES, Input, InputKind, config_input, table_input
from jobs.lake.lake import Lake
from jobs.lake.manifest import Manifest
from jobs.lake.model_registry import ModelRegistry
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.progress import ProgressCallback, ignore_progress
from jobs.registry import JOBS
from jobs.settings import Settings
from jobs.spark import run_parallel

if TYPE_CHECKING:
    from jobs.sources.config import Sources


def lake_of(settings: Settings, sources: "Sources") -> Lake:
    """Return the lake of a sources file; every sources file has its own."""
    return Lake(f"{settings.lake_root}/{sources.name}", frozenset(source.name for source in sources.sources))


@dataclass
class Night:
    """One dated run of the pipeline; all its jobs share it."""

    date: dt.date
    run_id: str
    sources: "Sources"
    settings: Settings
    session: SparkSession | Callable[[], SparkSession]
    """The Spark session, or a function that starts it: a night whose rows are all reused needs none."""
    on_progress: ProgressCallback = ignore_progress

    @property
    def spark(self) -> SparkSession:
        """The Spark session; the first access starts it."""
        if not isinstance(self.session, SparkSession):
            self.session = self.session()
        return self.session

    @property
    def lake(self) -> Lake:
        """The lake of this sources file; every sources file has its own."""
        return lake_of(self.settings, self.sources)

    @property
    def models(self) -> ModelRegistry:
        """The model registry, a part of the lake."""
        return ModelRegistry(self.lake.store)

    @property
    def genres(self) -> GenreSet:
        """The genre set of the run, with its maps."""
        return genre_set(self.sources.genres)

    def config_of(self, name: str) -> Any:
        """Return the config of a job: the sources file's values over the defaults. Raises SourceError for an invalid value."""
        job = next(job for job in JOBS if job.name == name)
        return build_config(job.config_class(), self.sources.jobs.get(name, {}), f"{self.sources.path}, [jobs.{name}]")


    def input_digest(self, item: Input) -> str | None:
        """Return the digest or value that the night would record for an input; None for an input of ingest."""
        digest: str | None = None
        match item:
            case Input(InputKind.TABLE, name, Partitions() as partitions):
                digest = self.lake.digest_of(name, partitions, self.date.isoformat())
            case Input(InputKind.MODEL, name):
                digest = self.models.digest(name) or ""
            case Input(InputKind.CONFIG, job):
                digest = config_json(self.config_of(job))
            case Input(InputKind.DATE):
                digest = self.date.isoformat()
            case Input(InputKind.GENRES):
                digest = self.genres.name
            case Input(InputKind.BACKFILL):
                digest = str(self.settings.backfill)
        return digest


@dataclass
class JobContext:
    """One job of one night. Reads record digests; writes are pending until `commit` makes all of them valid."""

    night: Night
    job: str
    config: JobConfig
    inputs: dict[str, str] = field(default_factory=dict)
    force: bool = False
    """Recompute existing rows, and replace a registered model."""
    code: str = ""
    """Version of the program that computes the job's rows (jobs/code_version.py); empty where nothing is reused."""
    pending: list[Manifest] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def spark(self) -> SparkSession:
        """The Spark session."""
        return self.night.spark

    def record(self, item: Input, digest: str) -> None:
        """Record an input of the rows that are written from now on, with its digest or value."""
        self.inputs[item.label()] = digest

    @property
    def date(self) -> dt.date:
        """The night's date. Access records it as an input, so that no other night reuses the rows."""
        self.record(DATE, self.night.date.isoformat())
        return self.night.date

    @property
    def genres(self) -> GenreSet:
        """The genre set of the run. Access records its name as an input."""
        self.record(GENRES, self.night.genres.name)
        return self.night.genres

    @property
    def backfill(self) -> bool:
        """True for a night of a backfill. Access records it as an input: rows of a warm fit are not reused for a cold one."""
        self.record(BACKFILL, str(self.night.settings.backfill))
        return self.night.settings.backfill

    def config_of(self, job: str) -> Any:
        """Return the config of another job, and record it as an input."""
        config = self.night.config_of(job)
        self.record(config_input(job), config_json(config))
        return config

    def record_table(self, name: str, partitions: Partitions = Partitions.DATE) -> None:
        """Record the digest of a table's rows as of the night as an input, without reading them."""
        digest = self.night.lake.digest_of(name, partitions, self.night.date.isoformat())
        self.record(table_input(name, partitions), digest)

    def read(self, name: str, partitions: Partitions = Partitions.DATE) -> DataFrame:
        """Return rows of a table as of the night, and record their digest as an input."""
        self.record_table(name, partitions)
        return self.night.lake.read(self.spark, name, partitions, self.night.date.isoformat())

    def read_with_pending(self, name: str, partitions: Partitions = Partitions.DATE) -> DataFrame:
        """Return the rows of `read` and the rows that this job has written to parts of the table but not committed."""
        uncommitted = [m for m in self.pending if m.table.startswith(f"{name}/") and m.folder]
        rows = [self.night.lake.read_folder(self.spark, m.table, m.folder) for m in uncommitted]
        return reduce(DataFrame.unionByName, rows, self.read(name, partitions))

    def read_required(self, name: str, partitions: Partitions = Partitions.DATE) -> DataFrame:
        """Return the rows of `read`. Raises LakeError, which names the job to run first, if no partition is committed."""
        self.night.lake.require(name, partitions, self.night.date.isoformat())
        return self.read(name, partitions)

    def rows_of(self, name: str) -> int:
        """Return the number of rows of the night's partitions of a table, from their manifests."""
        return sum(m.rows for m in self.night.lake.select(name, Partitions.DATE, self.night.date.isoformat()))

    def write_empty(self, *names: str) -> None:
        """Write partitions without rows; needs no Spark."""
        for name in names:
            digest = empty_digest(table(name).read_schema)
            self.pending.append(self._manifest(name, self.night.date.isoformat(), "", digest))

    def write(
        self, part: str, frame: DataFrame, on: dt.date | None = None, inputs: dict[str, str] | None = None
    ) -> DataFrame:
        """Write the partition of the night (or of the date `on`) of a table or part, and return its rows as read back.

        `inputs`: inputs of the rows, if they are not all that the job has read.
        """
        date = (on or self.night.date).isoformat()
        folder, digest = self.night.lake.write(part, date, frame)
        self.pending.append(self._manifest(part, date, folder, digest, inputs))
        return self.night.lake.read_folder(self.spark, part, folder)

    def write_records(self, part: str, records: list[dict[str, Any]]) -> None:
        """Write the partition of the night from rows that the driver holds, without a Spark job."""
        date = self.night.date.isoformat()
        self.write_local(part, {date: records}, {date: dict(self.inputs)})

    def write_partitioned(self, part: str, frame: DataFrame, days: Mapping[str, dict[str, str]]) -> None:
        """Write rows of several dates (column `dt`); `days` holds the inputs of every date, of dates without rows too."""
        self._pend_days(part, self.night.lake.write_partitioned(part, frame), days)

    def write_local(self, part: str, rows: Mapping[str, list[dict[str, Any]]], days: Mapping[str, dict[str, str]]) -> None:
        """Write rows that the driver holds, by ISO date."""
        self._pend_days(part, self.night.lake.write_local(self.spark, part, rows), days)

    def register_partitions(self, part: str, run: str, days: Mapping[str, dict[str, str]]) -> None:
        """Register rows that other processes have written to the folders `run` of their dates."""
        self._pend_days(part, self.night.lake.register(self.spark, part, run), days)

    def write_empty_partitions(self, part: str, days: Mapping[str, dict[str, str]]) -> None:
        """Write partitions without rows."""
        self._pend_days(part, {}, days)

    def run_parallel(self, *writes: Callable[["JobContext"], None]) -> None:
        """Run independent writes in parallel. They are committed in the order given, as after a sequential run."""
        branches = [replace(self, pending=[], inputs=dict(self.inputs)) for _ in writes]
        run_parallel(self.spark, *[partial(write, branch) for write, branch in zip(writes, branches, strict=True)])
        for branch in branches:
            self.pending += branch.pending
            self.inputs |= branch.inputs

    def _pend_days(self, part: str, written: dict[str, tuple[str, Digest]], days: Mapping[str, dict[str, str]]) -> None:
        if unexpected := sorted(set(written) - set(days)):
            raise LakeError(f"Rows for {part} have the date {unexpected[0]}, for which no inputs were given.")
        empty = empty_digest(table(part).read_schema)
        for day, inputs in sorted(days.items()):
            folder, digest = written.get(day, ("", empty))
            self.pending.append(self._manifest(part, day, folder, digest, inputs))

    def _manifest(
        self, part: str, date: str, folder: str, digest: Digest, inputs: dict[str, str] | None = None
    ) -> Manifest:
        return Manifest(
            table=part,
            date=date,
            folder=folder,
            rows=digest.rows,
            digest=digest.digest,
            job=self.job,
            run_id=self.night.run_id,
            config=config_dict(self.config),
            inputs=dict(self.inputs) if inputs is None else inputs,
            code=self.code,
            seconds=round(time.monotonic() - self.started, 3),
        )

    def commit(self) -> list[Manifest]:
        """Make all written partitions valid, in the order of writing, and return their manifests."""
        for manifest in self.pending:
            self.night.lake.commit(manifest)
        return self.pending
