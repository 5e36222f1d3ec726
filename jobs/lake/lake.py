"""The lake: tables of dated partitions. A job writes a folder; one atomic manifest makes it a partition."""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from jobs.errors import LakeError
from jobs.lake.content_keys import earliest_by_content
from jobs.lake.digest import Digest, ObservedDigest, combined, digest, digests, local_digest
from jobs.lake.files import FileStore
from jobs.lake.manifest import Manifest
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table as table_of

FILE_PATH = r"/dt=([^/]+)/run=([^/]+)/[^/]+$"
"""Path of a data file; its groups are the date and the run."""


class Lake:
    """Tables of one sources file. Readers find folders by manifests; a folder that no manifest names is an orphan."""

    def __init__(self, root: str, sources: frozenset[str] | None = None) -> None:
        """`root`: folder or URI, e.g. var/lake/sample. `sources`: names of the sources to read; None: all of them.

        Rows of a source that the sources file no longer names stay in the lake, but are not read.
        """
        self.store = FileStore(root)
        self._sources = sources

    # -- manifests ---------------------------------------------------------------------------------------------

    def parts(self, name: str) -> list[str]:
        """Return the parts of a table: the table itself, or one part per source (`events/app`)."""
        folders = [f for f in self.store.folders(name) if not f.startswith("dt=")]
        if self._sources is not None and table_of(name).writer in {"events", "snapshots"}:
            folders = [f for f in folders if f in self._sources]
        return [f"{name}/{f}" for f in folders] or [name]

    def dates(self, part: str) -> list[str]:
        """Return the ISO dates of a part that have a manifest, ascending."""
        dates = (f.removeprefix("dt=") for f in self.store.folders(part) if f.startswith("dt="))
        return [d for d in dates if self.store.exists(self._manifest_name(part, d))]

    def manifest(self, part: str, date: str) -> Manifest | None:
        """Return the manifest of one partition, or None if none is committed."""
        try:
            return Manifest.from_json(self.store.read_json(self._manifest_name(part, date)))
        except FileNotFoundError:
            return None

    def commit(self, manifest: Manifest) -> None:
        """Make a partition valid, by one atomic write."""
        self.store.write_json(self._manifest_name(manifest.table, manifest.date), manifest.to_json())

    def select(self, name: str, partitions: Partitions, date: str) -> list[Manifest]:
        """Return the manifests of the selected partitions, over all parts of the table, by part and date.

        `date` (ISO) may be empty for selections that take every date.
        """
        return [
            manifest
            for part in self.parts(name)
            for day in _selected(self.dates(part), partitions, date)
            if (manifest := self.manifest(part, day)) is not None
        ]

    def digest_of(self, name: str, partitions: Partitions, date: str) -> str:
        """Return one digest of the rows that `read` returns for the same arguments."""
        if partitions == Partitions.CACHE:
            return ""  # content and producer version determine a cached row, and the reader selects by both
        manifests = self.select(name, partitions, date)
        if partitions == Partitions.ALL_CONTENT:
            return combined({f"{m.table}:{m.digest}": "" for m in manifests if m.rows})
        dated = partitions in {Partitions.UP_TO, Partitions.ALL}
        return combined({f"{m.table}@{m.date}" if dated else m.table: m.digest for m in manifests})

    # -- rows --------------------------------------------------------------------------------------------------

    def read(self, spark: SparkSession, name: str, partitions: Partitions, date: str) -> DataFrame:
        """Return the rows of the selected partitions, in the schema's columns; no rows if none is committed."""
        schema = table_of(name).read_schema
        manifests = [m for m in self.select(name, partitions, date) if m.folder and m.rows]
        if not manifests:
            # a literal `false`: the optimiser then drops joins with this frame before it plans a shuffle for them
            return spark.createDataFrame([], schema).where("false")
        paths = [self.store.pattern(f"{m.table}/{m.folder}") for m in manifests]
        rows = spark.read.schema(schema).parquet(*paths)
        if partitions == Partitions.CACHE and len(paths) > 1:
            return earliest_by_content(rows.withColumn("dt", F.regexp_extract(F.col("_metadata.file_path"), FILE_PATH, 1)))
        return rows

    def require(self, name: str, partitions: Partitions, date: str) -> None:
        """Raise LakeError, which names table, date and the job to run, unless a selected partition is committed."""
        if not self.select(name, partitions, date):
            writer = table_of(name).writer
            raise LakeError(f"Table {name} has no partition for {date}; run `pmrs run {writer.split(',')[0]} --date {date}`.")

    def write(self, part: str, date: str, frame: DataFrame) -> tuple[str, Digest]:
        """Write a partition and return its folder and digest. Readers see it once a manifest is committed."""
        folder = f"dt={date}/{new_folder()}"
        target = self.store.path(f"{part}/{folder}")
        observed = ObservedDigest(table_of(part).read_schema)
        observed.attach(conform(frame, part)).write.mode("errorifexists").parquet(target)
        return folder, observed.get() or digest(self.read_folder(frame.sparkSession, part, folder))

    def read_folder(self, spark: SparkSession, part: str, folder: str) -> DataFrame:
        """Return the rows of one folder of a part, committed or not."""
        return spark.read.schema(table_of(part).read_schema).parquet(self.store.pattern(f"{part}/{folder}"))

    def write_partitioned(self, part: str, frame: DataFrame) -> dict[str, tuple[str, Digest]]:
        """Write partitions of many dates in one pass, by column `dt`. Return (folder, digest) by ISO date."""
        folder = new_folder()
        label, run = folder.split("=")
        rows = conform(frame, part, keep=("dt",)).withColumn(label, F.lit(run))
        rows.repartition("dt").write.partitionBy("dt", label).mode("append").parquet(self.store.path(part))
        return self.register(frame.sparkSession, part, folder)

    def write_local(
        self, spark: SparkSession, part: str, days: Mapping[str, list[dict[str, Any]]]
    ) -> dict[str, tuple[str, Digest]]:
        """Write rows of the driver, by ISO date, without a Spark job. Return (folder, digest) by ISO date."""
        folder, schema = new_folder(), table_of(part).read_schema
        written = {}
        for day, rows in days.items():
            if rows:
                table = pa.Table.from_pylist(rows, to_arrow_schema(table_of(part).schema))
                content = pa.BufferOutputStream()
                pq.write_table(table, content)
                self.store.write_bytes(f"{part}/dt={day}/{folder}/rows.parquet", content.getvalue())
                written[day] = (f"dt={day}/{folder}", local_digest(spark, table, schema))
        return written

    def register(self, spark: SparkSession, part: str, folder: str) -> dict[str, tuple[str, Digest]]:
        """Return (folder, digest) by ISO date for rows that other processes wrote to `TABLE/dt=D/folder`."""
        days = [d for d in self.store.folders(part) if d.startswith("dt=") and self.store.exists(f"{part}/{d}/{folder}")]
        paths = [self.store.pattern(f"{part}/{d}/{folder}") for d in days]
        if not paths:
            return {}
        schema = table_of(part).read_schema
        # with a base path Spark parses the date from the folder's name once per file, not once per row
        back = spark.read.option("basePath", self.store.path(part)).schema(schema).parquet(*paths)
        by_day = digests(back.select(*schema.names, "dt"), "dt")
        return {day: (f"dt={day}/{folder}", value) for day, value in by_day.items()}

    def read_with_location(self, spark: SparkSession, part: str, folders: Iterable[str]) -> DataFrame:
        """Return rows of many folders of a part, with the columns `dt` and `run` of the folder `dt=.../run=...`."""
        paths = [self.store.pattern(f"{part}/{folder}") for folder in folders]
        rows = spark.read.schema(table_of(part).read_schema).parquet(*paths)
        labels = [F.regexp_extract(F.col("_metadata.file_path"), FILE_PATH, n).alias(name) for n, name in ((1, "dt"), (2, "run"))]
        return rows.select("*", *labels)

    def rewrite(self, part: str, frame: DataFrame, folders: Iterable[str]) -> dict[str, tuple[str, Digest]]:
        """Write rows of `read_with_location` into new folders; return (folder, digest) by old folder.

        A folder without remaining rows has no entry. There is no shuffle, so that files keep about their size.
        """
        stamp = new_folder().removeprefix("run=")
        run = F.concat(F.lit(f"{stamp}-"), F.regexp_extract("run", "[^-]*$", 0))
        rows = conform(frame.withColumn("run", run), part, keep=("dt", "run"))
        rows.write.partitionBy("dt", "run").mode("append").parquet(self.store.path(part))
        new = {f"{old.rpartition('run=')[0]}run={stamp}-{old.rpartition('-')[2]}": old for old in folders}
        written = [folder for folder in new if self.store.exists(f"{part}/{folder}")]
        if not written:
            return {}
        back = self.read_with_location(frame.sparkSession, part, written)
        rows = back.withColumn("folder", F.concat(F.lit("dt="), "dt", F.lit("/run="), "run")).drop("dt", "run")
        return {new[folder]: (folder, value) for folder, value in digests(rows, "folder").items()}

    @staticmethod
    def _manifest_name(part: str, date: str) -> str:
        return f"{part}/dt={date}/_manifest.json"


def _selected(dates: list[str], partitions: Partitions, date: str) -> list[str]:
    """Return those of the ascending `dates` that `partitions` selects."""
    up_to = [d for d in dates if d <= date]
    match partitions:
        case Partitions.DATE:
            return up_to[-1:] if up_to[-1:] == [date] else []
        case Partitions.PREVIOUS:
            previous = (dt.date.fromisoformat(date) - dt.timedelta(days=1)).isoformat()
            return [previous] if previous in up_to else []
        case Partitions.UP_TO:
            return up_to
        case Partitions.LATEST:
            return up_to[-1:]
        case _:
            return dates


def conform(frame: DataFrame, name: str, keep: Iterable[str] = ()) -> DataFrame:
    """Return the columns of the table in its order and types. Raises LakeError, which names missing columns."""
    schema = table_of(name).schema
    missing = [c for c in schema.names if c not in frame.columns]
    if missing:
        raise LakeError(f"Rows for table {name} lack the columns {', '.join(missing)}.")
    return frame.select(*[F.col(f.name).cast(f.dataType).alias(f.name) for f in schema], *keep)


def new_folder() -> str:
    """Return a folder name that no other run uses."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H%M%S")
    return f"run={now}-{uuid.uuid4().hex[:6]}"
