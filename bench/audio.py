"""Compare log-mel with librosa, clips of files with decoding and FFT, and Spark's scoring with torch alone; one core each.

All sides run with the environment variables of Spark's Python workers, which configure malloc.
"""

import os
import re
import sys

import numpy as np

from bench.harness import ROOT, Row, run_and_read

PAIRS = (
    ("log-mel of a 4 s clip", "mel_ours", "mel_librosa", "librosa.feature.melspectrogram, a clip at a time", 1 / 2.5),
    (
        "a 30 s MP3 to clips of all presets",
        "files_ours",
        "files_floor",
        "decoding and resampling alone, and bare FFTs",
        1.3,
    ),
    ("genres of a clip, through Spark", "score_spark", "score_torch", "models/genre_cnn.py alone", 1.1),
    (
        "log-mel of a 30 s clip, preset musicnn",
        "mel_musicnn_ours",
        "mel_musicnn_librosa",
        "librosa.feature.melspectrogram",
        1 / 4,
    ),
    (
        "embeddings of a 30 s MP3, decoding and log-mel included",
        "musicnn_files",
        "musicnn_floor",
        "matrix products with the arithmetic of its patches, each computed alone",
        1 / 0.55,
    ),
    ("embeddings of a 30 s clip, through Spark", "musicnn_spark", "musicnn_torch", "models/musicnn.py alone", 1.1),
)
"""Title, our side, the peer's side, the peer's name, and the largest ratio of the times that meets the goal."""
RUNS, MIN_RUNS, LONG_SECONDS = 7, 3, 10.0
"""Runs of each side, alternating; MIN_RUNS if one takes longer than LONG_SECONDS.

On a shared machine, runs of a few seconds differ by up to a half.
"""


def rows() -> list[Row]:
    """Return six comparisons, in files or clips per second."""
    settings = (ROOT / "spark_conf" / "spark-defaults.conf").read_text(encoding="utf-8")
    os.environ.update(re.findall(r"^spark\.executorEnv\.(\S+)\s+(\S+)$", settings, re.MULTILINE))
    return [row for pair in PAIRS for row in _compare(*pair)]


def _compare(what: str, ours: str, peer: str, name: str, limit: float) -> list[Row]:
    seconds: dict[str, list[float]] = {ours: [], peer: []}
    count: dict[str, float] = {}
    memory = dict.fromkeys(seconds, 0)
    for turn in range(RUNS):
        if turn >= MIN_RUNS and max(map(max, seconds.values())) > LONG_SECONDS:
            break
        for side, times in seconds.items():
            output, peak = run_and_read([sys.executable, "-m", "bench.audio_sides", side])
            times.append(output["seconds"])
            memory[side], count[side] = max(memory[side], peak), output["per_second"] * output["seconds"]
            print(f"  {side}, run {turn + 1}: {output['seconds']:.2f} s, {peak:,} MiB", file=sys.stderr, flush=True)
    our_speed, peer_speed = (count[side] / float(np.median(seconds[side])) for side in (ours, peer))
    ratio = peer_speed / our_speed
    return [
        Row(
            what,
            "a second and core",
            our_speed,
            peer_speed,
            name,
            ratio,
            f"at most {limit:.3g} x its time",
            ratio <= limit,
            memory,
        )
    ]
