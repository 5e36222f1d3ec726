"""Ingest a night with 1 % new events, against the full load of the same logs, with 10 and 50 million lines."""

import datetime as dt
import shutil

from bench.data import DAYS, LAST_DAY, app_log
from bench.harness import HEAP, Row, compare, measure, our_command
from bench.ingest import LINES

GOAL = 0.1
SIZES = {LINES: 2, 5 * LINES: 1}
"""Lines of the full load -> repetitions in one Spark; the large load takes minutes."""


def rows() -> list[Row]:
    """Return the comparison of each size: the fixed costs of a night are the same for both."""
    return [row for lines, times in SIZES.items() for row in _rows(lines, times)]


def _rows(lines: int, times: int) -> list[Row]:
    """Load everything, then run the next night with one more day."""
    root = app_log(lines, days=DAYS * lines // LINES)
    next_day = LAST_DAY + dt.timedelta(days=1)
    new = app_log(lines // 100, "new", next_day, 1) / f"dt={next_day}"
    new_folder = root / new.name
    shutil.rmtree(new_folder, ignore_errors=True)
    full = measure({"full load": our_command("ours_log", str(root), HEAP)}, times)["full load"]
    shutil.copytree(new, new_folder)
    try:
        night = measure({"night": our_command("ours_next_night", str(root), HEAP)})["night"]
    finally:
        shutil.rmtree(new_folder)
    what = f"a night with 1 % new after {lines // 1_000_000} M lines"
    return compare(what, night, full, "our full load", GOAL, ("night", "full load"))
