"""The picture of a track's log-mel clips, as its genre network gets them: frequency against time, brightness the level."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from jobs.report.facts import Row
from jobs.report.plots import STYLE, WIDTH, to_svg
from models.mel import COMPRESSION, PRESETS, MelPreset, hz_to_mel, mel_to_hz

DEEPEST_DB = -80.0
"""Below the loudest point: what is quieter is drawn as silence."""
TICKS = (60, 125, 250, 500, 1_000, 2_000, 4_000, 8_000)
"""Hz, octaves; the mel bins below 60 Hz are fewer than the eye can tell apart."""


def decibels(clips: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Log-compressed clips [599, 128] of table `mel` as power in dB below the loudest point of all of them, DEEPEST_DB to 0."""
    power = [np.expm1(clip) / COMPRESSION for clip in clips]
    loudest = max(*(float(one.max()) for one in power), 1e-20)
    return [np.maximum(10 * np.log10(np.maximum(one / loudest, 1e-20)), DEEPEST_DB) for one in power]


def bin_edges(preset: MelPreset) -> NDArray[np.float64]:
    """[129] Hz between which the mel bins lie: half way, in mel, from one bin's centre to the next."""
    top = float(hz_to_mel(np.array(preset.sample_rate / 2)))
    return mel_to_hz((np.arange(preset.n_mels + 1) + 0.5) * top / (preset.n_mels + 1))


def picture(rows: list[Row]) -> str:
    """SVG of the clips (rows of table `mel`, of one preset), one below the other: on a log-frequency axis in Hz, time in s."""
    preset = PRESETS[rows[0]["preset"]]
    levels = decibels([np.frombuffer(row["mel"], np.float16).reshape(599, 128).astype(np.float64) for row in rows])
    with plt.rc_context({**STYLE, "axes.spines.top": True, "axes.spines.right": True}):
        figure, panels = plt.subplots(
            len(rows), 1, figsize=(WIDTH, 0.9 + 1.35 * len(rows)), layout="constrained", squeeze=False, sharey=True
        )
        for axes, row, level in zip(panels[:, 0], rows, levels, strict=True):
            drawn = axes.pcolormesh(
                row["start"] + np.arange(preset.frames + 1) * preset.hop / preset.sample_rate, bin_edges(preset), level.T,
                cmap="magma", vmin=DEEPEST_DB, vmax=0, rasterized=True, shading="flat",
            )  # fmt: skip
            _frequencies(axes, preset)
        panels[-1, 0].set_xlabel("time in the file, s")
        figure.supylabel("frequency, Hz", fontsize=9)
        bar = figure.colorbar(drawn, ax=panels[:, 0].tolist(), location="top", aspect=40, pad=0.02, ticks=range(-80, 1, 20))
        bar.set_label("level, dB (0: the loudest point)")
        return to_svg(figure, "mel", "Log-mel spectrogram of the track's clips")


def _frequencies(axes: Axes, preset: MelPreset) -> None:
    axes.set_yscale("log")
    axes.set_ylim(TICKS[0] / 2**0.5, preset.sample_rate / 2)
    axes.set_yticks(TICKS, [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in TICKS])
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
