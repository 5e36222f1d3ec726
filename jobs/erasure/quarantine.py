"""Redact rejected lines that name an erased user: their bytes are removed, their rows stay."""

import base64
import binascii
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, StructField, StructType

from jobs.erasure.tokens import names_erased_user
from jobs.lake.deletion_requests import DeletionRequests

REDACTION_NOTE = "; its bytes are erased by a deletion request"


def marked(frame: DataFrame, requests: DeletionRequests, namespaces: tuple[str, ...]) -> DataFrame:
    """Return rows of table `quarantine` (and other columns) with `__names`: True if their bytes name an erased user."""
    known = frame.sparkSession.sparkContext.broadcast(requests)

    def add_flags(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        names = names_erased_user(known.value, namespaces)
        for batch in batches:
            flags = [raw is not None and names(_bytes(raw)) for raw in batch.column("raw").to_pylist()]
            yield batch.append_column("__names", pa.array(flags, pa.bool_()))

    flag = StructField("__names", BooleanType())
    return frame.mapInArrow(add_flags, StructType([*frame.schema, flag]))


def _bytes(raw: str) -> bytes:
    try:
        return base64.b64decode(raw)
    except binascii.Error:
        return raw.encode()  # not base64 of ours, but it may contain a user id


def count_affected(
    spark: SparkSession, paths: list[str], requests: DeletionRequests, namespaces: tuple[str, ...]
) -> dict[str, int]:
    """Return the number of lines that name an erased user, by folder; one Spark job for all folders."""
    rows = spark.read.schema("raw string").parquet(*paths).where("raw IS NOT NULL")
    located = rows.select("raw", F.regexp_replace("_metadata.file_path", "/[^/]+$", "").alias("folder"))
    counted = marked(located, requests, namespaces).where("__names").groupBy("folder").agg(F.count("*").alias("rows"))
    return {row["folder"]: row["rows"] for row in counted.collect()}  # as many as folders at most


def redacted(frame: DataFrame, requests: DeletionRequests, namespaces: tuple[str, ...]) -> DataFrame:
    """Return `frame` without the bytes of such lines, and with a note in their reason; rule, file and line stay."""
    names = F.col("__names")
    raw = F.when(~names, F.col("raw")).alias("raw")
    reason = F.when(names, F.concat("reason", F.lit(REDACTION_NOTE))).otherwise(F.col("reason")).alias("reason")
    new = {"raw": raw, "reason": reason}
    return marked(frame, requests, namespaces).select(*[new.get(name, F.col(name)) for name in frame.columns])
