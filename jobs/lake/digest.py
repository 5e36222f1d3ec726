"""What "the same rows" means: a digest that depends on the rows alone, not on files, order or partitions."""

import hashlib
import json
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

_SALTS = (17, 4711)
"""Two independent 64-bit sums: a chance collision of both is 2^-128."""


@dataclass(frozen=True)
class Digest:
    """Number of rows, and the digest of them together with their schema."""

    rows: int
    digest: str


def schema_hash(schema: StructType) -> str:
    """SHA-256 (16 hex digits) of names, types and nullability; comments may change freely."""
    shape = [(field.name, field.dataType.simpleString(), field.nullable) for field in schema]
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]


def _row_hash(columns: list[str], salt: int) -> Column:
    # xxhash64 passes nulls over, so that ("a", null) and (null, "a") would be equal: each null is hashed as a flag.
    parts = [part for name in columns for part in (F.col(f"`{name}`"), F.col(f"`{name}`").isNull())]
    return F.xxhash64(F.lit(salt), *parts)


def _exact_sum(hashes: Column) -> Column:
    """The sum of 64-bit numbers, exact for up to 2^31 rows: halves as longs, four times as quick as one sum of decimals."""
    high, low = F.shiftright(hashes, 32), hashes.bitwiseAND(F.lit(0xFFFFFFFF))
    return F.sum(high).cast("decimal(38,0)") * F.lit(2**32).cast("decimal(11,0)") + F.sum(low)


def digests(frame: DataFrame, by: str) -> dict[str, Digest]:
    """Digest per value of column `by` (which is not part of the rows): one pass for many partitions of one table."""
    columns = sorted(set(frame.columns) - {by})
    schema = schema_hash(frame.select(*columns).schema)
    sums = [_exact_sum(_row_hash(columns, salt)).alias(f"s{salt}") for salt in _SALTS]
    found = frame.groupBy(F.col(by).cast("string").alias("part")).agg(F.count("*").alias("n"), *sums).collect()
    return {row["part"]: _digest(row["n"], [row[f"s{salt}"] for salt in _SALTS], schema) for row in found}


def digest(frame: DataFrame) -> Digest:
    """Digest of all rows: order-free and exact, because integers are summed as decimals."""
    whole = digests(frame.withColumn("__part", F.lit("")), "__part")
    return whole.get("", _digest(0, [0] * len(_SALTS), schema_hash(frame.select(*sorted(frame.columns)).schema)))


def _digest(rows: int, sums: list[object], schema: str) -> Digest:
    text = f"{rows}:{':'.join(str(int(str(s))) for s in sums)}:{schema}"
    return Digest(rows, hashlib.sha256(text.encode()).hexdigest()[:32])


def combined(parts: dict[str, str]) -> str:
    """One digest for several named ones, whatever their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
