"""Synthesize drums and voices. Every sound is drawn at random from wide ranges that all genres share.

Genres differ in when and for how long sounds are played (`genre_patterns.py`), not in their timbre: an average spectrum
must not identify the genre.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Wave = NDArray[np.float32]
CYCLE = 4096  # samples of one period in a voice's wavetable


@dataclass(frozen=True)
class Timbre:
    """A voice: the strength of its partials, the number of detuned copies, how it starts and decays."""

    partials: NDArray[np.float64]
    detune: tuple[float, ...]  # factors on the pitch
    drive: float  # 0 clean, 4 fuzz
    attack: float  # seconds
    fade: float  # decay in 1/s while the note is held


@dataclass(frozen=True)
class Kit:
    """Drum samples of one track."""

    kick: Wave
    snare: Wave
    ghost: Wave
    hat: Wave
    open_hat: Wave


def seconds_axis(seconds: float, rate: int) -> NDArray[np.float64]:
    """Return the sample times of a sound that lasts `seconds`."""
    return np.arange(int(seconds * rate)) / rate


def band(wave: NDArray[np.float64], low: float, high: float, rate: int) -> NDArray[np.float64]:
    """Filter `wave` to a band between two frequencies in Hz (second-order Butterworth)."""
    edges = [low, min(high, 0.45 * rate)]
    filtered: NDArray[np.float64] = sosfilt(butter(2, edges, "bandpass", fs=rate, output="sos"), wave)
    return filtered


def unit(wave: NDArray[np.float64]) -> Wave:
    """Scale to a peak of 1."""
    scaled: Wave = (wave / (np.abs(wave).max() + 1e-9)).astype(np.float32)
    return scaled


def kick(rng: Generator, rate: int) -> Wave:
    """Synthesize a kick: a falling sine with a click."""
    t = seconds_axis(rng.uniform(0.15, 0.35), rate)
    low, sweep, speed = rng.uniform(42, 75), rng.uniform(60, 260), rng.uniform(25, 60)
    phase = 2 * np.pi * (low * t + sweep / speed * (1 - np.exp(-speed * t)))
    body = np.sin(phase) * np.exp(-t * rng.uniform(9, 20))
    click = rng.normal(size=t.size) * np.exp(-t * rng.uniform(200, 500)) * rng.uniform(0.05, 0.5)
    return unit(np.tanh(rng.uniform(1, 3) * (body + click)))


def snare(rng: Generator, rate: int, length: float = 1.0) -> Wave:
    """Synthesize a snare, clap or rim: band-limited noise and a tone below it, in random proportion."""
    t = seconds_axis(0.3 * length, rate)
    centre = np.exp(rng.uniform(np.log(900), np.log(4500)))
    noise = band(rng.normal(size=t.size), centre / 2, centre * 2, rate)
    tone = np.sin(2 * np.pi * rng.uniform(160, 420) * t) * np.exp(-t * rng.uniform(20, 45))
    sound = unit(noise) * np.exp(-t * rng.uniform(14, 30) / length) + rng.uniform(0, 0.9) * tone
    return unit(sound)


def hat(rng: Generator, rate: int, fade: float) -> Wave:
    """Synthesize a hat: high noise that decays with `fade` 1/s."""
    t = seconds_axis(min(0.35, 5 / fade), rate)
    low = rng.uniform(3000, 7000)
    return unit(band(rng.normal(size=t.size), low, low * rng.uniform(1.4, 2.4), rate) * np.exp(-t * fade))


def make_kit(rng: Generator, rate: int) -> Kit:
    """Synthesize one set of drums."""
    return Kit(
        kick(rng, rate),
        snare(rng, rate),
        snare(rng, rate, 0.4),
        hat(rng, rate, rng.uniform(50, 110)),
        hat(rng, rate, rng.uniform(12, 20)),
    )


def make_timbre(rng: Generator, fade: tuple[float, float], drive: tuple[float, float] = (0, 2)) -> Timbre:
    """Draw a voice whose decay (1/s) and drive are in the given ranges; everything else is free."""
    number = np.arange(1, 25)
    slope, resonance = rng.uniform(0.7, 2.2), rng.uniform(1, 14)
    partials = number**-slope * (1 + rng.uniform(0, 4) * np.exp(-((number - resonance) ** 2) / 6))
    if rng.random() < 0.35:
        partials[1::2] *= rng.uniform(0, 0.3)  # hollow: odd partials only
    copies = 1 + int(rng.integers(3))
    spread = rng.uniform(0.001, 0.008)
    detune = tuple(1 + spread * (i - (copies - 1) / 2) for i in range(copies))
    return Timbre(partials, detune, rng.uniform(*drive), rng.uniform(0.002, 0.012), rng.uniform(*fade))


def note(timbre: Timbre, hertz: float, seconds: float, rate: int) -> Wave:
    """Synthesize one held note, released in 15 ms, band-limited."""
    t = seconds_axis(seconds + 0.015, rate)
    count = max(1, min(timbre.partials.size, int(0.42 * rate / hertz)))
    cycle = np.arange(CYCLE)[:, None] * np.arange(1, count + 1) * (2 * np.pi / CYCLE)
    table = np.sin(cycle) @ timbre.partials[:count]
    sound = np.zeros_like(t)
    for copy, factor in enumerate(timbre.detune):
        sound += table[((hertz * factor * t + 0.37 * copy) * CYCLE).astype(np.int64) % CYCLE]
    sound = sound / (np.abs(sound).max() + 1e-9)
    if timbre.drive > 0.1:
        sound = np.tanh(timbre.drive * 2 * sound)
    edge = np.minimum(1, t / timbre.attack) * np.minimum(1, (t[-1] - t) / 0.015)
    return unit(sound * edge * np.exp(-timbre.fade * t))
