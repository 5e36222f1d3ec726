"""Start Spark's Python workers (`spark.python.daemon.module`) with the installed pyspark, imported before they are forked.

Spark puts its own copy of pyspark, a zip file, on the path before the installed one. Python stores no compiled modules
for a zip file. So each worker would compile some 100 modules before its first row: 1.6 s of a core (measured; 4.3.0).
"""

import importlib.machinery
import re
import sys

PRELOADED = ("pyspark.worker", "pyspark.sql.functions", "pyspark.sql.pandas.types", "pandas", "pyarrow.compute", "pyarrow.parquet")
"""Modules that nearly every worker needs. None of them starts threads, which do not survive a fork."""


def prefer_installed_pyspark() -> None:
    """Remove Spark's zip files from the path if pyspark is installed too."""
    remaining = [entry for entry in sys.path if not re.search(r"/python/lib/(pyspark|py4j-[^/]*-src)\.zip$", entry)]
    if any(importlib.machinery.PathFinder.find_spec("pyspark", [entry]) for entry in remaining if entry):
        sys.path[:] = remaining


if __name__ == "__main__":
    prefer_installed_pyspark()
    for name in PRELOADED:
        importlib.import_module(name)
    from pyspark.daemon import manager

    manager()
