"""Ground truth of the sample, `truth.json`, which only tests read."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from jobs.sample.app_log import Garbage
from jobs.sample.audio_plan import AudioPlan
from jobs.sample.catalogue import Catalogue
from jobs.sample.config import SampleConfig
from jobs.sample.corruption import DelayedEvents, log_record
from jobs.sample.events import Event
from jobs.sample.msd_files import latin1
from jobs.sample.tastes import WAVE_DAYS, Tastes
from jobs.sample.user_files import Counts
from jobs.sample.users import User


@dataclass(frozen=True)
class World:
    """The generated data before it is written."""

    cfg: SampleConfig
    catalogue: Catalogue
    plan: AudioPlan
    users: list[User]
    tastes: Tastes
    counts: Counts
    log: DelayedEvents
    repeated: list[Event]


def truth(world: World, bad: list[Garbage]) -> dict[str, Any]:
    """Return the ground truth as plain values; every list is sorted."""
    return {
        "seed": world.cfg.seed,
        "first_date": str(world.cfg.first_date),
        "last_date": str(world.cfg.first_date + timedelta(days=world.cfg.days - 1)),
        **taste_truth(world),
        **deletion_truth(world),
        **error_truth(world, bad),
        **audio_truth(world),
        **catalogue_truth(world.catalogue),
    }


def taste_truth(world: World) -> dict[str, Any]:
    """Return groups, users with favourites, hot waves and the order inside sessions."""
    tracks = world.catalogue.tracks
    first = world.cfg.first_date
    groups = {
        str(g): {
            "users": sorted(user.user_id for user in world.users if user.group == g),
            "tracks": sorted(tracks[i].track_id for i in world.catalogue.of_group(g)),
        }
        for g in range(world.cfg.groups)
    }
    return {
        "groups": groups,
        "artist_lovers": {u.user_id: u.favourite_artist.artist_id for u in world.users if u.favourite_artist},
        "audio_tastes": {u.user_id: u.favourite_genre for u in world.users if u.favourite_genre},
        "hot_waves": [
            {
                "track": tracks[wave.track].track_id,
                "dates": [str(first + timedelta(days=wave.first_day + d)) for d in range(WAVE_DAYS)],
            }
            for wave in world.tastes.waves
        ],
        "session_order": {
            "rule": "after the first track of a pair, the second is played next with this chance",
            "chance": world.cfg.pair_chance,
            "pairs": sorted([tracks[a].track_id, tracks[b].track_id] for a, b in world.tastes.follows.items()),
        },
    }


def deletion_truth(world: World) -> dict[str, Any]:
    """Return the users and pairs with a deletion request."""
    requests = [event for event in world.log.events if event.event == "delete"]
    return {
        "deleted_users": sorted(event.user_id for event in requests if not event.track_id),
        "deleted_pairs": sorted([event.user_id, event.track_id] for event in requests if event.track_id),
    }


def error_truth(world: World, bad: list[Garbage]) -> dict[str, Any]:
    """Return garbage, duplicates and late lines; `events` counts good ones, each duplicate once."""
    short = [log_record(world.cfg, event) for event in world.log.too_late]
    return {
        "garbage": [asdict(entry) for entry in sorted(bad, key=lambda e: (e.file, e.line))],
        "events": len(world.log.events),
        "events_by_kind": dict(sorted(Counter(event.event for event in world.log.events).items())),
        "duplicates": len(world.repeated),
        "late_inside": len(world.log.late),
        "late_beyond": len(short),
        "late_beyond_events": [[r["user_id"], r.get("track_id"), r["played_at"]] for r in short],
    }


def audio_truth(world: World) -> dict[str, Any]:
    """Return the genres of the audio, and which files are broken, held out, or never played."""
    plan = world.plan
    songs = {song for _, song in world.counts}
    song_of = {track.track_id: track.song_id for track in world.catalogue.tracks}
    played = {event.track_id for event in world.log.events}
    silent = [f.track_id for f in plan.good if f.track_id not in played and song_of[f.track_id] not in songs]
    genres = {file.track_id: file.genre for file in plan.good}
    return {
        "audio_genres": dict(sorted(genres.items())),
        "held_out_audio": {track: genres[track] for track in sorted(plan.held_out)},
        "broken_audio": {file.name: file.defect for file in plan.files if file.defect},
        "unplayed_audio": sorted(silent),
    }


def catalogue_truth(catalogue: Catalogue) -> dict[str, Any]:
    """Return pairs that must be dropped, songs with two tracks, genres of all tracks, lines in latin-1."""
    songs = Counter(track.song_id for track in catalogue.tracks)
    return {
        "mismatched": sorted([track.song_id, track.track_id] for track in catalogue.mismatched),
        "songs_with_two_tracks": sorted(song for song, count in songs.items() if count > 1),
        "track_genres": {track.track_id: track.artist.genre for track in catalogue.tracks},
        "latin1_tracks": sorted(track.track_id for track in catalogue.tracks if latin1(track)),
    }
