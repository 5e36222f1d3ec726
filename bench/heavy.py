"""A user with a million plays in one day among a million lines of others, against two million lines of others."""

from bench.data import app_log, app_log_with_one_heavy_user
from bench.harness import HEAP, Row, compared, house, measured

LINES = 1_000_000
GOAL = 1.2


def rows() -> list[Row]:
    """One comparison: nobody's plays may stall a stage."""
    heavy, even = app_log_with_one_heavy_user(LINES), app_log(2 * LINES)
    results = measured({"one heavy user": house("ours_log", str(heavy), HEAP), "even": house("ours_log", str(even), HEAP)})
    what = "a million plays of one user and day in 2 M lines"
    return compared(what, results["one heavy user"], results["even"], "2 M lines of many users", GOAL, ("one heavy user", "even"))
