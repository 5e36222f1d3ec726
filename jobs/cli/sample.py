"""`pmrs sample`: generate the sample data, with a progress bar."""

from pathlib import Path

from jobs.cli.progress_bar import bar
from jobs.sample.generate import generate


def make_sample(out: Path, days: int, seed: int) -> Path:
    """Generate the sample in `out`. Its sources.toml is written last and marks the sample as complete."""
    with bar("generating the sample") as on_progress:
        generate(out, days, seed, on_progress)
    return out
