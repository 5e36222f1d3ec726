"""The lake: tables of dated partitions, each written aside and committed by one atomic manifest."""

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
from jobs.lake.digest import Digest, combined, digest, digests
from jobs.lake.files import Store
from jobs.lake.held import first_held
from jobs.lake.manifest import Manifest
from jobs.lake.schemas import table as table_of

PLACE = r"/dt=([^/]+)/run=([^/]+)/[^/]+$"
"""What the path of a data file says: its date's and its run's folder."""


class Lake:
    """Reads resolve through manifests; folders that none names are orphans of runs that died, and never read."""

    def __init__(self, root: str, sources: frozenset[str] | None = None) -> None:
        """`root`: the lake of one sources file, e.g. var/lake/sample. `sources`: the names in it; None: do not ask.

        What a source that is no longer named has left stays in the lake, but is not read.
        """
        self.store = Store(root)
        self._sources = sources

    # -- manifests ---------------------------------------------------------------------------------------------

    def parts(self, name: str) -> list[str]:
        """A table's parts: itself, or one for each source (`events/app`) where sources are kept apart."""
        below = [f for f in self.store.folders(name) if not f.startswith("dt=")]
        if self._sources is not None and table_of(name).writer in {"events", "snapshots"}:
            below = [f for f in below if f in self._sources]
        return [f"{name}/{f}" for f in below] or [name]

    def dates(self, part: str) -> list[str]:
        """Dates (ISO) of a part that have a manifest, upwards."""
        found = (f.removeprefix("dt=") for f in self.store.folders(part) if f.startswith("dt="))
        return [d for d in found if self.store.exists(self._manifest_name(part, d))]

    def manifest(self, part: str, date: str) -> Manifest | None:
        """The manifest of one partition, or None where none is committed."""
        try:
            return Manifest.from_json(self.store.read_json(self._manifest_name(part, date)))
        except FileNotFoundError:
            return None

    def commit(self, manifest: Manifest) -> None:
        """Make a partition valid: the one atomic write."""
        self.store.write_json(self._manifest_name(manifest.table, manifest.date), manifest.to_json())

    def select(self, name: str, rule: str, date: str) -> list[Manifest]:
        """Manifests that `rule` picks over all parts: `on` that date, `before` it by one day exactly, `upto` it, `latest` up
        to it, or `all` there are; `said` and `held` pick as `all` does.
        """
        # whoever wants all there ever was has no date to tell
        eve = (dt.date.fromisoformat(date) - dt.timedelta(days=1)).isoformat() if rule == "before" else ""
        picked: list[Manifest] = []
        for part in self.parts(name):
            dates = self.dates(part)
            upto = [d for d in dates if d <= date]
            one_day = {"on": [d for d in upto if d == date], "before": [d for d in upto if d == eve]}
            chosen = (one_day | {"upto": upto, "latest": upto[-1:], "all": dates, "said": dates, "held": dates})[rule]
            picked += [m for d in chosen if (m := self.manifest(part, d)) is not None]
        return picked

    def digest_of(self, name: str, rule: str, date: str) -> str:
        """One digest of what `read` with the same arguments would give: of one date's rows, whatever the date is."""
        if rule == "held":
            return ""  # what is kept by content follows from what asks for it (jobs/lake/held.py)
        if rule == "said":
            # the same rows, read again for another night, and nights of no rows, say nothing new
            return combined({f"{m.table}:{m.digest}": "" for m in self.select(name, rule, date) if m.rows})
        many = rule in {"upto", "all"}
        return combined({f"{m.table}@{m.date}" if many else m.table: m.digest for m in self.select(name, rule, date)})

    # -- rows --------------------------------------------------------------------------------------------------

    def read(self, spark: SparkSession, name: str, rule: str, date: str) -> DataFrame:
        """Rows of the partitions that `rule` picks, in the schema's columns; no rows where it picks none."""
        schema = table_of(name).read_schema
        manifests = [m for m in self.select(name, rule, date) if m.folder and m.rows]
        if not manifests:
            # false in so many words: the optimiser drops joins with it before anything is hashed for them
            return spark.createDataFrame([], schema).where("false")
        paths = [self.store.pattern(f"{m.table}/{m.folder}") for m in manifests]
        rows = spark.read.schema(schema).parquet(*paths)
        if rule == "held" and len(paths) > 1:
            return first_held(rows.withColumn("dt", F.regexp_extract(F.col("_metadata.file_path"), PLACE, 1)))
        return rows

    def require(self, name: str, rule: str, date: str) -> None:
        """Raise LakeError, naming table, date and the job to run, unless a partition is committed."""
        if not self.select(name, rule, date):
            writer = table_of(name).writer
            raise LakeError(f"Table {name} has nothing for {date}; run `pmrs run {writer.split(',')[0]} --date {date}`.")

    def put(self, part: str, date: str, frame: DataFrame) -> tuple[str, Digest]:
        """Write rows aside, and read them back for their digest; not valid until a manifest names the folder."""
        folder = f"dt={date}/{new_folder()}"
        target = self.store.path(f"{part}/{folder}")
        conform(frame, part).write.mode("errorifexists").parquet(target)
        return folder, digest(self.rows(frame.sparkSession, part, folder))

    def rows(self, spark: SparkSession, part: str, folder: str) -> DataFrame:
        """The rows of one folder of a part, committed or not."""
        return spark.read.schema(table_of(part).read_schema).parquet(self.store.pattern(f"{part}/{folder}"))

    def put_days(self, part: str, frame: DataFrame) -> dict[str, tuple[str, Digest]]:
        """The same for many dates in one pass: `frame` has the schema's columns and `dt`; (folder, digest) by ISO date."""
        folder = new_folder()
        label, run = folder.split("=")
        rows = conform(frame, part, keep=("dt",)).withColumn(label, F.lit(run))
        rows.repartition("dt").write.partitionBy("dt", label).mode("append").parquet(self.store.path(part))
        return self.put_already(frame.sparkSession, part, folder)

    def put_rows(self, spark: SparkSession, part: str, days: Mapping[str, list[dict[str, Any]]]) -> dict[str, tuple[str, Digest]]:
        """The same for the few rows, by ISO date, that the driver holds: no Spark job is started to write them."""
        folder, schema = new_folder(), to_arrow_schema(table_of(part).schema)
        for day, rows in days.items():
            if rows:
                content = pa.BufferOutputStream()
                pq.write_table(pa.Table.from_pylist(rows, schema), content)
                self.store.write_bytes(f"{part}/dt={day}/{folder}/rows.parquet", content.getvalue())
        return self.put_already(spark, part, folder)

    def put_already(self, spark: SparkSession, part: str, folder: str) -> dict[str, tuple[str, Digest]]:
        """The same for rows that lie under `TABLE/dt=D/folder` already, of whatever dates: read back for their digests."""
        days = [d for d in self.store.folders(part) if d.startswith("dt=") and self.store.exists(f"{part}/{d}/{folder}")]
        paths = [self.store.pattern(f"{part}/{d}/{folder}") for d in days]
        if not paths:
            return {}
        schema = table_of(part).read_schema
        # with a base path Spark tells the date from the folder's name, once per file and not once per row
        back = spark.read.option("basePath", self.store.path(part)).schema(schema).parquet(*paths)
        found = digests(back.select(*schema.names, "dt"), "dt")
        return {day: (f"dt={day}/{folder}", value) for day, value in found.items()}

    def located(self, spark: SparkSession, part: str, folders: Iterable[str]) -> DataFrame:
        """Rows of many folders of a part, with `dt` and `run`: the folder `dt=.../run=...` in which each lies."""
        paths = [self.store.pattern(f"{part}/{folder}") for folder in folders]
        rows = spark.read.schema(table_of(part).read_schema).parquet(*paths)
        labels = [F.regexp_extract(F.col("_metadata.file_path"), PLACE, n).alias(name) for n, name in ((1, "dt"), (2, "run"))]
        return rows.select("*", *labels)

    def put_again(self, part: str, frame: DataFrame, folders: Iterable[str]) -> dict[str, tuple[str, Digest]]:
        """Write rows of `located` anew, each folder's beside it, in one pass: (new folder, digest) by the old folder.

        Folders of which no row is left have no entry. No shuffle: files stay about as large as they were.
        """
        mark = new_folder().removeprefix("run=")
        run = F.concat(F.lit(f"{mark}-"), F.regexp_extract("run", "[^-]*$", 0))
        rows = conform(frame.withColumn("run", run), part, keep=("dt", "run"))
        rows.write.partitionBy("dt", "run").mode("append").parquet(self.store.path(part))
        new = {f"{old.rpartition('run=')[0]}run={mark}-{old.rpartition('-')[2]}": old for old in folders}
        kept = [folder for folder in new if self.store.exists(f"{part}/{folder}")]
        if not kept:
            return {}
        back = self.located(frame.sparkSession, part, kept)
        placed = back.withColumn("place", F.concat(F.lit("dt="), "dt", F.lit("/run="), "run")).drop("dt", "run")
        return {new[folder]: (folder, value) for folder, value in digests(placed, "place").items()}

    @staticmethod
    def _manifest_name(part: str, date: str) -> str:
        return f"{part}/dt={date}/_manifest.json"


def conform(frame: DataFrame, name: str, keep: Iterable[str] = ()) -> DataFrame:
    """The table's columns in its order and types. Raises LakeError naming columns that are missing."""
    schema = table_of(name).schema
    missing = [c for c in schema.names if c not in frame.columns]
    if missing:
        raise LakeError(f"Rows for table {name} lack the columns {', '.join(missing)}.")
    return frame.select(*[F.col(f.name).cast(f.dataType).alias(f.name) for f in schema], *keep)


def new_folder() -> str:
    """A name that no other run gives its folder."""
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H%M%S")
    return f"run={now}-{uuid.uuid4().hex[:6]}"
