"""Synthesize a track: a genre pattern on random instruments in a random key, then a random room, EQ and level."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from jobs.sample.genre_patterns import GENRE_PATTERNS, GenrePattern, PitchedPart
from jobs.sample.instruments import Kit, Timbre, Wave, make_kit, make_timbre, note

STEP_GAINS = {"X": 1.0, "x": 0.75, "o": 0.7, "g": 0.3}
CHORDS = ((0, 3, 7), (0, 4, 7), (0, 3, 7, 10), (0, 5, 7), (0, 7, 12))  # in semitones
PROGRESSIONS = ((0, 0, -4, -2), (0, -2, -4, -2), (0, 5, 0, -2), (0, 0, 0, 0), (0, 3, -4, -2))  # a bar each


@dataclass(frozen=True)
class Grid:
    """Time in steps of a sixteenth."""

    step: float  # seconds
    swing: float
    bars: int
    rate: int
    samples: int

    def at(self, bar: int, step: int, rng: Generator) -> int:
        """Return the sample at which a step of a bar is played, with swing and a random deviation of some ms."""
        late = self.swing if step % 2 else 0.0
        return int((((bar * 16 + step) + late) * self.step + rng.normal(0, 0.002)) * self.rate)


def add_sound(buffer: Wave, sound: Wave, start: int, gain: float) -> None:
    """Add a sound to the buffer, clipped at its ends."""
    start = max(0, start)
    end = min(buffer.size, start + sound.size)
    if start < end:
        buffer[start:end] += np.float32(gain) * sound[: end - start]


def step_gain(letter: str, rng: Generator) -> float:
    """Return the gain of a pattern's step in this bar; 0 for silence."""
    if letter == "-" or (letter == "o" and rng.random() < 0.5) or (letter == "g" and rng.random() < 0.3):
        return 0.0
    return STEP_GAINS[letter] * float(rng.uniform(0.8, 1.1))


def play_drum(patterns: tuple[str, ...], sound: Wave, ghost: Wave, grid: Grid, rng: Generator) -> Wave:
    """Play one drum through the whole track: a pattern chosen once, its optional notes bar by bar."""
    buffer = np.zeros(grid.samples, dtype=np.float32)
    pattern = patterns[rng.integers(len(patterns))]
    for bar in range(grid.bars):
        for step, letter in enumerate(pattern):
            gain = step_gain(letter, rng)
            if gain:
                add_sound(buffer, ghost if letter == "g" else sound, grid.at(bar, step, rng), gain)
    return buffer


def play_line(line: PitchedPart, pitches: list[list[float]], timbre: Timbre, grid: Grid, rng: Generator) -> Wave:
    """Play one pitched part: `pitches` has the frequencies (Hz) that sound together (chords) in each bar."""
    buffer = np.zeros(grid.samples, dtype=np.float32)
    pattern = line.rhythms[rng.integers(len(line.rhythms))]
    note_seconds = rng.uniform(*line.note_steps) * grid.step
    note_cache: dict[float, Wave] = {}
    for bar in range(grid.bars):
        for step, letter in enumerate(pattern):
            gain = step_gain(letter, rng)
            for to_hertz in pitches[bar % len(pitches)] if gain else ():
                note_cache.setdefault(to_hertz, note(timbre, to_hertz, note_seconds, grid.rate))
                add_sound(buffer, note_cache[to_hertz], grid.at(bar, step, rng), gain / 2)
    return buffer


def play_arpeggio(line: PitchedPart, pitches: list[list[float]], timbre: Timbre, grid: Grid, rng: Generator) -> Wave:
    """Play a lead that walks through the chord, one note per step."""
    buffer = np.zeros(grid.samples, dtype=np.float32)
    pattern = line.rhythms[rng.integers(len(line.rhythms))]
    note_seconds = rng.uniform(*line.note_steps) * grid.step
    walk = rng.permutation(4)
    for bar in range(grid.bars):
        tones = [*pitches[bar % len(pitches)], 2 * pitches[bar % len(pitches)][0]]
        cached = [note(timbre, to_hertz, note_seconds, grid.rate) for to_hertz in tones]
        for step, letter in enumerate(pattern):
            sound = cached[walk[step % 4] % len(cached)]
            add_sound(buffer, sound, grid.at(bar, step, rng), step_gain(letter, rng))
    return buffer


def to_hertz(semitones: float, base: float) -> float:
    """Convert semitones above a base pitch to Hz."""
    return float(base * 2 ** (semitones / 12))


