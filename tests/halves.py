"""All tests, in two processes beside each other: `make test`. One is seldom enough to keep two cores busy.

What is given goes to pytest in both. Whole nights (tests/night/, which share one), with what is put beside them, take about as long
as everything else together. What the nights print follows when
both are done. (pytest-xdist, which would do this, cannot keep a folder's tests together under pytest 9.2.)
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = (sys.executable, "-m", "pytest")
NIGHTS = ("tests/night", "tests/collaborative", "tests/publish")


def main(given: list[str]) -> int:
    """Exit status of the half that failed, or 0."""
    with tempfile.TemporaryFile("w+") as told:
        # one cache of results, or they would overwrite each other's
        command = [*PYTEST, *given, "-p", "no:cacheprovider", *NIGHTS]
        nights = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=subprocess.STDOUT)
        try:
            rest = subprocess.run([*PYTEST, *given, *(f"--ignore={folder}" for folder in NIGHTS)], cwd=ROOT, check=False).returncode
            print("\nEverything but the nights is done; waiting for them.", flush=True)
            status = nights.wait() or rest
        finally:
            nights.terminate()
            nights.wait()
        told.seek(0)
        print(told.read(), end="")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
