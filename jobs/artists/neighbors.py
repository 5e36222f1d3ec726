"""Nearest neighbors of tracks or artists, searched by Spark's tasks in the broadcast space of all of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from jobs.artists import words
from jobs.artists.config import ArtistsConfig
from models import exact_index
from models.modality_space import DuplicateGroups, ModalitySpace, group_by_label, nearest_neighbors
from models.types import I64

SCHEMA = (
    "id string, rank int, similar_id string, score double, cos_collaborative double, cos_audio double, cos_genre double, "
    "cos_text double, top_modality string, shared_genre string"
)


@dataclass(frozen=True)
class Entities:
    """N tracks or artists."""

    ids: pa.Array
    """[N]"""
    space: ModalitySpace
    """Space of the modalities `words.MODALITIES`."""
    same: I64
    """[N] labels, equal for duplicates, which are no neighbors of each other."""
    genre: I64
    """[N] index into `genres`; -1: unknown."""
    genres: pa.Array


def build_similar(spark: SparkSession, entities: Entities, config: ArtistsConfig) -> DataFrame:
    """Return `id`, `rank`, `similar_id`, `score`, `cos_...`, `top_modality`, `why`: the nearest of each entity."""
    broadcast, count = spark.sparkContext.broadcast(entities), len(entities.ids)

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        entities = broadcast.value
        index, same = exact_index.build_index(entities.space.vectors), group_by_label(entities.same)
        for batch in filter(len, batches):
            yield nearest_rows(entities, index, same, batch["id"].to_numpy(), config)

    numbers = spark.range(0, count, 1, max(1, -(-count // config.per_task)))
    return (
        numbers.mapInArrow(search, SCHEMA)
        .withColumn("why", words.similar(config.reason_min_cosine))
        .drop("shared_genre")
    )


def nearest_rows(
    entities: Entities, index: exact_index.ExactIndex, same: DuplicateGroups, rows: I64, config: ArtistsConfig
) -> pa.RecordBatch:
    """Return the nearest neighbors of `rows` [B] as rows of `build_similar` without their reasons."""
    best = nearest_neighbors(entities.space, index, same, rows, config.neighbors)
    score = np.clip(best.score, 0, 1).round(6)
    # a similarity of 0 means no similarity, even if the setting is 0
    good = (score >= config.min_similarity) & (score > 0)
    query, neighbor = rows[best.row[good]], best.item[good]
    cosines = entities.space.cosines(query, neighbor).round(6)
    top_modality = np.nan_to_num(cosines * np.array(entities.space.weights), nan=-np.inf).argmax(axis=1)
    alike = (entities.genre[query] == entities.genre[neighbor]) & (entities.genre[query] >= 0)
    columns = [
        entities.ids.take(pa.array(query)),
        pa.array(best.rank[good] + 1, pa.int32()),
        entities.ids.take(pa.array(neighbor)),
        pa.array(score[good]),
        *[pa.array(column, from_pandas=True) for column in cosines.T],
        pa.array(words.MODALITIES).take(pa.array(top_modality)),
        entities.genres.take(pa.array(entities.genre[query], mask=~alike)),
    ]
    return pa.record_batch(columns, [field.split()[0] for field in SCHEMA.split(", ")])