def drum_stems(pattern_of_genre: GenrePattern, kit: Kit, grid: Grid, rng: Generator) -> list[Wave]:
    """Play the four drums of the pattern."""
    return [
        play_drum(pattern_of_genre.kick, kit.kick, kit.kick, grid, rng),
        play_drum(pattern_of_genre.snare, kit.snare, kit.ghost, grid, rng),
        play_drum(pattern_of_genre.hat, kit.hat, kit.hat, grid, rng),
        play_drum(pattern_of_genre.open_hat, kit.open_hat, kit.open_hat, grid, rng),
    ]


def pitched_stems(pattern_of_genre: GenrePattern, grid: Grid, rng: Generator) -> list[Wave]:
    """Play bass, chords and lead over a progression of four bars in a random key."""
    key = rng.uniform(0, 12)
    roots = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    shape = CHORDS[rng.integers(len(CHORDS))]
    low = [[to_hertz(key + root, 41.2)] for root in roots]
    middle = [[to_hertz(key + root + tone, 41.2 * 2 ** rng.integers(2, 4)) for tone in shape] for root in roots]
    stems = []
    for line, pitches in ((pattern_of_genre.bass, low), (pattern_of_genre.chords, middle)):
        stems.append(play_line(line, pitches, make_timbre(rng, line.fade, line.drive), grid, rng))
    lead = make_timbre(rng, pattern_of_genre.lead.fade, pattern_of_genre.lead.drive)
    high = [[2 * pitch for pitch in bar] for bar in middle]
    return [*stems, play_arpeggio(pattern_of_genre.lead, high, lead, grid, rng)]


def render(genre: str, seconds: float, rate: int, rng: Generator) -> Wave:
    """Synthesize `seconds` of one genre in stereo at `rate` Hz: [samples, 2], peak below 1."""
    pattern_of_genre = GENRE_PATTERNS[genre]
    step = 60 / rng.uniform(*pattern_of_genre.tempo) / 4
    offset = rng.uniform(0, 16 * step)  # files do not start on a bar
    samples = int((seconds + offset) * rate)
    grid = Grid(step, rng.uniform(*pattern_of_genre.swing), 1 + int((seconds + offset) / (16 * step)), rate, samples)
    stems = drum_stems(pattern_of_genre, make_kit(rng, rate), grid, rng) + pitched_stems(pattern_of_genre, grid, rng)
    stems = [stem[int(offset * rate) :][: int(seconds * rate)] for stem in stems]
    return master(mix_stems(stems, pattern_of_genre.mix, rng), rate, rng)


def mix_stems(stems: list[Wave], levels: tuple[float, ...], rng: Generator) -> Wave:
    """Mix the stems to stereo, each around its level (dB, +-5) and at a random position."""
    mix = np.zeros((stems[0].size, 2))
    for stem, level in zip(stems, levels, strict=True):
        loudness = float(np.sqrt(np.mean(stem**2)))
        if loudness > 1e-6:
            gain = 10 ** ((level + rng.uniform(-5, 5)) / 20) / loudness
            side = rng.uniform(-0.4, 0.4)
            mix += gain * stem[:, None] * np.array([1 - side, 1 + side])
    return mix.astype(np.float32)


def master(mix: Wave, rate: int, rng: Generator) -> Wave:
    """Add room and noise, EQ and level."""
    t = np.arange(int(rng.uniform(0.15, 0.6) * rate)) / rate
    room = rng.normal(size=t.size) * np.exp(-t * rng.uniform(8, 25))
    wet = fftconvolve(mix, (room / np.linalg.norm(room))[:, None], axes=0)[: len(mix)]
    wave = mix + rng.uniform(0.0, 0.35) * wet
    noise = rng.normal(size=wave.shape)
    wave = wave / wave.std() + 10 ** (rng.uniform(-45, -22) / 20) * noise
    wave = equalise(wave, rate, rng)
    wave *= 10 ** (rng.uniform(-14, -1) / 20) / np.abs(wave).max()
    return wave.astype(np.float32)


def equalise(wave: NDArray[np.float64], rate: int, rng: Generator) -> NDArray[np.float64]:
    """Apply a random tilt (up to 3 dB per octave) and random bumps."""
    spectrum = np.fft.rfft(wave, axis=0)
    octave = np.log2(np.maximum(np.fft.rfftfreq(len(wave), 1 / rate), 20) / 640)
    knots = np.linspace(-5, 5.2, 9)
    gains = np.clip(rng.normal(0, 1.0), -3, 3) * knots + rng.normal(0, 3, size=9)
    curve = 10 ** (np.interp(octave, knots, gains) / 20)
    shaped: NDArray[np.float64] = np.fft.irfft(spectrum * curve[:, None], n=len(wave), axis=0)
    return shaped
