"""Generate the users: each has a taste group; some follow one artist, or one genre across the groups."""

from dataclasses import dataclass

import numpy as np

from jobs.sample import names
from jobs.sample.catalogue import Artist, Catalogue
from jobs.sample.config import GENRES, SampleConfig

COUNTRIES = ("Iceland", "Japan", "Brazil", "Germany", "United States", "Côte d'Ivoire", "")


@dataclass(frozen=True)
class User:
    """A user; plays of `favourite_artist` or `favourite_genre` are half of such a user's plays."""

    user_id: str
    group: int
    sessions_per_day: float
    hour: float  # middle of the listening day, UTC
    favourite_artist: Artist | None
    favourite_genre: str
    deleted_on: int  # day of the user's deletion request; -1: none
    profile: bool  # has older play counts


def make_users(cfg: SampleConfig, catalogue: Catalogue) -> list[User]:
    """Generate all users in a fixed order, group by group."""
    rng = cfg.rng(5)
    order = rng.permutation(cfg.users)
    lovers = set(order[: cfg.artist_followers].tolist())
    sounds = set(order[cfg.artist_followers : cfg.artist_followers + cfg.genre_followers].tolist())
    leaving = set(order[::-1][: cfg.deleted_users].tolist())
    grouped = [artist for artist in catalogue.artists if artist.group >= 0]
    users = []
    for i in range(cfg.users):
        group = i // cfg.users_per_group
        foreign = [artist for artist in grouped if artist.group != group]
        users.append(
            User(
                user_id=names.user_id(rng),
                group=group,
                sessions_per_day=float(np.clip(cfg.sessions_per_day * rng.lognormal(-0.18, 0.6), 0.15, 4.0)),
                hour=float(rng.normal(18, 4)),
                favourite_artist=foreign[rng.integers(len(foreign))] if i in lovers else None,
                favourite_genre=GENRES[rng.integers(len(GENRES))] if i in sounds else "",
                deleted_on=int(rng.integers(cfg.days // 2, cfg.days)) if i in leaving else -1,
                profile=bool(rng.random() < cfg.profile_share),
            )
        )
    return users
