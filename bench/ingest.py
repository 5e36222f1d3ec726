"""10 million JSONL.gz lines to Parquet: with validation, quarantine, accounts and repeats dropped, against Spark's bare reader."""

from bench.data import app_log
from bench.harness import Row, measured

LINES = 10_000_000
GOAL = 1.6


def rows() -> list[Row]:
    """One comparison."""
    given = str(app_log(LINES))
    found = measured({"ours": ["ours_log", given], "peer": ["peer_log", given]})
    ours, peer = found["ours"], found["peer"]
    ratio = ours.seconds / peer.seconds
    name = "spark.read.schema(S).json -> parquet"
    memory = {"ours": ours.peak_mib, "peer": peer.peak_mib}
    goal = f"at most {GOAL} x"
    return [Row("10 M log lines", "s", ours.seconds, peer.seconds, name, ratio, goal, ratio <= GOAL, memory)]
