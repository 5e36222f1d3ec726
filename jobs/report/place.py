"""Where the nights' reports lie."""

import datetime as dt
from pathlib import Path

from jobs.settings import Settings


def report_file(settings: Settings, sources_name: str, date: dt.date) -> Path:
    """The report of a date: VAR/reports/NAME/DATE/report.html."""
    return settings.var.resolve() / "reports" / sources_name / date.isoformat() / "report.html"
