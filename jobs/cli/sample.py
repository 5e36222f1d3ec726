"""`pmrs sample`: the generator, with a progress bar."""

from pathlib import Path

from jobs.cli.progress import bar
from jobs.sample.generate import generate


def make_sample(out: Path, days: int, seed: int) -> Path:
    """Make the sample in `out`; its sources.toml is written last, so that a killed run does not pass for a whole one."""
    with bar("making the sample") as notify:
        generate(out, days, seed, notify)
    return out
