"""Plot of a track's log-mel clips, the input of its genre network: frequency against time, brightness is the level."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from jobs.plots import STYLE, WIDTH, to_svg
from jobs.report.facts import Row
from models.mel import COMPRESSION, hz_to_mel, mel_to_hz
from models.mel_presets import PRESETS, MelPreset

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
    levels = decibels([np.frombuffer(row["mel"], np.float16).reshape(599, 128).astype(np.float64) for row in rows])
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


def _set_frequency_axis(axes: Axes, preset: MelPreset) -> None:
    axes.set_yscale("log")
    axes.set_ylim(TICKS[0] / 2**0.5, preset.sample_rate / 2)
    axes.set_yticks(TICKS, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in TICKS])
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
