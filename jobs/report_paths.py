"""Paths of the nights' reports."""

import datetime as dt
import hashlib
from pathlib import Path
from urllib.parse import quote

from jobs.settings import Settings

LONGEST = 200
"""Maximum length of a file name; a longer one is cut and ends with a digest of the id. File systems allow 255 bytes."""


def report_file(settings: Settings, sources_name: str, date: dt.date) -> Path:
    """Return the report of a date: VAR/reports/NAME/DATE/report.html."""
    return settings.var.resolve() / "reports" / sources_name / date.isoformat() / "report.html"


def track_file(settings: Settings, sources_name: str, date: str, track_id: str) -> Path:
    """Return the page of a track: VAR/reports/NAME/DATE/tracks/ID.html. Characters invalid in file names become %XX."""
    name = quote(track_id, safe="")
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 33]}-{hashlib.sha256(track_id.encode()).hexdigest()[:32]}"
    return settings.var.resolve() / "reports" / sources_name / date / "tracks" / f"{name}.html"
