"""Neighbors recover the planted taste groups; a popularity list does not."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobs.progress import ignore_progress
from jobs.sample.config import SampleConfig
from jobs.sample.generate import make_world
from jobs.sample.tastes import WAVE_DAYS
from jobs.sample.truth import World, audio_truth


@pytest.fixture(scope="module")
def world() -> World:
    """The events of the full sample, without its files."""
    return make_world(SampleConfig(), ignore_progress)


def plays(world: World) -> csr_matrix:
    """Users x tracks: 1 if a user played a track or has counts for its song."""
    tracks = {track.track_id: i for i, track in enumerate(world.catalogue.tracks)}
    songs = {track.song_id: i for i, track in enumerate(world.catalogue.tracks)}
    users = {user.user_id: i for i, user in enumerate(world.users)}
    pairs = {(users[e.user_id], tracks[e.track_id]) for e in world.log.events if e.track_id}
    pairs |= {(users[user], songs[song]) for user, song in world.counts}
    rows, columns = zip(*sorted(pairs), strict=True)
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(users), len(tracks)))


def precision(world: World, scores: np.ndarray, seen: np.ndarray) -> float:
    """Return the fraction of each user's best 10 unseen tracks that belong to the user's group."""
    groups = np.array([track.artist.group for track in world.catalogue.tracks])
    best = np.argsort(-np.where(seen, -np.inf, scores), axis=1, kind="stable")[:, :10]
    user_groups = np.array([user.group for user in world.users])
    return float((groups[best] == user_groups[:, None]).mean())


def test_neighbor_lists_recover_the_groups_and_popularity_does_not(world: World) -> None:
    matrix = plays(world)
    seen = matrix.toarray() > 0
    sizes = np.asarray(matrix.sum(axis=0)).ravel()
    overlap = (matrix.T @ matrix).toarray() / np.sqrt(np.maximum(np.outer(sizes, sizes), 1))
    np.fill_diagonal(overlap, 0)
    by_neighbors = precision(world, matrix @ overlap, seen)
    by_popularity = precision(world, np.tile(sizes, (len(seen), 1)), seen)
    assert by_neighbors > 0.8
    assert by_neighbors >= 3 * by_popularity


def test_sample_has_the_expected_scale(world: World) -> None:
    assert 2_500 < len(world.catalogue.tracks) < 4_000
    assert 60_000 < len(world.log.events) < 120_000
    assert len({user.user_id for user in world.users}) == 600


def test_unplayed_audio_has_no_plays(world: World) -> None:
    silent = set(audio_truth(world)["unplayed_audio"])
    assert world.plan.unplayed <= silent
    played = {event.track_id for event in world.log.events}
    assert silent.isdisjoint(played)


def test_followers_play_their_favourites(world: World) -> None:
    artist = {track.track_id: track.artist.artist_id for track in world.catalogue.tracks}
    sound = {file.track_id: file.genre for file in world.plan.good}
    played: dict[str, list[str]] = defaultdict(list)
    for event in world.log.events:
        if event.event == "play":
            played[event.user_id].append(event.track_id)
    loving = [user for user in world.users if user.favourite_artist]
    follow = [user for user in world.users if user.favourite_genre]
    assert (len(loving), len(follow)) == (30, 40)
    favourites = [(u.user_id, u.favourite_artist.artist_id) for u in loving if u.favourite_artist]
    of_artist = [np.mean([artist[t] == favourite for t in played[user]]) for user, favourite in favourites]
    of_sound = [np.mean([sound.get(t) == u.favourite_genre for t in played[u.user_id]]) for u in follow]
    assert np.median(of_artist) > 0.25
    assert np.median(of_sound) > 0.35


def test_hot_waves_last_three_days(world: World) -> None:
    for wave in world.tastes.waves:
        track = world.catalogue.tracks[wave.track].track_id
        by_day = Counter(e.played // 86_400 for e in world.log.events if e.track_id == track and e.event == "play")
        during = np.mean([by_day[wave.first_day + d] for d in range(WAVE_DAYS)])
        after = [by_day[d] for d in range(14) if not wave.first_day <= d <= wave.first_day + WAVE_DAYS]
        assert during > 20 * max(1.0, float(np.mean(after)))


def test_second_tracks_of_pairs_follow_the_first(world: World) -> None:
    ids = [track.track_id for track in world.catalogue.tracks]
    follows = {ids[a]: ids[b] for a, b in world.tastes.follows.items()}
    sessions: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for event in world.log.events:
        if event.event in ("play", "skip"):
            sessions[event.session_id].append((event.played, event.track_id))
    chances = []
    for session in sessions.values():
        order = [track for _, track in sorted(session)]
        chances += [after == follows[track] for track, after in pairwise(order) if track in follows]
    assert len(chances) > 500
    assert 0.55 < np.mean(chances) < 0.8


def test_users_have_no_plays_after_their_deletion_request(world: World) -> None:
    deleted_at = {e.user_id: e.played for e in world.log.events if e.event == "delete" and not e.track_id}
    assert len(deleted_at) == world.cfg.deleted_users
    assert all(e.played <= deleted_at[e.user_id] for e in world.log.events if e.user_id in deleted_at)


def test_users_with_deletion_requests_have_plays(world: World) -> None:
    deleted_at = {e.user_id for e in world.log.events if e.event == "delete" and not e.track_id}
    assert deleted_at <= {e.user_id for e in world.log.events if e.event == "play"}


def test_more_days_do_not_change_users_and_tracks() -> None:
    short = make_world(replace(SampleConfig(), days=5), ignore_progress)
    long = make_world(replace(SampleConfig(), days=7), ignore_progress)
    assert short.catalogue == long.catalogue
    assert [u.user_id for u in short.users] == [u.user_id for u in long.users]
