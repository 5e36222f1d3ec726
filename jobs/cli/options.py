"""Options that several commands share, and the parsing of dates and settings."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from jobs.errors import PmrsError
from jobs.settings import Settings

Date = Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Date of the night (UTC).")]
NightDate = Annotated[
    str, typer.Option("--date", metavar="YYYY-MM-DD", help="Date of the night. Default: the newest date in the data.")
]
SourcesFile = Annotated[
    Path | None,
    typer.Option("--sources", help="Sources file (TOML). Default: PMRS_SOURCES, else that of the last night, else the sample."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def parse_date(text: str) -> dt.date:
    """Parse an ISO date. Raises PmrsError for any other text."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise PmrsError(f"{text!r} is not a date; write it as 2026-11-14.") from None


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated option."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def settings_with(sources: Path | None = None) -> Settings:
    """Return the settings of the environment, with this sources file if one is given."""
    settings = Settings()
    return settings.model_copy(update={"sources": sources.resolve()}) if sources else settings


def named_or_sample(sources: Path | None) -> Settings:
    """Return the settings of a night: the sources file of the option or of PMRS_SOURCES, else the sample."""
    settings = settings_with(sources)
    return settings if settings.sources else settings.model_copy(update={"sources": settings.sample_sources})
