"""Where the nights' reports lie."""

import datetime as dt
import hashlib
from pathlib import Path
from urllib.parse import quote

from jobs.settings import Settings

LONGEST = 200
"""Characters of a file's name, which may have 255 bytes; a longer one ends with a digest of the id."""


def report_file(settings: Settings, sources_name: str, date: dt.date) -> Path:
    """Return the report of a date: VAR/reports/NAME/DATE/report.html."""
    return settings.var.resolve() / "reports" / sources_name / date.isoformat() / "report.html"


def track_file(settings: Settings, sources_name: str, date: str, track_id: str) -> Path:
    """Return the page of a track: VAR/reports/NAME/DATE/tracks/ID.html; characters that a file name cannot hold become %XX."""
    name = quote(track_id, safe="")
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 33]}-{hashlib.sha256(track_id.encode()).hexdigest()[:32]}"
    return settings.var.resolve() / "reports" / sources_name / date / "tracks" / f"{name}.html"
