"""Base classes with the defaults of `contract.Format`, so that a format defines only its particulars."""

from abc import ABC, abstractmethod
from datetime import date

from pyspark.sql import SparkSession

from jobs.sources.contract import Source
from jobs.sources.options import Options
from jobs.sources.reading.files import list_text_files
from jobs.sources.reading.lines import count_text_lines, truncated_files


class FormatDefaults:
    """A format of one table, without options."""

    extra_tables: frozenset[str] = frozenset()
    options: type[Options] = Options

    def receipt_date(self, path: str) -> date | None:
        """Return None: files have no date of receipt."""
        return None


class SnapshotFormat(FormatDefaults):
    """A format without dates. It is read completely every night, as of the date given in the sources file."""

    dated = False

    def newest_date(self, source: Source) -> date | None:
        """Return the source's `as_of`."""
        return source.as_of


class EventFormat(FormatDefaults, ABC):
    """A format of listening events, each with its time."""

    table = "events"
    dated = True

    def newest_date(self, source: Source) -> date | None:
        """Return the newest date of receipt: that of a file, or else the newest date in its lines."""
        dates = (self.receipt_date(path) or self.newest_date_in_file(source, path) for path in self.files(source))
        return max((day for day in dates if day), default=None)

    @abstractmethod
    def files(self, source: Source) -> list[str]:
        """List the source's files; see `contract.Format`."""

    @abstractmethod
    def newest_date_in_file(self, source: Source, path: str) -> date | None:
        """Return the newest UTC date of receipt in a file's lines, without Spark."""


class TextFileFormat:
    """A format of text lines, plain or gzip. As a base class it precedes `SnapshotFormat` or `EventFormat`."""

    def files(self, source: Source) -> list[str]:
        """List every file under the path, plain or .gz."""
        return list_text_files(source)

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Count the lines of each file with the independent counter."""
        return count_text_lines(spark, files, truncated_files(source, files))
