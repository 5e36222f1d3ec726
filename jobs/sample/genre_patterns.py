"""Rhythm patterns of PMRS's seven genres: tempo, drums, bass, chords and lead in steps of a sixteenth note.

A pattern has 16 letters: X strong, x plain, o in every second bar or so, g a soft ghost note, - nothing.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PitchedPart:
    """A pitched part: its rhythms (a track has one), the length of a note in steps, and its decay."""

    rhythms: tuple[str, ...]
    note_steps: tuple[float, float]
    fade: tuple[float, float] = (0.5, 4.0)  # 1/s
    drive: tuple[float, float] = (0.0, 2.0)


@dataclass(frozen=True)
class GenrePattern:
    """One genre. `swing` delays every second sixteenth by that fraction of a step."""

    tempo: tuple[float, float]  # beats a minute
    swing: tuple[float, float]
    kick: tuple[str, ...]
    snare: tuple[str, ...]
    hat: tuple[str, ...]
    open_hat: tuple[str, ...]
    bass: PitchedPart
    chords: PitchedPart
    lead: PitchedPart
    mix: tuple[float, ...]  # dB of kick, snare, hat, open hat, bass, chords, lead around which a track is mixed


NONE = ("-" * 16,)

GENRE_PATTERNS: dict[str, GenrePattern] = {
    "Breakbeat": GenrePattern(
        tempo=(124, 136),
        swing=(0.08, 0.2),
        kick=("X-x-------Xo----", "X--x------X-----", "X-------o-Xx----"),
        snare=("----X--g-g--X--g", "----X--x-g--X---", "----X--g-x-gX-g-"),
        hat=("x-x-x-x-x-x-x-x-", "x-xxx-x-x-xxx-x-"),
        open_hat=NONE,
        bass=PitchedPart(("X--x--x---X-----", "X-----x-x--x----"), (1.0, 2.2), (3, 8)),
        chords=PitchedPart(("------X---------", "---X------------", "----------X--o--"), (0.8, 1.6), (5, 12)),
        lead=PitchedPart(NONE, (1, 1)),
        mix=(2, 3, 0, 0, 0, -3, 0),
    ),
    "Dancehall": GenrePattern(
        tempo=(92, 104),
        swing=(0.0, 0.08),
        kick=("X-------X-------", "X-------X-----o-", "X--o----X-------"),
        snare=("---X--X----X--X-", "---X--X----X--x-"),
        hat=("x---x---x---x---", "--x---x---x---x-", "-" * 16),
        open_hat=NONE,
        bass=PitchedPart(("X-----x-X---x---", "X--x--x-X--x----"), (1.5, 3.0), (1, 4)),
        chords=PitchedPart(("--X---X---X---X-", "--Xx--X---Xx--X-"), (0.5, 0.9), (8, 16)),
        lead=PitchedPart(NONE, (1, 1)),
        mix=(1, 2, -5, 0, 4, 0, 0),
    ),
    "Drum and bass": GenrePattern(
        tempo=(168, 178),
        swing=(0.0, 0.06),
        kick=("X---------X-----", "X-x-------X-----", "X---------x--o--"),
        snare=("----X--g-g--X--g", "----X-------X---", "----X--g----X-g-"),
        hat=("xgxgxgxgxgxgxgxg", "xxxgxxxgxxxgxxxg"),
        open_hat=NONE,
        bass=PitchedPart(("X---------------", "X-----------x---", "X-------X-------"), (6.0, 12.0), (0.0, 0.6), (1, 3)),
        chords=PitchedPart(("X---------------", "-" * 16), (10, 16), (0.0, 0.5)),
        lead=PitchedPart(NONE, (1, 1)),
        mix=(-1, 1, 2, 0, 4, -4, 0),
    ),
    "Funky house": GenrePattern(
        tempo=(120, 127),
        swing=(0.05, 0.16),
        kick=("X---X---X---X---",),
        snare=("----X-------X---", "----X-------X--o"),
        hat=("x-gxx-gxx-gxx-gx", "-" * 16),
        open_hat=("--X---X---X---X-",),
        bass=PitchedPart(("X--x-xX---x-x-x-", "--xx--X-x-xx--X-"), (0.6, 1.2), (3, 8)),
        chords=PitchedPart(("---X--X-----X---", "X--X--X---X-----", "--X--X----X--X--"), (0.7, 1.4), (5, 12)),
        lead=PitchedPart(NONE, (1, 1)),
        mix=(2, -1, -2, 1, 1, 1, 0),
    ),
    "Hip Hop": GenrePattern(
        tempo=(82, 95),
        swing=(0.15, 0.33),
        kick=("X------x--X-----", "X--x------Xo----", "X-----xX--------"),
        snare=("----X-------X---", "----X--g----X---"),
        hat=("x-x-x-x-x-x-x-x-", "x-xox-x-x-x-x-xo"),
        open_hat=NONE,
        bass=PitchedPart(("X------x--X-----", "X---------x-----"), (2.0, 4.0), (0.5, 3)),
        chords=PitchedPart(("X---------------", "X-----------x---", "------X---------"), (3.0, 7.0), (1, 4)),
        lead=PitchedPart(NONE, (1, 1)),
        mix=(4, 1, -2, 0, 2, -2, 0),
    ),
    "Rock": GenrePattern(
        tempo=(104, 146),
        swing=(0.0, 0.04),
        kick=("X-------X-o-----", "X-----x-X-------", "X-------XXo-----"),
        snare=("----X-------X---",),
        hat=("X-x-X-x-X-x-X-x-", "-" * 16),
        open_hat=NONE,
        bass=PitchedPart(("X-x-x-x-x-x-x-x-",), (1.7, 2.0), (0.0, 1.5)),
        chords=PitchedPart(
            ("X-x-x-x-X-x-x-x-", "X-----X-X---x-x-", "X-------X---x-x-"), (1.8, 6.0), (0.0, 1.0), (2.5, 5)
        ),
        lead=PitchedPart(NONE, (1, 1)),
        mix=(-2, 0, -3, 0, -2, 4, 0),
    ),
    "Trance": GenrePattern(
        tempo=(133, 142),
        swing=(0.0, 0.02),
        kick=("X---X---X---X---",),
        snare=("-" * 16, "----x-------x---"),
        hat=("-" * 16, "--x---x---x---x-"),
        open_hat=("-" * 16, "--x---x---x---x-"),
        bass=PitchedPart(("-xxx-xxx-xxx-xxx", "--xx--xx--xx--xx", "--X---X---X---X-"), (0.6, 0.9), (4, 10)),
        chords=PitchedPart(("X---------------",), (14, 16), (0.0, 0.4)),
        lead=PitchedPart(("XxxxXxxxXxxxXxxx", "XxXxxXxxXxXxxXxx"), (0.5, 0.8), (6, 14)),
        mix=(1, -5, -4, -3, 0, 1, 3),
    ),
}
