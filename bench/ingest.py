"""10 million JSONL.gz lines to Parquet: with validation, quarantine, accounts and repeats dropped, against Spark's bare reader."""

from bench.data import app_log
from bench.harness import HEAP, Row, compared, house, measured

LINES = 10_000_000
GOAL = 1.6


def rows() -> list[Row]:
    """One comparison."""
    given = str(app_log(LINES))
    results = measured({"ours": house("ours_log", given, HEAP), "peer": house("peer_log", given, HEAP)})
    name = "spark.read.schema(S).json -> parquet"
    return compared("10 M log lines", results["ours"], results["peer"], name, GOAL, ("ours", "peer"))
