"""The formats of a sources file. The format NAME is the object `FORMAT` of the module NAME of this package.

Each implements `jobs.sources.contract.Format`.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import cast

from jobs.sources.contract import Format

NAMES = (
    "app_log",
    "audio_tree",
    "crawl",
    "deletions",
    "fma_genres",
    "fma_tracks",
    "genre_labels",
    "kkbox_members",
    "kkbox_song_extra_info",
    "kkbox_songs",
    "kkbox_train",
    "lastfm_1k",
    "lastfm_1k_tracks",
    "lastfm_360k",
    "lastfm_360k_profiles",
    "lastfm_similars_db",
    "lastfm_tags_db",
    "msd_artist_location",
    "msd_artist_similarity",
    "msd_artist_similarity_db",
    "msd_artist_term_db",
    "msd_artist_terms",
    "msd_challenge_hidden",
    "msd_challenge_visible",
    "msd_h5",
    "msd_mismatches",
    "msd_song_to_tracks",
    "msd_summary_csv",
    "msd_track_metadata_db",
    "msd_unique_artists",
    "msd_unique_tracks",
    "table",
    "taste_profile",
    "thirty_music_loves",
    "thirty_music_persons",
    "thirty_music_playlists",
    "thirty_music_sessions",
    "thirty_music_tracks",
    "thirty_music_users",
    "user_profiles",
)


class Formats(Mapping[str, Format]):
    """Formats by name. A format's module is imported when it is first used: some import pandas, h5py or lxml."""

    def __getitem__(self, name: str) -> Format:
        """Return a format. Raises KeyError for an unknown name."""
        if name not in NAMES:
            raise KeyError(name)
        module = importlib.import_module(f"{__name__}.{name}")
        return cast(Format, module.FORMAT)

    def __contains__(self, name: object) -> bool:
        """Return True for the name of a format; imports nothing."""
        return name in NAMES

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(NAMES)

    def __len__(self) -> int:
        """Return the number of formats."""
        return len(NAMES)


FORMATS: Mapping[str, Format] = Formats()
