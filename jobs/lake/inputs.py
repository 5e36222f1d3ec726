"""Inputs of a partition: what its rows depend on besides the job's config and program.

Manifests record a digest or value of each input under its label, such as `events|up_to` or `config|rank`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from jobs.lake.partitions import Partitions


class InputKind(StrEnum):
    """What an input is; the value is the first word of its label, except of tables."""

    TABLE = "table"
    """Rows of a table. Label: `NAME|PARTITIONS`."""
    DATE = "date"
    """The night's date, for a job that uses it. Label: `date`."""
    CONFIG = "config"
    """Settings of another job. Label: `config|JOB`."""
    MODEL = "model"
    """A registered model. Label: `model|NAME`."""
    FILE = "file"
    """SHA-256 of a source file. Label: `file|PATH`."""
    GENRES = "genres"
    """Name of the genre set. Label, as of all kinds below: the kind and `|`."""
    BACKFILL = "backfill"
    """Whether the night is one of a backfill."""
    OPTIONS = "options"
    """Settings of a source."""
    STAT = "stat"
    """Names, sizes and modification times of a source's files, to detect quickly that nothing changed."""
    READER = "reader"
    """Version of the program that read a source."""
    DELETIONS = "deletions"
    """All deletion requests, those of the current ingest included."""


NAMED = frozenset({InputKind.CONFIG, InputKind.MODEL, InputKind.FILE})
"""Kinds with a name after the `|`."""
UNNAMED = frozenset(InputKind) - NAMED - {InputKind.TABLE, InputKind.DATE}
"""Kinds that a partition has at most one of."""


@dataclass(frozen=True)
class Input:
    """One input. Raises ValueError for a table whose label would be that of another kind."""

    kind: InputKind
    name: str = ""
    """Table, job, model or path; empty for other kinds."""
    partitions: Partitions | None = None
    """Selection of a table's partitions; None for other kinds."""

    def __post_init__(self) -> None:
        if (self.kind == InputKind.TABLE) != (self.partitions is not None):
            raise ValueError(f"an input has partitions if it is a table, and only then: {self}")
        if self.name and self.kind not in NAMED | {InputKind.TABLE}:
            raise ValueError(f"an input of kind {self.kind} has no name: {self}")
        if self.kind == InputKind.TABLE and self.name.partition("|")[0] in NAMED:
            raise ValueError(f"a table cannot be called {self.name}: its label would be that of another input")

    def label(self) -> str:
        """Return the label under which manifests record the input."""
        if self.kind == InputKind.TABLE:
            return f"{self.name}|{self.partitions}"
        return str(self.kind) if self.kind == InputKind.DATE else f"{self.kind}|{self.name}"

    @classmethod
    def parse(cls, label: str) -> Self:
        """Return the input of a label. Raises ValueError for a text that `label` cannot return."""
        if label == InputKind.DATE:
            return cls(InputKind.DATE)
        kind, separator, name = label.partition("|")
        if separator and kind in NAMED:
            return cls(InputKind(kind), name)
        if separator and kind in UNNAMED and not name:
            return cls(InputKind(kind))
        table, _, partitions = label.rpartition("|")
        return cls(InputKind.TABLE, table, Partitions(partitions))


def table_input(name: str, partitions: Partitions) -> Input:
    """Return the input of the selected partitions of a table."""
    return Input(InputKind.TABLE, name, partitions)


def model_input(name: str) -> Input:
    """Return the input of a registered model."""
    return Input(InputKind.MODEL, name)


def config_input(job: str) -> Input:
    """Return the input of a job's settings."""
    return Input(InputKind.CONFIG, job)


def file_input(path: str) -> Input:
    """Return the input of a source file."""
    return Input(InputKind.FILE, path)


DATE = Input(InputKind.DATE)
GENRES = Input(InputKind.GENRES)
BACKFILL = Input(InputKind.BACKFILL)
OPTIONS = Input(InputKind.OPTIONS)
STAT = Input(InputKind.STAT)
READER = Input(InputKind.READER)
DELETIONS = Input(InputKind.DELETIONS)


def file_digests(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of each file among inputs by label, by path."""
    items = ((Input.parse(label), digest) for label, digest in inputs.items())
    return {item.name: digest for item, digest in items if item.kind == InputKind.FILE}
