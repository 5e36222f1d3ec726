"""Log-mel against librosa in a loop, files to clips against decoding and FFT, Spark's scoring against bare torch; one core each.

All ways, the peers' too, run in the environment that Spark's Python workers have: it says how malloc keeps memory.
"""

import os
import re
import sys

import numpy as np

from bench.harness import ROOT, Row, run_and_read

PAIRS = (
    ("log-mel of a 4 s clip", "mel_ours", "mel_librosa", "librosa.feature.melspectrogram, a clip at a time", 1 / 2.5),
    (
        "a 30 s MP3 to clips of both presets",
        "files_ours",
        "files_floor",
        "decoding and resampling alone, and bare FFTs",
        1.3,
    ),
    ("genres of a clip, through Spark", "score_spark", "score_torch", "models/genre_cnn.py alone", 1.25),
)
"""What, ours, the peer's, who that is, largest share of its time that is good."""
RUNS, FEW, LONG_SECONDS = 7, 3, 10.0
"""Runs of each, in turn: on a shared machine one of a few seconds may take half as long again as the next. Of longer ones FEW."""


def rows() -> list[Row]:
    """Three comparisons, in files or clips a second."""
    settings = (ROOT / "spark_conf" / "spark-defaults.conf").read_text(encoding="utf-8")
    os.environ.update(re.findall(r"^spark\.executorEnv\.(\S+)\s+(\S+)$", settings, re.MULTILINE))
    return [row for pair in PAIRS for row in _compared(*pair)]


def _compared(what: str, ours: str, peer: str, name: str, limit: float) -> list[Row]:
    seconds: dict[str, list[float]] = {ours: [], peer: []}
    speed: dict[str, float] = {}
    memory = dict.fromkeys(seconds, 0)
    for turn in range(RUNS):
        if turn >= FEW and max(map(max, seconds.values())) > LONG_SECONDS:
            break
        for way, times in seconds.items():
            one, peak = run_and_read([sys.executable, "-m", "bench.audio_ways", way])
            times.append(one["seconds"])
            memory[way], speed[way] = max(memory[way], peak), one["a_second"] * one["seconds"]
            print(f"  {way}, run {turn + 1}: {one['seconds']:.2f} s, {peak:,} MiB", file=sys.stderr, flush=True)
    our_speed, peer_speed = (speed[way] / float(np.median(seconds[way])) for way in (ours, peer))
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
