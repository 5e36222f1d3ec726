"""Read the sources file (TOML): what a run reads, under which name, with which genre set. See docs/datasets.md."""

import os
import re
import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pyarrow import ArrowException
from pydantic import BaseModel, ConfigDict, Field

from jobs.errors import SourceError
from jobs.job_config import build_config
from jobs.registry import JOBS
from jobs.sources.contract import COUNT_TABLES, Source
from jobs.sources.formats import FORMATS
from jobs.sources.options import validated

JOB_PARTS = frozenset({"mel", "descriptors"})
"""Parts that jobs write into tables of the sources (`quarantine/mel`)."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
"""Names become folders of the lake and parts of a MongoDB database's name."""
Text = Annotated[str, Field(pattern=r"\S")]
LIST_LENGTHS = {"overall": "overall", "places": "overall", "list_length": "overall", "per_genre": "per_genre"}
"""Former settings of FORMER_OWNERS: their names under [jobs.rank]."""
FORMER_OWNERS = ("candidates", "publish", "quality")
"""Jobs that had list lengths of their own; they now read those of `rank`."""
NAME = "lower-case letters, digits, _ or -, starting with a letter"


@dataclass(frozen=True)
class Sources:
    """A sources file, read and validated."""

    name: str
    """Name of the lake's folder, the reports' folder and the MongoDB database."""
    genres: str
    """Name of a genre set in jobs/genres.toml."""
    sources: tuple[Source, ...]
    path: Path
    """The file itself, absolute."""
    synthetic: bool = False
    """True: reports state wherever they show figures that the data is synthetic."""
    jobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings by job, as the file has them: see jobs/job_config.py."""


class SourceTable(BaseModel):
    """One `[[source]]`. Further keys are options of its format."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    format: Text = Field(description='the name of a format, such as "app_log"')
    path: Text = Field(description='a path, such as "logs/"')
    name: Name | None = Field(None, description=NAME)
    as_of: date | None = Field(None, description="a plain TOML date without quotes, such as 2026-11-01")
    namespace: str = Field("", pattern=r"^[A-Za-z0-9_.-]{0,40}$", description="letters, digits, _, . or -")
    truncated: Literal["refuse", "take"] = Field(
        "refuse", description='"refuse" (a truncated .gz stops the night) or "take"'
    )


class SourcesFile(BaseModel):
    """The sources file as written."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    name: Name = Field(description=NAME)
    genres: Text = Field(description='the name of a genre set, such as "pmrs7"')
    synthetic: bool = Field(False, description="true or false")
    source: list[SourceTable] = Field(min_length=1, description="one or more tables [[source]]")
    jobs: dict[str, dict[str, Any]] = Field({}, description="tables of their own, such as [jobs.rank]")


def load_sources(path: Path | str) -> Sources:
    """Read a sources file. `${NAME}` is expanded in every text; paths are relative to the file.

    Raises SourceError, one sentence with the file, table and key. Causes: the file is missing or not TOML, a variable
    is unset, a key or a setting of a job is missing, unknown or invalid, or two sources have one name.
    """
    path = Path(path).resolve()
    file = validated(SourcesFile, _expand_variables(_read_toml(path), path), str(path))
    _require_known_jobs(file, path)
    _refuse_former_list_lengths(file, path)
    for job in JOBS:
        # a night with an invalid setting of its last job fails now, and not after its first jobs
        build_config(job.config_class(), file.jobs.get(job.name, {}), f"{path}, [jobs.{job.name}]")
    sources = tuple(
        _source(table, f"{path}, source {number}", path.parent) for number, table in enumerate(file.source, 1)
    )
    _require_distinct_names(path, [source.name for source in sources])
    return Sources(file.name, file.genres, sources, path, file.synthetic, file.jobs)


def newest_date(sources: Sources) -> date:
    """Return the newest UTC date in the data, without Spark.

    That is the newest date of the dated sources (folders, file names, time columns), or else the newest `as_of`. Raises
    SourceError if no source has a date, or a source cannot be read.
    """
    for dated in (True, False):
        candidates = (source for source in sources.sources if FORMATS[source.format].dated == dated)
        days = [day for source in candidates if (day := _newest(source))]
        if days:
            return max(days)
    raise SourceError(
        f"{sources.path}: no source has dates and none has an `as_of`; "
        "pass the night's date with --date, or add an as_of."
    )


def _newest(source: Source) -> date | None:
    try:
        return FORMATS[source.format].newest_date(source)
    except (OSError, EOFError, zlib.error, ArrowException) as error:
        message = f"The newest date of source {source.name} cannot be read: {error}; repair or remove the file."
        raise SourceError(message) from None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        message = f"The sources file {file} cannot be read: {error.strerror}; docs/datasets.md has an example."
        raise SourceError(message) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"The sources file {file} is not TOML: {error}.") from None


def _expand_variables(value: Any, file: Path) -> Any:
    """Replace `${NAME}` by the environment variable in every text within `value`."""
    if isinstance(value, dict):
        return {key: _expand_variables(inner, file) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expand_variables(inner, file) for inner in value]
    return re.sub(r"\$\{(\w+)\}", lambda match: _variable(match[1], file), value) if isinstance(value, str) else value


def _variable(name: str, file: Path) -> str:
    if not os.environ.get(name):
        raise SourceError(f"{file} uses ${{{name}}}, which is not set; set that environment variable.")
    return os.environ[name]


def _require_known_jobs(file: SourcesFile, path: Path) -> None:
    names = [job.name for job in JOBS]
    if unknown := sorted(set(file.jobs) - set(names)):
        raise SourceError(f"{path}: there is no job {unknown[0]} with settings; available are {', '.join(names)}.")


def _refuse_former_list_lengths(file: SourcesFile, path: Path) -> None:
    for job in FORMER_OWNERS:
        if former := sorted(set(file.jobs.get(job, {})) & set(LIST_LENGTHS)):
            message = f"{former[0]} is not a setting of this job any more; set {LIST_LENGTHS[former[0]]} under [jobs.rank]"
            raise SourceError(f"{path}, [jobs.{job}]: {message}.")


def _source(table: SourceTable, where: str, folder: Path) -> Source:
    if table.format not in FORMATS:
        raise SourceError(f"{where}: the format {table.format!r} is unknown; known are {', '.join(FORMATS)}.")
    options = table.model_extra or {}
    validated(FORMATS[table.format].options, options, where, SourceTable.model_fields)
    name = table.name or table.format
    if name in JOB_PARTS:
        message = f"the name {name!r} is that of a job, which has its own part in the lake; choose another"
        raise SourceError(f"{where}: {message}.")
    _check_as_of(table, where)
    path = os.path.normpath((folder / table.path).absolute())
    return Source(name, table.format, path, table.as_of, table.namespace, options, table.truncated)


def _check_as_of(table: SourceTable, where: str) -> None:
    """Raise SourceError if `as_of` is missing for counts, or present for a format with dates of its own."""
    handler = FORMATS[table.format]
    if table.as_of is None and handler.table in COUNT_TABLES:
        raise SourceError(f"{where}: {table.format} has no times; set the date of its counts: as_of = 2026-11-01.")
    if table.as_of is not None and handler.dated:
        raise SourceError(f"{where}: {table.format} has dates of its own; remove its as_of.")


def _require_distinct_names(file: Path, names: list[str]) -> None:
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise SourceError(f"{file}: two sources are called {duplicates[0]}; give each a `name` of its own.")
