"""Plots of a track's audio: its log-mel clips, the input of networks, and its tags over time."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from jobs.lake.adapters.mels import to_mel
from jobs.plots import STYLE, WIDTH, to_svg
from jobs.report.facts import Row
from models.mel import COMPRESSION, hz_to_mel, mel_to_hz
from models.mel_presets import PRESETS, MelPreset
from models.musicnn import PATCH

TAGGRAM_TAGS = 12
MIN_DB = -80.0
"""Relative to the loudest point; quieter points are plotted as silence."""
TICKS = (60, 125, 250, 500, 1_000, 2_000, 4_000, 8_000)
"""Hz, octaves; there are too few mel bins below 60 Hz to show."""


def decibels(clips: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Return log-compressed clips [599, 128] of table `mel` as power [dB] relative to the loudest point of all, MIN_DB to 0."""
    power = [np.expm1(clip) / COMPRESSION for clip in clips]
    loudest = max(*(float(clip.max()) for clip in power), 1e-20)
    return [np.maximum(10 * np.log10(np.maximum(clip / loudest, 1e-20)), MIN_DB) for clip in power]


def bin_edges(preset: MelPreset) -> NDArray[np.float64]:
    """Return the edges [129] of the mel bins [Hz]: half way, in mel, between the centres."""
    top = float(hz_to_mel(np.array(preset.sample_rate / 2)))
    return mel_to_hz((np.arange(preset.n_mels + 1) + 0.5) * top / (preset.n_mels + 1))


def plot(rows: list[Row]) -> str:
    """Return an SVG of the clips (rows of table `mel`, of one preset), stacked: log frequency [Hz] against time [s]."""
    preset = PRESETS[rows[0]["preset"]]
    levels = decibels([to_mel(row["mel"], preset.n_mels).astype(np.float64) for row in rows])
    with plt.rc_context({**STYLE, "axes.spines.top": True, "axes.spines.right": True}):
        figure, panels = plt.subplots(
            len(rows), 1, figsize=(WIDTH, 0.9 + 1.35 * len(rows)), layout="constrained", squeeze=False, sharey=True
        )
        for axes, row, level in zip(panels[:, 0], rows, levels, strict=True):
            mesh = axes.pcolormesh(
                row["start"] + np.arange(preset.frames + 1) * preset.hop / preset.sample_rate, bin_edges(preset), level.T,
                cmap="magma", vmin=MIN_DB, vmax=0, rasterized=True, shading="flat",
            )  # fmt: skip
            _set_frequency_axis(axes, preset)
        panels[-1, 0].set_xlabel("time in the file, s")
        figure.supylabel("frequency, Hz", fontsize=9)
        bar = figure.colorbar(
            mesh, ax=panels[:, 0].tolist(), location="top", aspect=40, pad=0.02, ticks=range(-80, 1, 20)
        )
        bar.set_label("level, dB (0: the loudest point)")
        return to_svg(figure, "mel", "Log-mel spectrogram of the track's clips")


def plot_taggram(probabilities: NDArray[np.float64], tags: tuple[str, ...], start_s: float, hop: int) -> str:
    """Return an SVG of the TAGGRAM_TAGS tags with the highest peaks: tag against time [s], darkness is the probability.

    `probabilities` [P, 50] of the patches; `start_s`: position of the first patch in the file; `hop`: frames from patch to patch.
    """
    hop_s = hop * PRESETS["musicnn"].hop / PRESETS["musicnn"].sample_rate
    rows = np.argsort(-probabilities.max(0), kind="stable")[:TAGGRAM_TAGS][::-1]
    with plt.rc_context({**STYLE, "axes.spines.top": True, "axes.spines.right": True}):
        figure, axes = plt.subplots(figsize=(WIDTH, 0.8 + 0.24 * len(rows)), layout="constrained")
        # a patch is drawn around its middle, as wide as the hop
        middle_s = PATCH / 2 * hop_s / hop
        edges = start_s + middle_s + (np.arange(len(probabilities) + 1) - 0.5) * hop_s
        mesh = axes.pcolormesh(
            edges, np.arange(len(rows) + 1), probabilities[:, rows].T, cmap="Blues", vmin=0, vmax=1, rasterized=True,
        )  # fmt: skip
        axes.set_yticks(np.arange(len(rows)) + 0.5, [tags[row] for row in rows])
        axes.set_xlabel("time in the file, s")
        figure.colorbar(mesh, ax=axes, aspect=20, pad=0.02).set_label("probability")
        return to_svg(figure, "taggram", "Tags of the track's audio over time")


def _set_frequency_axis(axes: Axes, preset: MelPreset) -> None:
    axes.set_yscale("log")
    axes.set_ylim(TICKS[0] / 2**0.5, preset.sample_rate / 2)
    axes.set_yticks(TICKS, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in TICKS])
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
