"""Limits on rejected input, for every job that writes table `quarantine`."""

QUARANTINE_LIMIT = 0.05
"""Fraction of lines (or files) that may be quarantined before the night stops: 5 %.

It applies to everything that an ingest reads of a source, and to each received date: one bad day must not hide in a long
first load."""
QUARANTINE_DAY_LINES = 20
"""Fewer bad lines than this never stop a night for a single received date: one bad line of three is no bad day."""
