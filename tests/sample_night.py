"""Check the published night of the full sample against its truth: `python tests/sample_night.py` after `make nightly`.

Prints the genre model's accuracy on held-out sample tracks and the precision of the lists on the planted taste groups, with
the required values, and exits with 1 if one is missed. The data is synthetic.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from pymongo import MongoClient

ROOT = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("PMRS_VAR", ROOT / "var"))


def cnn_accuracy(store: Any, truth: dict[str, Any]) -> float:
    """Return the share of the held-out tracks (no label in genres.cls) whose published genre is the planted one."""
    held_out = truth["held_out_audio"]
    published = {d["track_id"]: d["genre"] for d in store.classified_music.find({"track_id": {"$in": list(held_out)}})}
    return float(sum(published.get(track) == genre for track, genre in held_out.items())) / len(held_out)


def group_precision(store: Any, truth: dict[str, Any]) -> tuple[float, float]:
    """Return the mean share of planted group tracks in the first ten ranks: of our lists, and of the ten most played tracks."""
    ours, popular = [], []
    lists = {d["user_id"]: [item["track_id"] for item in d["items"][:10]] for d in store.recommendations.find({"list": "overall"})}
    hits = popular_tracks()
    for group in truth["groups"].values():
        relevant = set(group["tracks"])
        for user in set(group["users"]) & set(lists):
            ours.append(len(relevant & set(lists[user])) / 10)
            popular.append(len(relevant & set(hits[:10])) / 10)
    return sum(ours) / len(ours), sum(popular) / len(popular)


def unplayed_share(store: Any, truth: dict[str, Any]) -> float:
    """Return the share of the overall lists that end with a cold-start track without plays, with that reason."""
    unplayed = set(truth["unplayed_audio"])
    last = [one["items"][-1] for one in store.recommendations.find({"list": "overall"}, {"items": 1})]
    good = [one["track_id"] in unplayed and one["tier"] == "cold_start" and "sounds like" in one["why"].lower() for one in last]
    return float(sum(good)) / len(good)


def popular_tracks() -> list[str]:
    """Return the tracks of the night's history by number of users, largest first."""
    import pyarrow.parquet as pq

    table = VAR / "lake" / "sample" / "history"
    manifest = json.loads((sorted(table.glob("dt=*"))[-1] / "_manifest.json").read_text())
    tracks = pq.read_table(table / manifest["folder"], columns=["track_id"], partitioning=None)["track_id"].value_counts()
    counted = [(-row["counts"], row["values"]) for row in tracks.to_pylist()]
    return [track for _, track in sorted(counted)]


def main() -> int:
    """Measure, print and check."""
    truth = json.loads((VAR / "sample" / "truth.json").read_text())
    uri = (VAR / "mongo" / "analyst.uri").read_text().strip()
    client: MongoClient[dict[str, Any]] = MongoClient(uri)
    with client:
        store = client["pmrs_sample"]
        accuracy, (ours, popular) = cnn_accuracy(store, truth), group_precision(store, truth)
        unplayed = unplayed_share(store, truth)
        gone = store.recommendations.count_documents({"user_id": {"$in": truth["deleted_users"]}})
    print(f"synthetic sample: genre model on {len(truth['held_out_audio'])} held-out tracks {accuracy:.1%} (required: above 70 %)")
    print(f"synthetic sample: precision@10 on planted groups {ours:.3f}, popularity list {popular:.3f} (required: 3 times)")
    print(f"synthetic sample: lists that end with a track without plays: {unplayed:.1%} (required: above 90 %)")
    print(f"synthetic sample: lists of erased users: {gone} (required: 0)")
    return 0 if accuracy > 0.7 and ours >= 3 * popular and unplayed > 0.9 and gone == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
