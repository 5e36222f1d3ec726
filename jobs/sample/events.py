"""Listening: sessions of plays and skips, with likes, stars and blocks, and wishes to be forgotten."""

from dataclasses import dataclass, replace

from numpy.random import Generator

from jobs.sample.catalogue import Catalogue
from jobs.sample.config import SampleConfig
from jobs.sample.listeners import Listener
from jobs.sample.tastes import Tastes, next_track

DAY = 86_400


@dataclass(frozen=True)
class Event:
    """One line of the app log; times are seconds after midnight UTC of the first date."""

    user_id: str
    event: str
    played: int
    received: int
    track_id: str = ""
    ms_played: int = -1  # negative: not told
    rating: int = 0
    session_id: str = ""

    @property
    def day(self) -> int:
        """Day of receipt, counted from the first date: the folder that the line goes into."""
        return self.received // DAY


def make_events(cfg: SampleConfig, catalogue: Catalogue, listeners: list[Listener], tastes: Tastes) -> list[Event]:
    """Everything that users did, received at once; only what is received by the last date."""
    events: list[Event] = []
    for number, user in enumerate(listeners):
        rng = cfg.rng(7, number)
        last = user.deleted_on if user.deleted_on >= 0 else cfg.days
        for day in range(min(last, cfg.days)):
            for _ in range(rng.poisson(user.sessions_per_day)):
                events += session(cfg, catalogue, tastes, user, day, rng)
        if user.deleted_on >= 0:
            at = user.deleted_on * DAY + int(rng.integers(8 * 3600, 20 * 3600))
            events = [event for event in events if event.user_id != user.user_id or event.played < at]
            events.append(Event(user.user_id, "delete", at, at + 1))
    return [event for event in events if event.day < cfg.days]


def session(
    cfg: SampleConfig, catalogue: Catalogue, tastes: Tastes, user: Listener, day: int, rng: Generator
) -> list[Event]:
    """One sitting: tracks one after another, no track twice."""
    clock = day * DAY + int((user.hour + rng.normal(0, 2)) % 24 * 3600)
    session_id = f"{user.user_id[:8]}-{clock:08d}"
    events: list[Event] = []
    heard: set[int] = set()
    before = -1
    for _ in range(2 + rng.poisson(cfg.session_tracks - 2)):
        track = next_track(cfg, tastes, user, day, before, rng)
        if track in heard:
            continue
        heard.add(track)
        liked = catalogue.tracks[track].artist.group == user.group or rng.random() < 0.4
        seconds = catalogue.tracks[track].seconds
        played = listen(user, catalogue.tracks[track].track_id, clock, seconds, liked, session_id, rng)
        events += played
        clock += played[0].ms_played // 1000 + int(rng.integers(1, 8))
        before = track
    return events


def listen(
    user: Listener, track_id: str, clock: int, seconds: float, liked: bool, session_id: str, rng: Generator
) -> list[Event]:
    """A play or a skip, and what the user thought of it. The first event tells how long it took."""
    delay = int(rng.integers(1, 5))
    if rng.random() < (0.04 if liked else 0.35):
        ms = int(rng.integers(1_000, 29_000))
        skip = Event(user.user_id, "skip", clock, clock + delay, track_id, ms, 0, session_id)
        blocked = replace(skip, event="block", played=clock + 1, ms_played=-1)
        return [skip, blocked] if rng.random() < 0.03 else [skip]
    ms = int(seconds * 1000) if rng.random() < 0.8 else int(rng.uniform(31_000, seconds * 1000))
    play = Event(user.user_id, "play", clock, clock + ms // 1000 + delay, track_id, ms, 0, session_id)
    return [play, *opinions(play, liked, rng)]


def opinions(play: Event, liked: bool, rng: Generator) -> list[Event]:
    """Likes (a few taken back) and stars, a little after the start of the play."""
    after: list[Event] = []
    said = replace(play, played=play.played + 20, received=play.received + 1, ms_played=-1)
    if liked and rng.random() < 0.06:
        after.append(replace(said, event="like"))
        if rng.random() < 0.08:
            after.append(replace(said, event="unlike", played=said.played + 5))
    if rng.random() < 0.04:
        stars = int(rng.integers(4, 6) if liked else rng.integers(1, 4))
        after.append(replace(said, event="rate", rating=stars, played=said.played + 8))
    return after


def deletion_wishes(cfg: SampleConfig, events: list[Event]) -> list[Event]:
    """Users who ask, on the last date, that their listens of one track be forgotten."""
    rng = cfg.rng(8)
    leaving = {event.user_id for event in events if event.event == "delete"}
    plays = [e for e in events if e.event == "play" and e.user_id not in leaving and e.day < cfg.days - 1]
    at = (cfg.days - 1) * DAY + 12 * 3600
    users: set[str] = set()
    wishes: list[Event] = []
    for i in rng.permutation(len(plays)):
        if len(wishes) < cfg.deleted_pairs and plays[i].user_id not in users:
            users.add(plays[i].user_id)
            wishes.append(Event(plays[i].user_id, "delete", at, at + 1, plays[i].track_id))
    return wishes
