"""Plot docs/full-scale.svg, minutes by job and size, from bench/results/full-*.json: `python -m bench.full_plot`."""

import json
from fractions import Fraction

import matplotlib.pyplot as plt

from bench.harness import RESULTS, ROOT
from jobs.plots import STYLE

GOAL_MINUTES = 60
COLOURS = ("#3465a4", "#7ba0cf", "#4f9d69", "#a9d3b8", "#c9ccd1", "#e08a1e", "#f2c48d", "#8d5aa6")
SMALL = "catalogue, audio, genres, artists"
GROUPS = dict.fromkeys(("catalogue", "mel", "descriptors", "content", "genre_score", "classify", "artists"), SMALL)


def main() -> None:
    """Write the figure: one bar per size, the smallest first."""
    files = (path for path in RESULTS.glob("full-*.json") if "genres" not in path.stem)
    by_size = {Fraction(path.stem.removeprefix("full-").replace("_", "/")): path for path in files}
    nights = {size: json.loads(path.read_text()) for size, path in sorted(by_size.items())}
    groups = list(dict.fromkeys(GROUPS.get(job, job) for night in nights.values() for job in night["stages"]))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
        left = [0.0] * len(nights)
        labels = [f"{size}: {night['users']:,} users" for size, night in nights.items()]
        for group, colour in zip(groups, COLOURS, strict=False):
            minutes = [
                sum(stage["seconds"] for job, stage in night["stages"].items() if GROUPS.get(job, job) == group) / 60
                for night in nights.values()
            ]
            axes.barh(labels, minutes, left=left, color=colour, label=group, height=0.62)
            left = [total + added for total, added in zip(left, minutes, strict=True)]
        for x, total_height in enumerate(left):
            axes.text(total_height + 0.4, x, f"{total_height:.1f} min", va="center")
        axes.axvline(GOAL_MINUTES, color="#8d959c", linestyle=":", linewidth=1)
        axes.set_xlim(0, max(GOAL_MINUTES * 1.04, max(left) * 1.12))
        axes.set_xlabel("minutes, from triplets to published lists, 2 cores (dotted: the goal for the whole)")
        axes.set_title("A night of the Taste Profile's size and its parts, synthetic")
        axes.legend(ncols=2, frameon=False, loc="center right", fontsize=8)
        figure.savefig(ROOT / "docs" / "full-scale.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
