"""`pmrs sample`: the generator with a progress bar, and a finished folder that appears only when it is whole."""

import shutil
from pathlib import Path

from jobs.cli.progress import bar
from jobs.sample.generate import generate


def make_sample(out: Path, days: int, seed: int) -> Path:
    """Generate aside, then rename: a killed run leaves no half sample that the next one would take for whole."""
    aside = out.with_name(out.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    with bar("making the sample") as notify:
        generate(aside, days, seed, notify)
    shutil.rmtree(out, ignore_errors=True)
    aside.rename(out)
    return out
