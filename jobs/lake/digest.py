"""Digests that define "the same rows": they depend on the rows alone, not on files, order or partitions."""

import hashlib
import json
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StructType


@dataclass(frozen=True)
class Digest:
    """Number of rows, and the digest of the rows together with their schema."""

    rows: int
    digest: str


def schema_hash(schema: StructType) -> str:
    """Return the SHA-256 (16 hex digits) of names, types and nullability; comments may change freely."""
    shape = [(field.name, field.dataType.simpleString(), field.nullable) for field in schema]
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]


def _row_hash(schema: StructType) -> Column:
    """Hash a row to 64 bits: its values, and what xxhash64 ignores.

    xxhash64 ignores which columns are null: ("a", null) and (null, "a") would be equal. They are added as the bits of
    numbers. It also ignores where an array ends and the next begins; the lengths of arrays are added.
    """
    columns = [F.col(f"`{name}`") for name in schema.names]
    nulls = [F.when(column.isNull(), F.lit(1 << at % 32)).otherwise(F.lit(0)) for at, column in enumerate(columns)]
    masks = [reduce(Column.bitwiseOR, nulls[start : start + 32]) for start in range(0, len(nulls), 32)]
    lengths = [F.size(f"`{field.name}`") for field in schema if isinstance(field.dataType, ArrayType)]
    return F.xxhash64(*columns, *masks, *lengths)


def _exact_sum(hashes: Column) -> Column:
    """Sum 64-bit numbers exactly, for up to 2^31 rows: as two halves of longs, four times faster than decimals."""
    high, low = F.shiftright(hashes, 32), hashes.bitwiseAND(F.lit(0xFFFFFFFF))
    return F.sum(high).cast("decimal(38,0)") * F.lit(2**32).cast("decimal(11,0)") + F.sum(low)


def _sums(hashes: str) -> list[Column]:
    """Return the aggregates of a digest over the column `hashes`.

    They are the sum of the rows' hashes, and the sum of those hashed again. The probability to miss a change is 2^-64
    for a single row and 2^-128 for several rows.
    """
    return [
        F.count("*").alias("rows"), _exact_sum(F.col(hashes)).alias("once"), _exact_sum(F.xxhash64(hashes)).alias("twice"),
    ]  # fmt: skip


def digests(frame: DataFrame, by: str) -> dict[str, Digest]:
    """Return the digest per value of column `by`, which is not part of the rows; one pass for many partitions."""
    columns = sorted(set(frame.columns) - {by})
    schema = frame.select(*columns).schema
    # inline(array(struct)) prevents the optimizer from copying the hash expression into each of the sums
    hashed = frame.select(F.col(by).alias("part"), F.inline(F.array(F.struct(_row_hash(schema).alias("hash")))))
    totals = hashed.groupBy("part").agg(*_sums("hash")).collect()
    return {str(row["part"]): _digest(row["rows"], [row["once"], row["twice"]], schema_hash(schema)) for row in totals}


def digest(frame: DataFrame) -> Digest:
    """Return the digest of all rows. Integers are summed exactly, so that it does not depend on their order."""
    return digests(frame.withColumn("__part", F.lit("")), "__part").get("", empty_digest(frame.schema))


def local_digest(spark: SparkSession, rows: pa.Table, schema: StructType) -> Digest:
    """Return the digest of rows of the driver, without a Spark job: the optimiser hashes a local relation itself."""
    ordered = StructType(sorted(schema, key=lambda field: field.name))
    hashes = spark.createDataFrame(rows, schema).select(_row_hash(ordered).alias("once"))
    pairs = hashes.select("once", F.xxhash64("once").alias("twice")).collect()
    return _digest(len(pairs), [sum(pair[name] for pair in pairs) for name in ("once", "twice")], schema_hash(ordered))


class ObservedDigest:
    """The digest of a frame, computed in the pass that writes it: no job reads the rows back."""

    def __init__(self, schema: StructType) -> None:
        """Prepare the digest of rows with the schema of the table as it is read (every column nullable)."""
        self._schema = StructType(sorted(schema, key=lambda field: field.name))
        self._observation = Observation()

    def attach(self, frame: DataFrame) -> DataFrame:
        """Return the same rows, to be written exactly once."""
        hashed = frame.withColumn("__hash", _row_hash(self._schema))
        return hashed.observe(self._observation, *_sums("__hash")).drop("__hash")

    def get(self) -> Digest | None:
        """Return the digest after the write; None if the optimiser removed the observation together with all rows."""
        totals = self._observation.get
        if not totals:
            return None
        return _digest(totals["rows"], [totals["once"] or 0, totals["twice"] or 0], schema_hash(self._schema))


def empty_digest(schema: StructType) -> Digest:
    """Return the digest of no rows."""
    return _digest(0, [0, 0], schema_hash(StructType(sorted(schema, key=lambda field: field.name))))


def _digest(rows: int, sums: list[object], schema: str) -> Digest:
    text = f"{rows}:{':'.join(str(int(str(s))) for s in sums)}:{schema}"
    return Digest(rows, hashlib.sha256(text.encode()).hexdigest()[:32])


def combined(parts: dict[str, str]) -> str:
    """Return one digest of several named digests; their order has no effect."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
