"""Define tables and fields; every field has a meaning and a unit, from which the data dictionary is generated."""

from dataclasses import dataclass

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

TEXT, FLAG, BYTES = StringType(), BooleanType(), BinaryType()
INT, LONG, REAL = IntegerType(), LongType(), DoubleType()
DAY, TIME = DateType(), TimestampType()
VECTOR = ArrayType(FloatType())


@dataclass(frozen=True)
class Table:
    """A lake table: its name, the meaning of a row, the job that writes it, and its columns."""

    name: str
    row: str
    writer: str
    schema: StructType
    key: tuple[str, ...]
    """Columns that identify a row; no two rows of one date share them."""

    @property
    def read_schema(self) -> StructType:
        """The schema as Parquet and Arrow return it: every column nullable."""
        copy = StructType.fromJson(self.schema.jsonValue())
        for field in copy:
            field.nullable = True
        return copy


def column(name: str, kind: DataType, comment: str, nullable: bool = False) -> StructField:
    """Return a field with its comment (meaning and unit), which Spark and the data dictionary show."""
    return StructField(name, kind, nullable, {"comment": comment})


def optional(name: str, kind: DataType, comment: str) -> StructField:
    """Return a nullable field: null means unknown, or as the comment says."""
    return column(name, kind, comment, nullable=True)


def define(name: str, row: str, writer: str, key: tuple[str, ...], *columns: StructField) -> Table:
    """Return a table of these columns."""
    return Table(name, row, writer, StructType([*columns]), key)


def snapshot(name: str, row: str, key: tuple[str, ...], *columns: StructField) -> Table:
    """Return a table that the job `snapshots` writes."""
    return define(name, row, "snapshots", key, *columns)


USER = column("user_id", TEXT, "user; prefixed with the source's namespace if one is configured")
TRACK = column("track_id", TEXT, "MSD track (TR...), or the id of another source, prefixed with its namespace")
SONG = optional("song_id", TEXT, "MSD song (SO...); one song may have several tracks")
SONG_ID = column("song_id", TEXT, "MSD song (SO...)")
ARTIST = column("artist_id", TEXT, "MSD artist (AR...)")
"""Fields that occur in several tables with one meaning."""
