"""How a schema is written down: every field with its meaning and unit, from which the data dictionary is made."""

from dataclasses import dataclass

from pyspark.sql.types import DataType, StructField, StructType


@dataclass(frozen=True)
class Table:
    """One lake table: its name, what one row is, the job that writes it, and its columns."""

    name: str
    row: str
    writer: str
    schema: StructType
    key: tuple[str, ...]
    """Columns that identify a row; no two rows of one date share them."""

    @property
    def read_schema(self) -> StructType:
        """The schema as Parquet and Arrow give it back: every column nullable."""
        copy = StructType.fromJson(self.schema.jsonValue())
        for field in copy:
            field.nullable = True
        return copy


def column(name: str, kind: DataType, comment: str, nullable: bool = False) -> StructField:
    """A field with its comment (meaning and unit), as Spark and the data dictionary read it."""
    return StructField(name, kind, nullable, {"comment": comment})
