"""The users: each belongs to a taste group; some love one artist, or one genre's sound whoever plays it."""

from dataclasses import dataclass

import numpy as np

from jobs.sample import names
from jobs.sample.catalogue import Artist, Catalogue
from jobs.sample.config import GENRES, SampleConfig

COUNTRIES = ("Iceland", "Japan", "Brazil", "Germany", "United States", "Côte d'Ivoire", "")


@dataclass(frozen=True)
class Listener:
    """`loves` is an artist, `sound` a genre: each takes half of such a user's plays."""

    user_id: str
    group: int
    sessions_per_day: float
    hour: float  # middle of the listening day, UTC
    loves: Artist | None
    sound: str
    deleted_on: int  # day on which the user asks to be forgotten; -1 never
    profile: bool  # has older play counts


def make_listeners(cfg: SampleConfig, catalogue: Catalogue) -> list[Listener]:
    """All users in a fixed order, group by group."""
    rng = cfg.rng(5)
    order = rng.permutation(cfg.users)
    lovers = set(order[: cfg.artist_lovers].tolist())
    sounds = set(order[cfg.artist_lovers : cfg.artist_lovers + cfg.sound_lovers].tolist())
    leaving = set(order[::-1][: cfg.deleted_users].tolist())
    own = [artist for artist in catalogue.artists if artist.group >= 0]
    listeners = []
    for i in range(cfg.users):
        group = i // cfg.users_per_group
        foreign = [artist for artist in own if artist.group != group]
        listeners.append(
            Listener(
                user_id=names.user_id(rng),
                group=group,
                sessions_per_day=float(np.clip(cfg.sessions_per_day * rng.lognormal(-0.18, 0.6), 0.15, 4.0)),
                hour=float(rng.normal(18, 4)),
                loves=foreign[rng.integers(len(foreign))] if i in lovers else None,
                sound=GENRES[rng.integers(len(GENRES))] if i in sounds else "",
                deleted_on=int(rng.integers(cfg.days // 2, cfg.days)) if i in leaving else -1,
                profile=bool(rng.random() < cfg.profile_share),
            )
        )
    return listeners
