"""Which tracks have audio, in which format and length, and what is known of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.sample.catalogue import Catalogue
from jobs.sample.config import GENRES, SampleConfig

CYCLE_OF_FORMATS = (*("ogg", "mp3") * 4, "wav", "flac", "mp3", "ogg")
FAULTS = ("empty", "text", "truncated", "nan", "one_sample")


@dataclass(frozen=True)
class AudioFile:
    """One file of the sample; `fault` names what is wrong with a broken one."""

    track_id: str
    genre: str
    format: str  # ogg, mp3, wav or flac
    seconds: float
    rate: int
    channels: int
    number: int  # seeds the sound
    fault: str = ""

    @property
    def name(self) -> str:
        """Path under the sample's folder."""
        return f"audio/{self.track_id}.{self.format}"


@dataclass(frozen=True)
class AudioPlan:
    """`unplayed`: tracks that nobody may play (cold start); `held_out`: whose label is kept back."""

    files: list[AudioFile]
    unplayed: frozenset[str]
    held_out: frozenset[str]

    @property
    def good(self) -> list[AudioFile]:
        """The files that are not broken."""
        return [file for file in self.files if not file.fault]


def form(number: int) -> tuple[str, int, int]:
    """Format, rate and channels of the n-th file: mostly ogg and mp3; wav and flac are kept small."""
    format = CYCLE_OF_FORMATS[number % len(CYCLE_OF_FORMATS)]
    if format in ("wav", "flac"):
        return format, 22_050, 1
    return format, 44_100 if number % 5 == 0 else 22_050, 1 + (number % 3 == 0)


def plan_audio(cfg: SampleConfig, catalogue: Catalogue) -> AudioPlan:
    """Audio for the same number of tracks of every genre, from all its artists; none of them mismatched."""
    rng = cfg.rng(2)
    wrong = {track.track_id for track in catalogue.mismatched}
    pools = []
    for genre in GENRES:
        ids = [t.track_id for t in catalogue.tracks if t.artist.genre == genre and t.track_id not in wrong]
        pools.append(rng.permutation(ids).tolist())
    files = []
    for i in range(cfg.audio_tracks):
        g = i % len(GENRES)
        format, rate, channels = form(i // len(GENRES) + 5 * g)
        seconds = 35.0 if i < cfg.long_audio else cfg.audio_seconds
        files.append(AudioFile(pools[g].pop(), GENRES[g], format, seconds, rate, channels, i))
    files += [broken(cfg.audio_tracks + i, pools[i % len(GENRES)].pop()) for i in range(cfg.broken_audio)]
    order = rng.permutation(cfg.audio_tracks)[: cfg.unplayed_audio]
    unplayed = frozenset(files[i].track_id for i in order)
    return AudioPlan(files, unplayed, choose_held_out(cfg, files))


def broken(number: int, track_id: str) -> AudioFile:
    """A file that must end in quarantine."""
    fault = FAULTS[number % len(FAULTS)]
    format = {"nan": "wav", "one_sample": "wav", "text": "mp3", "truncated": "flac", "empty": "ogg"}[fault]
    return AudioFile(track_id, GENRES[number % len(GENRES)], format, 4.0, 22_050, 1, number, fault)


def choose_held_out(cfg: SampleConfig, files: Sequence[AudioFile]) -> frozenset[str]:
    """The same share of every genre's good files."""
    rng = cfg.rng(3)
    held: list[str] = []
    for genre in GENRES:
        ids = [file.track_id for file in files if file.genre == genre and not file.fault]
        held += rng.permutation(ids)[: round(cfg.held_out * len(ids))].tolist()
    return frozenset(held)
