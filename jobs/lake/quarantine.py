"""Limits on rejected input, for every job that writes table `quarantine`."""

QUARANTINE_LIMIT = 0.05
"""Fraction of lines (or files) that may be quarantined before the night stops: 5 %.

It applies to all lines that an ingest reads of a source, and to each received date: one bad day must not hide in a long
first load."""
QUARANTINE_DAY_LINES = 20
"""Bad lines below which a single received date never stops a night: one bad line of three is no bad day."""
