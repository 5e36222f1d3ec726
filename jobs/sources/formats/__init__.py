"""The formats that a sources file may name: one module each, all under the contract of `jobs.sources.contract.Format`."""

from jobs.sources.contract import Format
from jobs.sources.formats import (
    app_log,
    audio_tree,
    deletions,
    genre_labels,
    msd_artist_terms,
    msd_h5,
    msd_mismatches,
    msd_unique_artists,
    msd_unique_tracks,
    table,
    taste_profile,
    thirty_music_loves,
    thirty_music_persons,
    thirty_music_playlists,
    thirty_music_sessions,
    thirty_music_tracks,
    thirty_music_users,
    user_profiles,
)

FORMATS: dict[str, Format] = {
    "app_log": app_log.FORMAT,
    "audio_tree": audio_tree.FORMAT,
    "deletions": deletions.FORMAT,
    "genre_labels": genre_labels.FORMAT,
    "msd_artist_terms": msd_artist_terms.FORMAT,
    "msd_h5": msd_h5.FORMAT,
    "msd_mismatches": msd_mismatches.FORMAT,
    "msd_unique_artists": msd_unique_artists.FORMAT,
    "msd_unique_tracks": msd_unique_tracks.FORMAT,
    "table": table.FORMAT,
    "taste_profile": taste_profile.FORMAT,
    "thirty_music_loves": thirty_music_loves.FORMAT,
    "thirty_music_persons": thirty_music_persons.FORMAT,
    "thirty_music_playlists": thirty_music_playlists.FORMAT,
    "thirty_music_sessions": thirty_music_sessions.FORMAT,
    "thirty_music_tracks": thirty_music_tracks.FORMAT,
    "thirty_music_users": thirty_music_users.FORMAT,
    "user_profiles": user_profiles.FORMAT,
}
