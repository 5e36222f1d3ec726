"""A night with 1 % new events against the full load of the same logs: at ten million lines, and at fifty."""

import datetime as dt
import shutil

from bench.data import DAYS, LAST_DAY, app_log
from bench.harness import HEAP, Row, compared, house, measured
from bench.ingest import LINES

GOAL = 0.1
SIZES = {LINES: 2, 5 * LINES: 1}
"""Lines of the full load, and how often one Spark does it: the large one takes minutes."""


def rows() -> list[Row]:
    """Compare each size: what a night costs besides its lines is the same for both."""
    return [row for lines, times in SIZES.items() for row in _rows(lines, times)]


def _rows(lines: int, times: int) -> list[Row]:
    """Load everything, then run the next night with one more day."""
    root = app_log(lines, days=DAYS * lines // LINES)
    next_day = LAST_DAY + dt.timedelta(days=1)
    new = app_log(lines // 100, "new", next_day, 1) / f"dt={next_day}"
    fresh = root / new.name
    shutil.rmtree(fresh, ignore_errors=True)
    full = measured({"full load": house("ours_log", str(root), HEAP)}, times)["full load"]
    shutil.copytree(new, fresh)
    try:
        night = measured({"night": house("ours_next_night", str(root), HEAP)})["night"]
    finally:
        shutil.rmtree(fresh)
    what = f"a night with 1 % new after {lines // 1_000_000} M lines"
    return compared(what, night, full, "our full load", GOAL, ("night", "full load"))
