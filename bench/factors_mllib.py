"""The same as bench/factors.py, against Spark MLlib: many minutes."""

from bench import factors
from bench.harness import Row


def rows() -> list[Row]:
    """One comparison."""
    return factors.rows("mllib")
