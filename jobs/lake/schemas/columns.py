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

STRING, BOOLEAN, BYTES = StringType(), BooleanType(), BinaryType()
INT, LONG, DOUBLE = IntegerType(), LongType(), DoubleType()
DATE, TIMESTAMP = DateType(), TimestampType()
FLOAT_ARRAY = ArrayType(FloatType())


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
        for column in copy:
            column.nullable = True
        return copy


def field(name: str, kind: DataType, comment: str, nullable: bool = False) -> StructField:
    """Return a field with its comment (meaning and unit), which Spark and the data dictionary show."""
    return StructField(name, kind, nullable, {"comment": comment})


def nullable_field(name: str, kind: DataType, comment: str) -> StructField:
    """Return a nullable field: null means unknown, or as the comment says."""
    return field(name, kind, comment, nullable=True)


def define_table(name: str, row: str, writer: str, key: tuple[str, ...], *columns: StructField) -> Table:
    """Return a table of these columns."""
    return Table(name, row, writer, StructType([*columns]), key)


def snapshot(name: str, row: str, key: tuple[str, ...], *columns: StructField) -> Table:
    """Return a table that the job `snapshots` writes."""
    return define_table(name, row, "snapshots", key, *columns)


USER = field("user_id", STRING, "user; prefixed with the source's namespace if one is configured")
TRACK = field("track_id", STRING, "MSD track (TR...), or the id of another source, prefixed with its namespace")
SONG = nullable_field("song_id", STRING, "MSD song (SO...); one song may have several tracks")
SONG_ID = field("song_id", STRING, "MSD song (SO...)")
ARTIST = field("artist_id", STRING, "MSD artist (AR...)")
"""Fields that occur in several tables with one meaning."""
