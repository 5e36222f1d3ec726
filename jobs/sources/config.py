"""The sources file (TOML): what a run reads, under which name, with which genre set. See docs/datasets.md."""

import os
import re
import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyarrow import ArrowException

from jobs.errors import SourceError
from jobs.registry import JOBS
from jobs.sources.contract import COUNT_TABLES, Source
from jobs.sources.formats import FORMATS

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""Names become folders of the lake and parts of a MongoDB database's name."""
TAKEN = frozenset({"mel", "descriptors"})
"""Names of parts that jobs write into tables of the sources (`quarantine/mel`)."""
NAMESPACE = re.compile(r"[A-Za-z0-9_.-]{1,40}")
COMMON = frozenset({"name", "format", "path", "as_of", "namespace", "truncated"})
TRUNCATED = ("refuse", "take")


@dataclass(frozen=True)
class Sources:
    """A sources file, read and judged."""

    name: str
    """Names the lake's folder, the reports' folder and the MongoDB database."""
    genres: str
    """Name of a genre set in jobs/genres.toml."""
    sources: tuple[Source, ...]
    path: Path
    """The file itself, absolute."""
    synthetic: bool = False
    """True: reports say wherever figures stand that the data is synthetic."""
    jobs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings by job, as the file has them: see jobs/job_config.py."""


def load_sources(path: Path | str) -> Sources:
    """Read a sources file; `${NAME}` is expanded in every text, paths are relative to the file.

    Raises SourceError, one sentence, for a file that is missing or not TOML, an unset variable, a missing or unknown key,
    an unknown format, a bad option or a name that stands twice.
    """
    file = Path(path).resolve()
    content = _expanded(_toml(file), file)
    if unknown := sorted(set(content) - {"name", "genres", "synthetic", "source", "jobs"}):
        raise SourceError(f"{file}: the key {unknown[0]} is unknown; known: name, genres, synthetic, [[source]], [jobs.NAME].")
    name = _text(content, "name", str(file))
    if not NAME.fullmatch(name):
        raise SourceError(f"{file}: the name {name!r} must be small letters, digits, _ or -, with a letter first.")
    tables = content.get("source")
    if not isinstance(tables, list) or not tables or not all(isinstance(entry, dict) for entry in tables):
        raise SourceError(f"{file}: there is no [[source]]; name at least one.")
    sources = tuple(_source(entry, f"{file}, source {number}", file.parent) for number, entry in enumerate(tables, 1))
    _require_different(file, [source.name for source in sources])
    return Sources(name, _text(content, "genres", str(file)), sources, file, content.get("synthetic") is True, _jobs(content, file))


def _jobs(content: dict[str, Any], file: Path) -> dict[str, dict[str, Any]]:
    given, known = content.get("jobs", {}), [job.name for job in JOBS]
    if not isinstance(given, dict) or not all(isinstance(settings, dict) for settings in given.values()):
        raise SourceError(f"{file}: settings of jobs stand in tables of their own, such as [jobs.rank].")
    if unknown := sorted(set(given) - set(known)):
        raise SourceError(f"{file}: there is no job {unknown[0]} to be set; there are {', '.join(known)}.")
    return given


def newest_date(sources: Sources) -> date:
    """Newest UTC date in the data: of the dated sources (folders, file names, time columns), else the newest `as_of`.

    Without Spark. Raises SourceError where no source tells a date, or a source cannot be read.
    """
    for dated in (True, False):
        chosen = (source for source in sources.sources if FORMATS[source.format].dated == dated)
        days = [day for source in chosen if (day := _newest(source))]
        if days:
            return max(days)
    raise SourceError(
        f"{sources.path}: no source has dates and none has an `as_of`; give the night's date with --date, or add an as_of."
    )


def _newest(source: Source) -> date | None:
    try:
        return FORMATS[source.format].newest(source)
    except (OSError, EOFError, zlib.error, ArrowException) as error:
        raise SourceError(f"Source {source.name} cannot be read for its newest date: {error}; mend or remove the file.") from None


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise SourceError(f"The sources file {file} cannot be read: {error.strerror}; docs/datasets.md has one.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"The sources file {file} is not TOML: {error}.") from None


def _expanded(value: Any, file: Path) -> Any:
    """`value` with `${NAME}` replaced in every text within it."""
    if isinstance(value, dict):
        return {key: _expanded(inner, file) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expanded(inner, file) for inner in value]
    return re.sub(r"\$\{(\w+)\}", lambda found: _variable(found[1], file), value) if isinstance(value, str) else value


def _variable(name: str, file: Path) -> str:
    if not os.environ.get(name):
        raise SourceError(f"{file} uses ${{{name}}}, which is not set; set that environment variable.")
    return os.environ[name]


def _source(entry: dict[str, Any], where: str, folder: Path) -> Source:
    kind = _text(entry, "format", where)
    if kind not in FORMATS:
        raise SourceError(f"{where}: the format {kind!r} is unknown; known are {', '.join(FORMATS)}.")
    options = {key: value for key, value in entry.items() if key not in COMMON}
    if unknown := sorted(set(options) - FORMATS[kind].options):
        known = ", ".join(sorted(COMMON | FORMATS[kind].options))
        raise SourceError(f"{where}: {kind} has no option {unknown[0]}; known are {known}.")
    name = _text(entry, "name", where) if "name" in entry else kind
    if not NAME.fullmatch(name):
        raise SourceError(f"{where}: the name {name!r} must be small letters, digits, _ or -, with a letter first.")
    if name in TAKEN:
        raise SourceError(f"{where}: the name {name!r} is that of a job, which has a part of its own in the lake; choose another.")
    namespace = _text(entry, "namespace", where) if "namespace" in entry else ""
    if namespace and not NAMESPACE.fullmatch(namespace):
        raise SourceError(f"{where}: the namespace {namespace!r} must be letters, digits, _, . or -.")
    truncated = entry.get("truncated", "refuse")
    if truncated not in TRUNCATED:
        raise SourceError(f'{where}: truncated is "refuse" (a .gz that is cut short stops the night) or "take".')
    path = str((folder / _text(entry, "path", where)).absolute())
    source = Source(name, kind, os.path.normpath(path), _as_of(entry, kind, where), namespace, options, truncated)
    FORMATS[kind].check(source)
    return source


def _text(entry: dict[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SourceError(f"{where}: the key {key} is missing or not a text; write {key} = \"...\".")
    return value


def _as_of(entry: dict[str, Any], kind: str, where: str) -> date | None:
    as_of, handler = entry.get("as_of"), FORMATS[kind]
    if as_of is None and handler.table in COUNT_TABLES:
        raise SourceError(f"{where}: {kind} has no times of its own; say of which date it is: as_of = 2026-11-01.")
    if as_of is not None and (not isinstance(as_of, date) or isinstance(as_of, datetime)):
        raise SourceError(f"{where}: as_of is a plain TOML date without quotes: as_of = 2026-11-01.")
    if as_of is not None and handler.dated:
        raise SourceError(f"{where}: {kind} has dates of its own; take its as_of away.")
    return as_of


def _require_different(file: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"{file}: two sources are called {twice[0]}; give each a `name` of its own.")
