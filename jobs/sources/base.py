"""What formats share, so that a format's module says only what is particular to it: the defaults of `contract.Format`."""

from abc import ABC, abstractmethod
from datetime import date

from pyspark.sql import SparkSession

from jobs.sources.contract import Source
from jobs.sources.reading.files import text_listing
from jobs.sources.reading.lines import cut_files, independent_count


class Plain:
    """A format that gives one table and has no options."""

    also: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()

    def check(self, source: Source) -> None:
        """There are no options that could be wrong."""

    def received(self, path: str) -> date | None:
        """None: no file tells a date of receipt."""
        return None


class Snapshot(Plain):
    """A format whose data have no dates: read whole each night, as of the date that the source states."""

    dated = False

    def newest(self, source: Source) -> date | None:
        """The stated `as_of`."""
        return source.as_of


class Events(Plain, ABC):
    """A format of listening events, each with its time."""

    table = "events"
    dated = True

    def newest(self, source: Source) -> date | None:
        """Newest date of receipt: a file's own, else the newest that its lines tell."""
        days = (self.received(path) or self.newest_day(source, path) for path in self.files(source))
        return max((day for day in days if day), default=None)

    @abstractmethod
    def files(self, source: Source) -> list[str]:
        """As `contract.Format` says."""

    @abstractmethod
    def newest_day(self, source: Source, path: str) -> date | None:
        """Newest UTC date of receipt that a file's lines tell, found without Spark."""


class TextFiles:
    """Text lines, plain or gzip; named before `Snapshot` or `Events`."""

    def files(self, source: Source) -> list[str]:
        """Every file under the path, plain or .gz."""
        return text_listing(source)

    def count(self, spark: SparkSession, source: Source, files: list[str]) -> dict[str, int]:
        """Lines by the second reader."""
        return independent_count(spark, files, cut_files(source, files))
