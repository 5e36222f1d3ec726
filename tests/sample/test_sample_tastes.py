"""What is planted in the listening can be found again; a popularity list cannot find it."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from jobs.sample.config import SampleConfig
from jobs.sample.generate import make_world, quiet
from jobs.sample.tastes import WAVE_DAYS
from jobs.sample.truth import World, audio_truth


@pytest.fixture(scope="module")
def world() -> World:
    """The listening of the full sample, without its files."""
    return make_world(SampleConfig(), quiet)


def plays(world: World) -> csr_matrix:
    """Users x tracks: 1 where a user played a track or counted plays of its song before."""
    tracks = {track.track_id: i for i, track in enumerate(world.catalogue.tracks)}
    songs = {track.song_id: i for i, track in enumerate(world.catalogue.tracks)}
    users = {user.user_id: i for i, user in enumerate(world.listeners)}
    pairs = {(users[e.user_id], tracks[e.track_id]) for e in world.log.events if e.track_id}
    pairs |= {(users[user], songs[song]) for user, song in world.counts}
    rows, columns = zip(*sorted(pairs), strict=True)
    return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(users), len(tracks)))


def precision(world: World, scores: np.ndarray, heard: np.ndarray) -> float:
    """Share of each user's best 10 unheard tracks that belong to the user's group."""
    groups = np.array([track.artist.group for track in world.catalogue.tracks])
    best = np.argsort(-np.where(heard, -np.inf, scores), axis=1, kind="stable")[:, :10]
    own = np.array([user.group for user in world.listeners])
    return float((groups[best] == own[:, None]).mean())


def test_groups_are_found_by_neighbours_and_not_by_popularity(world: World) -> None:
    matrix = plays(world)
    heard = matrix.toarray() > 0
    sizes = np.asarray(matrix.sum(axis=0)).ravel()
    overlap = (matrix.T @ matrix).toarray() / np.sqrt(np.maximum(np.outer(sizes, sizes), 1))
    np.fill_diagonal(overlap, 0)
    by_neighbours = precision(world, matrix @ overlap, heard)
    by_popularity = precision(world, np.tile(sizes, (len(heard), 1)), heard)
    assert by_neighbours > 0.8
    assert by_neighbours >= 3 * by_popularity


def test_scale_is_a_few_thousand_tracks_and_enough_listening(world: World) -> None:
    assert 2_500 < len(world.catalogue.tracks) < 4_000
    assert 60_000 < len(world.log.events) < 120_000
    assert len({user.user_id for user in world.listeners}) == 600


def test_unplayed_audio_is_never_heard(world: World) -> None:
    silent = set(audio_truth(world)["unplayed_audio"])
    assert world.plan.unplayed <= silent
    heard = {event.track_id for event in world.log.events}
    assert silent.isdisjoint(heard)


def test_lovers_play_what_they_love(world: World) -> None:
    artist = {track.track_id: track.artist.artist_id for track in world.catalogue.tracks}
    sound = {file.track_id: file.genre for file in world.plan.good}
    heard: dict[str, list[str]] = defaultdict(list)
    for event in world.log.events:
        if event.event == "play":
            heard[event.user_id].append(event.track_id)
    loving = [user for user in world.listeners if user.loves]
    follow = [user for user in world.listeners if user.sound]
    assert (len(loving), len(follow)) == (30, 40)
    of_artist = [np.mean([artist[t] == u.loves.artist_id for t in heard[u.user_id]]) for u in loving if u.loves]
    of_sound = [np.mean([sound.get(t) == u.sound for t in heard[u.user_id]]) for u in follow]
    assert np.median(of_artist) > 0.25
    assert np.median(of_sound) > 0.35


def test_waves_are_hot_only_while_they_last(world: World) -> None:
    for wave in world.tastes.waves:
        track = world.catalogue.tracks[wave.track].track_id
        by_day = Counter(e.played // 86_400 for e in world.log.events if e.track_id == track and e.event == "play")
        during = np.mean([by_day[wave.first_day + d] for d in range(WAVE_DAYS)])
        after = [by_day[d] for d in range(14) if not wave.first_day <= d <= wave.first_day + WAVE_DAYS]
        assert during > 20 * max(1.0, float(np.mean(after)))


def test_pairs_follow_each_other_inside_sessions(world: World) -> None:
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


def test_nobody_listens_after_asking_to_be_forgotten(world: World) -> None:
    asked = {e.user_id: e.played for e in world.log.events if e.event == "delete" and not e.track_id}
    assert len(asked) == world.cfg.deleted_users
    assert all(e.played <= asked[e.user_id] for e in world.log.events if e.user_id in asked)


def test_users_who_leave_have_listened_before(world: World) -> None:
    asked = {e.user_id for e in world.log.events if e.event == "delete" and not e.track_id}
    assert asked <= {e.user_id for e in world.log.events if e.event == "play"}


def test_more_days_leave_the_users_and_tracks_alone() -> None:
    short = make_world(replace(SampleConfig(), days=5), quiet)
    long = make_world(replace(SampleConfig(), days=7), quiet)
    assert short.catalogue == long.catalogue
    assert [u.user_id for u in short.listeners] == [u.user_id for u in long.listeners]
