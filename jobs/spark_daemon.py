"""Where Spark's Python workers come from: `spark.python.daemon.module`.

Spark puts its own copy of pyspark, a zip file, before the installed one. Python keeps nothing compiled of what it imports from
a zip, so that each worker would compile some 100 modules before its first row: 1.6 s of a core (measured; 4.3.0). Here the
installed one is taken, and imported once, before the workers are forked.
"""

import importlib.machinery
import re
import sys

PRELOADED = ("pyspark.worker", "pyspark.sql.functions", "pyspark.sql.pandas.types", "pandas", "pyarrow.compute", "pyarrow.parquet")
"""What nearly every worker of this project needs. Nothing that starts threads: they do not survive a fork."""


def prefer_installed_pyspark() -> None:
    """Take Spark's zip files off the path where pyspark is installed beside them."""
    remaining = [entry for entry in sys.path if not re.search(r"/python/lib/(pyspark|py4j-[^/]*-src)\.zip$", entry)]
    if any(importlib.machinery.PathFinder.find_spec("pyspark", [entry]) for entry in remaining if entry):
        sys.path[:] = remaining


if __name__ == "__main__":
    prefer_installed_pyspark()
    for name in PRELOADED:
        importlib.import_module(name)
    from pyspark.daemon import manager

    manager()
