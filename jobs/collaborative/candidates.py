"""Exact top-N candidates of the live ranker among all unseen tracks: `pmrs run candidates --date D`.

The mathematics is in models/. This job scores users in blocks with the broadcast model. It fits rankers for which the
job `collaborative` computes no factors, on the driver.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from scipy.sparse import csr_array

from jobs.collaborative.config import CandidatesConfig
from jobs.collaborative.incremental import build_fingerprints, previous_candidates, unchanged_users
from jobs.context import JobContext
from jobs.errors import LakeError
from jobs.lake.deletion_requests import erased_pairs
from jobs.lake.inputs import model_input
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.lake.user_items import build_user_items, user_blocks
from jobs.recommenders.memory_estimate import require_lists
from jobs.recommenders.methods import catalogue_of, factors_of
from jobs.recommenders.ranker_config import RANKING, RankerConfig, live_ranker
from jobs.recommenders.training_data import collect_training_data, genre_shares
from jobs.spark import rows_per_batch
from models import exact_index, ivf_index
from models.ials import ALSModel
from models.pmrs_cf import Catalogue, top_lists
from models.protocol import CatalogTooLargeError, Recommender
from models.queries import Queries
from models.recommendation_lists import OVERALL as OVERALL_LIST
from models.recommendation_lists import RankedLists, explain_lists, search_lists
from models.torch_device import best_device

OVERALL = "overall"
SCHEMA: pa.Schema = to_arrow_schema(table("candidates").read_schema)


@dataclass(frozen=True)
class ServingModel:
    """The fitted recommender and its catalogue, broadcast once to every task."""

    model: Recommender
    catalogue: Catalogue
    track_ids: tuple[str, ...]
    lists: tuple[str, ...]
    """Genre names, without the overall list."""
    method: str
    uses_genre_profile: bool
    min_rating: float
    """T_R: threshold of the ratings that form the genre profile."""
    n_overall: int
    """Candidates for the overall list: as many as are published."""
    n_per_genre: int
    """Candidates for each genre's list: as many as are published."""
    index: ivf_index.IVFIndex | None = None
    """Index for approximate search, built once on the driver; None: exact search."""

    @cached_property
    def ids(self) -> pa.Array:
        """The track ids as an Arrow array."""
        return pa.array(self.track_ids, pa.string())

    @cached_property
    def _factors(self) -> exact_index.ExactIndex | ivf_index.IVFIndex | None:
        """Index over the item factors; None if the score is not their inner product alone."""
        if self.index:
            return self.index
        return exact_index.build_index(self.model.factors, best_device()) if isinstance(self.model, ALSModel) else None

    @property
    def n_bytes(self) -> int:
        """Size of the bundle in each task; an index holds the factors a second time."""
        tensor_bytes = sum(array.nbytes for array in self.model.tensors().values())
        return tensor_bytes * (2 if self.searches else 1) + self.catalogue.genre_probabilities.nbytes

    @property
    def searches(self) -> bool:
        """Whether the search needs no full scores. Genre lists and PMRS's ranker need every percentile."""
        return isinstance(self.model, ALSModel) and not self.n_per_genre and not self.uses_genre_profile

    def top_lists(self, user_items: csr_array) -> RankedLists:
        """Return the lists of users with ratings `user_items` [B, I]."""
        if isinstance(self.model, ALSModel) and self.searches and self._factors:
            return search_lists(self.model, self._factors, user_items, self.n_overall)
        scores = self.model.score(Queries(user_items))
        sizes = (self.n_overall, self.n_per_genre)
        return top_lists(scores, user_items, self.catalogue, self.min_rating, *sizes, self.uses_genre_profile)


def build_model(ctx: JobContext, ranker: RankerConfig, history: DataFrame) -> tuple[Recommender, tuple[str, ...]]:
    """Return the ranker fitted on the night's history, and its tracks in the order of their ids."""
    if ranker.method.factorize:
        manifest = ctx.night.lake.manifest("item_factors", ctx.night.date.isoformat())
        if manifest is not None and (manifest.input(model_input(RANKING)) or "") != ranker.digest:
            # another model was promoted in the meantime
            command = f"pmrs run collaborative --date {ctx.night.date}"
            raise LakeError(f"The factors of {ctx.night.date} were fitted by another ranker than the live one; run `{command}`.")
        return factors_of(ctx.read_required("item_factors"), ranker.settings)
    training = collect_training_data(history.where("rating > 0"), None, None, ())
    ctx.night.on_progress(f"fitting {ranker.method.title}", 0, 0)
    try:
        return ranker.method.fit(training, ranker.settings, 0), training.tracks
    except CatalogTooLargeError as error:
        raise LakeError(f"The live ranker, {ranker.method.title}, cannot be fitted: {error}. Promote another.") from None


def with_index(model_bundle: ServingModel, config: CandidatesConfig) -> ServingModel:
    """Return the bundle with an index for approximate search, if `CandidatesConfig.approximate_from` requires one."""
    if not isinstance(model_bundle.model, ALSModel) or not model_bundle.searches:
        return model_bundle
    approximate = 0 < config.approximate_from <= len(model_bundle.track_ids)
    return replace(model_bundle, index=ivf_index.build_index(model_bundle.model.factors)) if approximate else model_bundle


