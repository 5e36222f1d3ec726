"""Rows that a join dropped, for the report: every dropped row is counted."""

from typing import Any


def join_drop(step: str, rows_in: int, rows_dropped: int) -> dict[str, Any]:
    """Return a row of table `join_drops`: the description of the join, its input rows, and the rows without a match."""
    return {"step": step, "rows_in": rows_in, "rows_dropped": rows_dropped}
