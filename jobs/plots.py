"""Shared plotting: the style of our SVG figures, and the confusion matrix.

Figures are inlined into HTML pages, which load nothing else. They are as narrow as a phone, so that their text is readable there.
"""

import io
import re
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: there is no display

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

GREY = "#8d959c"
WIDTH = 3.8
"""Inches: 274 pt. A phone leaves some 330 CSS pixels between the margins, so that 9 pt text is nearly 11 pixels high there."""
STYLE: dict[Any, Any] = {
    "font.size": 9, "font.family": "sans-serif", "axes.spines.top": False, "axes.spines.right": False,
    "svg.fonttype": "none", "svg.hashsalt": "pmrs", "axes.titlelocation": "left", "axes.titleweight": "bold",
    "axes.edgecolor": GREY, "xtick.color": "#4a535b", "ytick.color": "#4a535b",
}


def to_svg(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an <svg> element that scales with the page.

    Its ids begin with `name`, because ids of two figures on a page would clash. They do not depend on the time.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    return re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', rf'\1 role="img" aria-label="{description}"', svg, count=1)


def confusion(counts: NDArray[np.float64], genres: list[str], name: str, title: str, shares: bool = False) -> str:
    """Return an SVG of a confusion matrix [G, G]: true genres are rows, predicted genres are columns.

    The colour is the share of the row, so that genres with few tracks are as readable as others. `shares`: print the share
    instead of the count.
    """
    row_shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 9 if len(genres) <= 8 else 8 if len(genres) <= 11 else 6.5
    with plt.rc_context({**STYLE, "font.size": size, "axes.spines.left": False, "axes.spines.bottom": False}):
        figure, axes = plt.subplots(figsize=(WIDTH, WIDTH), layout="constrained")
        # vector cells instead of an image: the page contains text only
        axes.pcolormesh(row_shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=0.8)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        centers = np.arange(len(genres)) + 0.5
        axes.set_xticks(centers, genres, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(centers, genres)
        axes.tick_params(length=0)
        for (true, predicted), share in np.ndenumerate(row_shares):
            if counts[true, predicted] and (share >= 0.005 or not shares):
                text = f"{share:.0%}" if shares else f"{counts[true, predicted]:,.0f}"
                color = "white" if share > 0.5 else "#23292f"
                axes.text(predicted + 0.5, true + 0.5, text, ha="center", va="center", color=color)
        axes.set(xlabel="predicted", ylabel="true")
        if title:
            axes.set_title(title)
        return to_svg(figure, name, f"Confusion matrix: {title or 'true and predicted genres'}")