def build_candidates(user_items: DataFrame, model_bundle: ServingModel, config: CandidatesConfig) -> DataFrame:
    """Return table `candidates` for rows of `build_user_items`, scored block by block."""
    broadcast = user_items.sparkSession.sparkContext.broadcast(model_bundle)
    block_size = exact_index.USER_BATCH if model_bundle.searches else config.users_per_block

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        model_bundle = broadcast.value
        for user_ids, block in user_blocks(batches, block_size, len(model_bundle.track_ids)):
            yield score_block(user_ids, block, model_bundle)

    return user_items.mapInArrow(score, table("candidates").read_schema)


def score_block(user_ids: pa.Array, user_items: csr_array, model_bundle: ServingModel) -> pa.RecordBatch:
    """Return the candidates of users with ratings `user_items` [B, I] as rows of table `candidates`."""
    lists = model_bundle.top_lists(user_items)
    reasons = explain_lists(model_bundle.model, user_items, lists)
    # index -1, the overall list, takes the last name
    names, tracks = pa.array([*model_bundle.lists, OVERALL]), model_bundle.ids
    # enough digits to separate neighbors among the tracks, too few to show differences of summation order
    digits = max(6, len(str(len(model_bundle.track_ids))) + 1)
    columns = {
        "user_id": user_ids.take(pa.array(lists.row)),
        "list": names.take(pa.array(np.where(lists.genre == OVERALL_LIST, len(model_bundle.lists), lists.genre))),
        "track_id": tracks.take(pa.array(lists.item)),
        "method": pa.repeat(model_bundle.method, lists.row.size),
        "score": pa.array(lists.score.astype(np.float64).round(digits)),
        "percentile": pa.array(lists.percentile.astype(np.float64).round(digits)),
        "genre_share": pa.array(lists.genre_profile.astype(np.float64).round(6)),
        "reason_track_id": tracks.take(pa.array(reasons, mask=reasons < 0)),
    }
    return pa.record_batch([columns[field.name].cast(field.type) for field in SCHEMA], SCHEMA)


def run(ctx: JobContext) -> None:
    """Read ranker, factors, history, users, genres and deletion requests; write candidates and their fingerprints."""
    config: CandidatesConfig = ctx.config  # type: ignore[assignment]
    ranker, history, users = live_ranker(ctx), ctx.read_required("history"), ctx.read_required("eligible_users")
    model, tracks = build_model(ctx, ranker, history)
    if not tracks:
        ctx.write_empty("candidates", "candidate_fingerprints")
        return
    genres, method, min_rating = ctx.genres.genres, ranker.method, ranker.settings.min_rating
    shares = genre_shares(ctx.read_required("track_genres"), genres, tracks)
    uses_profile, lengths = method.uses_genre_profile, ctx.config_of("rank")
    sizes = (lengths.overall, lengths.per_genre)
    model_bundle = ServingModel(model, catalogue_of(shares), tracks, genres, ranker.name, uses_profile, min_rating, *sizes)
    users_at_once = 0 if model_bundle.searches else config.users_per_block
    setting = "users_per_block under [jobs.candidates] in the sources file"
    require_lists(model_bundle.n_bytes, len(tracks), users_at_once, setting)
    model_bundle = with_index(model_bundle, config)
    # rating 0: excluded like a skipped track, and not part of the genre profile
    excluded = erased_pairs(users, ctx.read("deletions", Partitions.ALL_CONTENT)).withColumn("rating", F.lit(0.0))
    rated = history.select("user_id", "track_id", "rating").unionByName(excluded)
    tasks = max(1, -(-ctx.rows_of("eligible_users") // config.users_per_task))
    user_items = build_user_items(rated, tracks, min_rating, tasks).persist(StorageLevel.DISK_ONLY)
    try:
        with rows_per_batch(ctx.spark, exact_index.USER_BATCH):
            _write(ctx, user_items, model_bundle, config, ranker)
    finally:
        user_items.unpersist()


def _write(
    ctx: JobContext, user_items: DataFrame, model_bundle: ServingModel, config: CandidatesConfig, ranker: RankerConfig
) -> None:
    fingerprints = ctx.write("candidate_fingerprints", build_fingerprints(user_items))
    # full scores of a block are one matrix product, whose last bits depend on the block: such lists are never reused
    previous = previous_candidates(ctx) if model_bundle.searches and ranker.method.factorize and not ctx.force else None
    if previous is None:
        ctx.write("candidates", build_candidates(user_items, model_bundle, config))
        return
    same = unchanged_users(fingerprints, previous).persist()
    try:
        reused = previous.candidates.join(same, "user_id", "left_semi")
        computed = build_candidates(user_items.join(same, "user_id", "left_anti"), model_bundle, config)
        ctx.write("candidates", computed.unionByName(reused))
    finally:
        same.unpersist()
