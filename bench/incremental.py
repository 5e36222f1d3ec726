"""A night with 1 % new events against the full load of the same logs."""

import datetime as dt
import shutil

from bench.data import LAST_DAY, app_log
from bench.harness import HEAP, Row, compared, measured
from bench.ingest import LINES

GOAL = 0.1


def rows() -> list[Row]:
    """One comparison: the full load leaves its lake behind, and the next night finds one day more."""
    root = app_log(LINES)
    next_day = LAST_DAY + dt.timedelta(days=1)
    new = app_log(LINES // 100, "new", next_day, 1) / f"dt={next_day}"
    fresh = root / new.name
    shutil.rmtree(fresh, ignore_errors=True)
    full = measured({"full load": ["ours_log", str(root), HEAP]})["full load"]
    shutil.copytree(new, fresh)
    try:
        night = measured({"night": ["ours_next_night", str(root), HEAP]})["night"]
    finally:
        shutil.rmtree(fresh)
    return compared("a night with 1 % new", night, full, "our full load", GOAL, ("night", "full load"))
