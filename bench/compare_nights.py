"""Compare the rows of two lakes, one of format 1 and one of format 2: `python -m bench.compare_nights OLD NEW [TABLE ...]`.

Prints one line per table and date: equal, or the first difference. Columns and values that format 2 renamed are renamed in the
old rows first, so that equal means equal rows. Left out are columns that hold a run, a time, the version of a program or
model, or a sentence (VOLATILE). Exits with 1 if any table differs. Rows are compared without order. Both sides are read into
memory, so that the command is for sample nights.
"""

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

TABLES = {
    "listeners": "eligible_users", "losses": "join_drops", "scored": "candidate_fingerprints", "evaluated": "evaluation_queries",
    "forgotten": "erasures",
}  # fmt: skip
COLUMNS = {
    "because_track_id": "reason_track_id", "by_listeners": "cos_collaborative", "by_sound": "cos_audio", "by_genre": "cos_genre",
    "by_text": "cos_text", "carried_by": "top_modality", "known_from": "origin", "on_time": "within_late_window",
    "lists_of": "lists_date", "named_after": "anchor_artist", "made_by": "producer_version", "last_heard": "last_event_at",
    "taste": "genre_share", "rows_lost": "rows_dropped", "pieces": "n_outputs", "ahead": "delta", "ahead_low": "delta_ci_low",
    "ahead_high": "delta_ci_high",
}  # fmt: skip
COLUMNS_OF = {
    "eligible_users": {"heard": "n_seen"}, "daily_mixes": {"heard": "seen"}, "candidate_fingerprints": {"inputs": "fingerprint"},
    "genre_labels": {"place": "label_rank"}, "evaluation_queries": {"places": "hit_ranks", "listed": "list_length"},
}  # fmt: skip
VALUES = {
    "track_genres": {"source": {"cnn": "audio_model"}},
    "ranked": {
        "tier": {"new": "cold_start", "unplayed": "fallback_unplayed"},
        "source": {"genre_shelf": "genre_fallback"},
    },
    **{
        table: {"top_modality": {"listeners": "collaborative", "sound": "audio"}}
        for table in ("similar_tracks", "similar_artists", "daily_mixes")
    },
}
VOLATILE = frozenset({"producer_version", "run_id", "at", "model", "reason", "why", "step"})
"""Columns that hold a run, a time, the digest of a program or model, or a sentence whose wording changed."""
NAMED_MODELS = frozenset({"quality", "genre_confidence", "evaluation_queries"})
"""Tables whose column `model` is a name, which is compared."""
CHECKOUT = re.compile(r"^/.*/var/")
"""Prefix of file names, which differs between two checkouts."""


def partitions(lake: Path) -> dict[tuple[str, str], pd.DataFrame]:
    """Return the committed rows by (part of a table, date); partitions without rows are left out."""
    frames = {}
    for manifest in sorted(lake.rglob("_manifest.json")):
        content = json.loads(manifest.read_text())
        folder = lake / content["table"] / content["folder"]
        if content["folder"]:
            files = sorted(folder.glob("*.parquet"))
            frames[content["table"], content["date"]] = pd.concat([pq.ParquetFile(f).read().to_pandas() for f in files])
    return {key: rows for key, rows in frames.items() if len(rows)}


def renamed(part: str, rows: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the part and rows of format 1 under the names and values of format 2."""
    table, _, source = part.partition("/")
    table = TABLES.get(table, table)
    rows = rows.rename(columns={**COLUMNS, **COLUMNS_OF.get(table, {})}).replace(VALUES.get(table, {}))
    return (f"{table}/{source}" if source else table), rows


def compared_columns(table: str, rows: pd.DataFrame) -> set[str]:
    """Return the columns that are compared."""
    return set(rows.columns) - (VOLATILE - {"model"} if table in NAMED_MODELS else VOLATILE)


def canonical(table: str, rows: pd.DataFrame) -> list[str]:
    """Return the rows as sorted texts, without volatile columns."""
    columns = sorted(compared_columns(table, rows))
    return sorted(repr([_plain(value) for value in row]) for row in rows[columns].itertuples(index=False, name=None))


def _plain(value: object) -> object:
    if isinstance(value, str):
        return CHECKOUT.sub("var/", value)
    return value.tolist() if hasattr(value, "tolist") else value


def main() -> int:
    """Compare and print; return 1 if rows differ."""
    old_lake, new_lake, *tables = sys.argv[1:]
    old = {}
    for (part, date), rows in partitions(Path(old_lake)).items():
        new_part, new_rows = renamed(part, rows)
        old[new_part, date] = new_rows
    new = partitions(Path(new_lake))
    differing = 0
    for key in sorted(set(old) | set(new)):
        if tables and key[0].split("/")[0] not in tables:
            continue
        verdict = _verdict(key[0].split("/")[0], old.get(key), new.get(key))
        differing += verdict != "equal"
        print(f"{' '.join(key):50} {verdict}")
    return int(differing > 0)


def _verdict(table: str, old: pd.DataFrame | None, new: pd.DataFrame | None) -> str:
    if old is None or new is None:
        return f"only in the {'new' if old is None else 'old'} lake"
    if compared_columns(table, old) != compared_columns(table, new):
        return f"columns differ: {sorted(set(old.columns) ^ set(new.columns))}"
    old_rows, new_rows = canonical(table, old), canonical(table, new)
    if old_rows == new_rows:
        return "equal"
    first = next((pair for pair in zip(old_rows, new_rows, strict=False) if pair[0] != pair[1]), ("", ""))
    return f"{len(old_rows)} and {len(new_rows)} rows differ, e.g. {first[0][:150]} / {first[1][:150]}"


if __name__ == "__main__":
    sys.exit(main())
