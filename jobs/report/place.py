"""Where the nights' reports lie."""

import datetime as dt
from pathlib import Path
from urllib.parse import quote

from jobs.settings import Settings


def report_file(settings: Settings, sources_name: str, date: dt.date) -> Path:
    """The report of a date: VAR/reports/NAME/DATE/report.html."""
    return settings.var.resolve() / "reports" / sources_name / date.isoformat() / "report.html"


def track_file(settings: Settings, sources_name: str, date: str, track_id: str) -> Path:
    """The page of a track: VAR/reports/NAME/DATE/tracks/ID.html, where what no file name may have is written as %XX."""
    return settings.var.resolve() / "reports" / sources_name / date / "tracks" / f"{quote(track_id, safe='')}.html"
