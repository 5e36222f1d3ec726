"""Write user data besides the app log: older play counts (Taste Profile) and profiles (Last.fm-1K)."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

from jobs.sample.app_log import Garbage
from jobs.sample.catalogue import Catalogue
from jobs.sample.config import SampleConfig
from jobs.sample.tastes import Tastes, usual_track
from jobs.sample.text_files import write_lines
from jobs.sample.users import COUNTRIES, User

Counts = Counter[tuple[str, str]]


def make_counts(cfg: SampleConfig, catalogue: Catalogue, users: list[User], tastes: Tastes) -> Counts:
    """Return (user, song) -> plays before the first date, from the same tastes; some for mismatched songs too."""
    counts: Counts = Counter()
    for number, user in enumerate(users):
        rng = cfg.rng(14, number)
        if not user.profile:
            continue
        for _ in range(int(rng.integers(20, 70))):
            track = catalogue.tracks[usual_track(cfg, tastes, user, rng)]
            counts[user.user_id, track.song_id] += int(rng.geometric(0.45))
        if rng.random() < 0.1:
            wrong = catalogue.mismatched[rng.integers(len(catalogue.mismatched))]
            counts[user.user_id, wrong.song_id] += 1
    return counts


def write_counts(out: Path, cfg: SampleConfig, counts: Counts, deleted_users: set[str]) -> list[Garbage]:
    """Write `user<TAB>song<TAB>count`, with garbage that names no user with a deletion request."""
    rng = cfg.rng(15)
    keys = sorted(counts)
    lines = [f"{user}\t{song}\t{counts[user, song]}".encode() for user, song in keys]
    allowed = [key for key in keys if key[0] not in deleted_users]
    count = max(4, int(cfg.garbage * len(lines)) // 2)
    bad = []
    for n, i in enumerate(rng.choice(len(allowed), min(count, len(allowed)), replace=False)):
        user, song = allowed[i]
        kinds = {"missing_fields": f"{user}\t{song}", "count_is_no_number": f"{user}\t{song}\tmany"}
        kinds |= {"count_negative": f"{user}\t{song}\t-3", "missing_user": f"\t{song}\t2"}
        kind = sorted(kinds)[n % len(kinds)]
        bad.append((kind, kinds[kind].encode()))
    return write_lines(out, "taste_profile/train_triplets.txt", lines, bad, rng)


def write_profiles(out: Path, cfg: SampleConfig, users: list[User]) -> list[Garbage]:
    """Write `userid-profile.tsv` of Last.fm-1K: as there, much is blank."""
    rng = cfg.rng(16)
    lines = [b"#id\tgender\tage\tcountry\tregistered"]
    for user in users:
        gender = ("m", "f", "")[rng.integers(3)]
        age = str(rng.integers(16, 70)) if rng.random() < 0.4 else ""
        joined = date(2019, 1, 1) + timedelta(days=int(rng.integers(2400)))
        registered = f"{joined:%b} {joined.day}, {joined.year}"
        country = COUNTRIES[rng.integers(len(COUNTRIES))]
        lines.append("\t".join((user.user_id, gender, age, country, registered)).encode())
    bad = [("missing_fields", b"user_without_columns")]
    return write_lines(out, "users/userid-profile.tsv", lines, bad, rng, header=1)
