"""Run the comparison of bench/factors.py with Spark MLlib; it takes many minutes."""

from bench import factors
from bench.harness import Row


def rows() -> list[Row]:
    """Return the comparison."""
    return factors.rows("mllib")
