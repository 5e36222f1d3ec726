"""Decide which tracks have audio, in which format and length, and which labels are known."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.sample.catalogue import Catalogue
from jobs.sample.config import GENRES, SampleConfig

FORMAT_CYCLE = (*("ogg", "mp3") * 4, "wav", "flac", "mp3", "ogg")
DEFECTS = ("empty", "text", "truncated", "nan", "one_sample")


@dataclass(frozen=True)
class AudioFile:
    """One file of the sample; `defect` names what is wrong with a broken one."""

    track_id: str
    genre: str
    format: str  # ogg, mp3, wav or flac
    seconds: float
    rate: int
    channels: int
    number: int  # seeds the sound
    defect: str = ""

    @property
    def name(self) -> str:
        """Path relative to the sample's folder."""
        return f"audio/{self.track_id}.{self.format}"


@dataclass(frozen=True)
class AudioPlan:
    """The audio files; `unplayed`: tracks without plays (cold start); `held_out`: tracks without a label."""

    files: list[AudioFile]
    unplayed: frozenset[str]
    held_out: frozenset[str]

    @property
    def good(self) -> list[AudioFile]:
        """The files without a defect."""
        return [file for file in self.files if not file.defect]


def choose_encoding(number: int) -> tuple[str, int, int]:
    """Return format, rate and channels of the n-th file: mostly ogg and mp3; wav and flac are small."""
    format = FORMAT_CYCLE[number % len(FORMAT_CYCLE)]
    if format in ("wav", "flac"):
        return format, 22_050, 1
    return format, 44_100 if number % 5 == 0 else 22_050, 1 + (number % 3 == 0)


def plan_audio(cfg: SampleConfig, catalogue: Catalogue) -> AudioPlan:
    """Plan audio for the same number of tracks of every genre, from all its artists, without mismatched tracks."""
    rng = cfg.rng(2)
    wrong = {track.track_id for track in catalogue.mismatched}
    pools = []
    for genre in GENRES:
        ids = [t.track_id for t in catalogue.tracks if t.artist.genre == genre and t.track_id not in wrong]
        pools.append(rng.permutation(ids).tolist())
    files = []
    for i in range(cfg.audio_tracks):
        g = i % len(GENRES)
        format, rate, channels = choose_encoding(i // len(GENRES) + 5 * g)
        seconds = 35.0 if i < cfg.long_audio else cfg.audio_seconds
        files.append(AudioFile(pools[g].pop(), GENRES[g], format, seconds, rate, channels, i))
    files += [make_broken_file(cfg.audio_tracks + i, pools[i % len(GENRES)].pop()) for i in range(cfg.broken_audio)]
    order = rng.permutation(cfg.audio_tracks)[: cfg.unplayed_audio]
    unplayed = frozenset(files[i].track_id for i in order)
    return AudioPlan(files, unplayed, choose_held_out(cfg, files))


def make_broken_file(number: int, track_id: str) -> AudioFile:
    """Return a file that must end in the quarantine."""
    defect = DEFECTS[number % len(DEFECTS)]
    format = {"nan": "wav", "one_sample": "wav", "text": "mp3", "truncated": "flac", "empty": "ogg"}[defect]
    return AudioFile(track_id, GENRES[number % len(GENRES)], format, 4.0, 22_050, 1, number, defect)


def choose_held_out(cfg: SampleConfig, files: Sequence[AudioFile]) -> frozenset[str]:
    """Choose the same fraction of every genre's good files."""
    rng = cfg.rng(3)
    held_out_ids: list[str] = []
    for genre in GENRES:
        ids = [file.track_id for file in files if file.genre == genre and not file.defect]
        held_out_ids += rng.permutation(ids)[: round(cfg.held_out * len(ids))].tolist()
    return frozenset(held_out_ids)
