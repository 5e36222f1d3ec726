"""Ingest a million plays of one user and day plus a million of others, against two million of many users."""

from bench.data import app_log, app_log_with_one_heavy_user
from bench.harness import HEAP, Row, compare, measure, our_command

LINES = 1_000_000
GOAL = 1.2


def rows() -> list[Row]:
    """Return the comparison: the plays of one user must not delay a stage."""
    heavy, even = app_log_with_one_heavy_user(LINES), app_log(2 * LINES)
    logs = {"one heavy user": heavy, "even": even}
    results = measure({name: our_command("ours_log", str(log), HEAP) for name, log in logs.items()})
    what = "a million plays of one user and day in 2 M lines"
    return compare(what, results["one heavy user"], results["even"], "2 M lines of many users", GOAL, ("one heavy user", "even"))
