"""Tags, genres from tags, and likeness of the 60 GTZAN clips: `PMRS_REAL_DATA=DIR python -m bench.gtzan_tags`.

The clips have six tracks of each of ten genres. Their labels judge the figures; nothing is fitted. Figures:

- base rate of each tag that names a genre or style: its mean probability, and the one stored in models/musicnn_tags.py
- genres by `[tags.gtzan10]` of jobs/genres.toml: clips of a genre with a tag that are right, others that stay unknown
- share of the five nearest other clips that have the clip's genre, by descriptors, embeddings, and both
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from bench.harness import WORK
from jobs.audio.config import DescriptorsConfig, MelConfig
from jobs.audio.descriptors import describe_file
from jobs.audio.mel_clips import extract_clips
from jobs.embeddings.clip_embedding import embed_clip
from jobs.embeddings.config import EmbeddingsConfig
from jobs.embeddings.pretrained import package_folder, read_checkpoint
from jobs.genre.classify import build_tag_genres
from jobs.genres import genre_set
from jobs.lake.adapters.audio_features import COLUMNS
from jobs.lake.adapters.descriptors import matrix
from jobs.lake.adapters.mels import to_mel
from jobs.settings import Settings
from jobs.spark import session
from jobs.training.audio_features import FEATURE_SETS
from models import musicnn, tensorflow_checkpoint
from models.content_factors import to_unit
from models.mel_presets import PRESETS
from models.musicnn_tags import BASE_RATES, TAGS
from models.types import F64

NETWORK: Final = "MSD_musicnn"
GENRES, NEIGHBORS = genre_set("gtzan10"), 5


def read_clips(folder: Path) -> pa.Table:
    """Return `track_id`, `genre` (label), all descriptors, and the network's outputs of every clip, as the jobs compute them."""
    checkpoint = read_checkpoint(package_folder(), NETWORK)
    network = musicnn.from_tensors(tensorflow_checkpoint.read_checkpoint(checkpoint.index, checkpoint.data))
    rows = []
    for path in sorted(folder.glob("*.wav")):
        file = {"path": str(path), "content_hash": sha256(path.read_bytes()).hexdigest()}
        (clip,) = extract_clips(file, MelConfig(presets=("musicnn",)))[1]
        outputs = embed_clip(to_mel(clip["mel"], PRESETS["musicnn"].n_mels), network, EmbeddingsConfig())
        (descriptors,) = describe_file(file, DescriptorsConfig())[1]
        rows.append({"track_id": path.stem, "genre": GENRES.labels[path.name.split(".")[0]], **descriptors, **outputs})
    return pa.Table.from_pylist(rows)


def print_base_rates(clips: pa.Table) -> None:
    """Print the mean probability of the tags of the genre set's map, and the stored base rate."""
    means = np.array(clips["tags"].to_pylist()).mean(0)
    for tag in (*GENRES.tags, *GENRES.other_styles):
        print(f"{tag:<18} {means[TAGS[NETWORK].index(tag)]:.4f} (stored: {BASE_RATES[tag]:.4f}) {GENRES.tags.get(tag, '-')}")


def print_genres(clips: pa.Table) -> None:
    """Print how many clips get their genre from their tags, and how many of the others stay unknown."""
    spark = session("bench", Settings(var=WORK, master="local[1]"))
    embeddings = spark.createDataFrame(clips.select(["track_id", "tags"]))
    tagged = build_tag_genres(embeddings, TAGS[NETWORK], GENRES).collect()
    probabilities: dict[str, Any] = {row["track_id"]: row["audio_tags"] for row in tagged}
    label_of = dict(zip(clips["track_id"].to_pylist(), clips["genre"].to_pylist(), strict=True))
    named = {track: GENRES.genres[int(np.argmax(values))] for track, values in probabilities.items()}
    with_tag = [track for track, genre in label_of.items() if genre in GENRES.tags.values()]
    without_tag = [track for track in label_of if track not in with_tag]
    right = [track for track, genre in named.items() if genre == label_of[track]]
    unknown = sum(track not in named for track in without_tag)
    print(f"clips of a genre with a tag: {len(set(with_tag) & set(right))} of {len(with_tag)} are right")
    print(f"clips of other genres: {unknown} of {len(without_tag)} are unknown")
    mean = np.mean([max(values) for values in probabilities.values()])
    print(f"named genres: mean probability {mean:.2f}, share right {len(right) / len(named):.2f}")


def nearest_share(features: F64, labels: np.ndarray) -> float:
    """Return the share of each clip's nearest others, by cosine of standardized features [N, D], that have its genre."""
    units = to_unit((features - features.mean(0)) / features.std(0))
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBORS]
    return float((labels[nearest] == labels[:, None]).mean())


def main() -> None:
    """Print the figures."""
    clips = read_clips(Path(os.environ["PMRS_REAL_DATA"]) / "gtzan60")
    print_base_rates(clips)
    print_genres(clips)
    for features in reversed(FEATURE_SETS):
        share = nearest_share(matrix(clips, COLUMNS[features]), np.array(clips["genre"].to_pylist()))
        print(f"the {NEIGHBORS} nearest by {features}: {share:.2f} have the clip's genre")


if __name__ == "__main__":
    main()
