"""Generate listening sessions: plays and skips, with likes, stars and blocks, and deletion requests."""

from dataclasses import dataclass, replace

from numpy.random import Generator

from jobs.sample.catalogue import Catalogue
from jobs.sample.config import SampleConfig
from jobs.sample.tastes import Tastes, next_track
from jobs.sample.users import User

DAY = 86_400


@dataclass(frozen=True)
class Event:
    """One line of the app log; times are seconds after midnight UTC of the first date."""

    user_id: str
    event: str
    played: int
    received: int
    track_id: str = ""
    ms_played: int = -1  # negative: unknown
    rating: int = 0
    session_id: str = ""

    @property
    def day(self) -> int:
        """Day of receipt, counted from the first date; it determines the folder of the line."""
        return self.received // DAY


def make_events(cfg: SampleConfig, catalogue: Catalogue, users: list[User], tastes: Tastes) -> list[Event]:
    """Generate all events of all users, received without delay, up to the last date."""
    events: list[Event] = []
    for number, user in enumerate(users):
        rng = cfg.rng(7, number)
        last = user.deleted_on if user.deleted_on >= 0 else cfg.days
        for day in range(min(last, cfg.days)):
            for _ in range(rng.poisson(user.sessions_per_day)):
                events += make_session(cfg, catalogue, tastes, user, day, rng)
        if user.deleted_on >= 0:
            at = user.deleted_on * DAY + int(rng.integers(8 * 3600, 20 * 3600))
            events = [event for event in events if event.user_id != user.user_id or event.played < at]
            events.append(Event(user.user_id, "delete", at, at + 1))
    return [event for event in events if event.day < cfg.days]


def make_session(
    cfg: SampleConfig, catalogue: Catalogue, tastes: Tastes, user: User, day: int, rng: Generator
) -> list[Event]:
    """Generate one session: distinct tracks, one after another."""
    clock = day * DAY + int((user.hour + rng.normal(0, 2)) % 24 * 3600)
    session_id = f"{user.user_id[:8]}-{clock:08d}"
    events: list[Event] = []
    played_tracks: set[int] = set()
    previous = -1
    for _ in range(2 + rng.poisson(cfg.session_tracks - 2)):
        track = next_track(cfg, tastes, user, day, previous, rng)
        if track in played_tracks:
            continue
        played_tracks.add(track)
        liked = catalogue.tracks[track].artist.group == user.group or rng.random() < 0.4
        seconds = catalogue.tracks[track].seconds
        played = make_listen(user, catalogue.tracks[track].track_id, clock, seconds, liked, session_id, rng)
        events += played
        clock += played[0].ms_played // 1000 + int(rng.integers(1, 8))
        previous = track
    return events


def make_listen(
    user: User, track_id: str, clock: int, seconds: float, liked: bool, session_id: str, rng: Generator
) -> list[Event]:
    """Generate a play or a skip, and the user's opinion of it. The first event has the duration."""
    delay = int(rng.integers(1, 5))
    if rng.random() < (0.04 if liked else 0.35):
        ms = int(rng.integers(1_000, 29_000))
        skip = Event(user.user_id, "skip", clock, clock + delay, track_id, ms, 0, session_id)
        blocked = replace(skip, event="block", played=clock + 1, ms_played=-1)
        return [skip, blocked] if rng.random() < 0.03 else [skip]
    ms = int(seconds * 1000) if rng.random() < 0.8 else int(rng.uniform(31_000, seconds * 1000))
    play = Event(user.user_id, "play", clock, clock + ms // 1000 + delay, track_id, ms, 0, session_id)
    return [play, *make_opinions(play, liked, rng)]


def make_opinions(play: Event, liked: bool, rng: Generator) -> list[Event]:
    """Generate likes (a few withdrawn) and stars, a little after the start of the play."""
    after: list[Event] = []
    opinion = replace(play, played=play.played + 20, received=play.received + 1, ms_played=-1)
    if liked and rng.random() < 0.06:
        after.append(replace(opinion, event="like"))
        if rng.random() < 0.08:
            after.append(replace(opinion, event="unlike", played=opinion.played + 5))
    if rng.random() < 0.04:
        stars = int(rng.integers(4, 6) if liked else rng.integers(1, 4))
        after.append(replace(opinion, event="rate", rating=stars, played=opinion.played + 8))
    return after


def make_deletion_requests(cfg: SampleConfig, events: list[Event]) -> list[Event]:
    """Generate requests of users, on the last date, to delete their listens of one track."""
    rng = cfg.rng(8)
    leaving = {event.user_id for event in events if event.event == "delete"}
    plays = [e for e in events if e.event == "play" and e.user_id not in leaving and e.day < cfg.days - 1]
    at = (cfg.days - 1) * DAY + 12 * 3600
    users: set[str] = set()
    requests: list[Event] = []
    for i in rng.permutation(len(plays)):
        if len(requests) < cfg.deleted_pairs and plays[i].user_id not in users:
            users.add(plays[i].user_id)
            requests.append(Event(plays[i].user_id, "delete", at, at + 1, plays[i].track_id))
    return requests
