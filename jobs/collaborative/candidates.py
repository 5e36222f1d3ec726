"""RankedLists over all unheard tracks of the live recommender, exactly: `pmrs run candidates --date D`.

The mathematics is models/; here users are dealt out in blocks against the broadcast model. What a recipe does not read from the
job `collaborative` is fitted here, on the driver.
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

from jobs.collaborative.incremental import build_scored, scored_before, unchanged
from jobs.context import JobContext
from jobs.errors import LakeError
from jobs.lake.deletion_requests import forgotten_pairs
from jobs.lake.partitions import Partitions
from jobs.lake.schemas import table
from jobs.lake.user_items import blocks_of, build_listeners
from jobs.recommenders.memory_estimate import require_lists
from jobs.recommenders.methods import catalogue_of, factors_of
from jobs.recommenders.ranker_config import RANKING, Recipe, live_recipe
from jobs.recommenders.training_data import genre_shares, learn
from jobs.spark import rows_per_batch
from models import exact_index, ivf_index
from models.ials import ALSModel
from models.pmrs_cf import Catalogue, top_lists
from models.protocol import CatalogTooLargeError, Recommender
from models.recommendation_lists import OVERALL as OVERALL_LIST
from models.recommendation_lists import RankedLists, explain_lists, search_lists
from models.torch_device import best_device

OVERALL = "overall"
SCHEMA: pa.Schema = to_arrow_schema(table("candidates").read_schema)


@dataclass(frozen=True)
class Config:
    """How many candidates, and how users are dealt out; what they are scored by is the live recipe's affair."""

    overall: int = 20
    """Candidates of the overall list: as many as are published."""
    per_genre: int = 10
    """Candidates of each genre's list: as many as are published."""
    users_per_task: int = 2_000
    """Fixes which users share a block, so that equal inputs give equal bits on any number of cores."""
    users_per_block: int = 250
    """Users scored at once: 250 x 50,000 tracks are 50 MB of scores, and three such arrays live at a time. Where the best are found
    without all scores, `exact_index.USER_BATCH` go together instead."""
    approximate_from: int = 0
    """Tracks from which a recipe of factors has its overall list searched approximately (models/ivf_index.py), where there are no
    lists of genres; 0: never, because up to 2 million tracks the exact search is the quicker one where lengths are spread as those
    of fitted factors are (docs/performance.md)."""


@dataclass(frozen=True)
class Shelf:
    """The recommender and its catalogue, with names: what every task needs, broadcast once."""

    model: Recommender
    catalogue: Catalogue
    track_ids: tuple[str, ...]
    lists: tuple[str, ...]
    """Genre names; the overall list has none."""
    method: str
    by_taste: bool
    min_rating: float
    """T_R: ratings from here on make the user's taste."""
    index: ivf_index.IVFIndex | None = None
    """The item factors, where they are searched approximately: built once, on the driver."""

    @cached_property
    def ids(self) -> pa.Array:
        """`track_ids`, to be taken from."""
        return pa.array(self.track_ids, pa.string())

    @cached_property
    def _factors(self) -> exact_index.ExactIndex | ivf_index.IVFIndex | None:
        """Item factors as they are searched; None where the score is not theirs alone."""
        if self.index:
            return self.index
        return exact_index.build_index(self.model.factors, best_device()) if isinstance(self.model, ALSModel) else None

    def bytes(self, config: Config) -> int:
        """What it takes in each task: twice the factors where they stand a second time in the order in which they are searched."""
        learned = sum(array.nbytes for array in self.model.tensors().values())
        return learned * (2 if self.searches(config) else 1) + self.catalogue.genre_probabilities.nbytes

    def searches(self, config: Config) -> bool:
        """Whether lists are found without the scores of all tracks: a genre's list, and PMRS's own, want every percentile."""
        return isinstance(self.model, ALSModel) and not config.per_genre and not self.by_taste

    def lists_date(self, asked: csr_array, config: Config) -> RankedLists:
        """The lists of users with ratings `asked` [B, I]."""
        if isinstance(self.model, ALSModel) and self.searches(config) and self._factors:
            return search_lists(self.model, self._factors, asked, config.overall)
        scores = self.model.score(asked)
        return top_lists(scores, asked, self.catalogue, self.min_rating, config.overall, config.per_genre, self.by_taste)


def build_model(ctx: JobContext, recipe: Recipe, history: DataFrame) -> tuple[Recommender, tuple[str, ...]]:
    """The recipe's recommender on the night's history, and its tracks in the order of their ids."""
    if recipe.method.factorised:
        made = ctx.night.lake.manifest("item_factors", ctx.night.date.isoformat())
        if made is not None and made.inputs.get(f"model|{RANKING}", "") != recipe.digest:
            # somebody promoted another model since
            again = f"pmrs run collaborative --date {ctx.night.date}"
            raise LakeError(f"The factors of {ctx.night.date} are of another recipe than the live one; run `{again}`.")
        return factors_of(ctx.read_required("item_factors"), recipe.settings)
    learned = learn(history.where("rating > 0"), None, None, ())
    ctx.night.on_progress(f"fitting {recipe.method.title}", 0, 0)
    try:
        return recipe.method.fit(learned, recipe.settings, 0), learned.tracks
    except CatalogTooLargeError as error:
        raise LakeError(f"The live recipe, {recipe.method.title}, cannot be fitted: {error}. Promote another.") from None


def indexed(shelf: Shelf, config: Config) -> Shelf:
    """The shelf with the index that `Config.approximate_from` asks for, if it does."""
    if not isinstance(shelf.model, ALSModel) or not shelf.searches(config):
        return shelf
    wanted = 0 < config.approximate_from <= len(shelf.track_ids)
    return replace(shelf, index=ivf_index.build_index(shelf.model.factors)) if wanted else shelf


def build_candidates(listeners: DataFrame, shelf: Shelf, config: Config) -> DataFrame:
    """Table `candidates`, scored block by block."""
    everywhere = listeners.sparkSession.sparkContext.broadcast(shelf)
    together = exact_index.USER_BATCH if shelf.searches(config) else config.users_per_block

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch

        torch.set_num_threads(1)  # Spark runs one task per core already
        shelf = everywhere.value
        for user_ids, asked in blocks_of(batches, together, len(shelf.track_ids)):
            yield score_block(user_ids, asked, shelf, config)

    return listeners.mapInArrow(score, table("candidates").read_schema)


def score_block(user_ids: pa.Array, asked: csr_array, shelf: Shelf, config: Config) -> pa.RecordBatch:
    """The candidates of some users, who have rated `asked` [B, I], as rows of table `candidates`."""
    lists = shelf.lists_date(asked, config)
    said = explain_lists(shelf.model, asked, lists)
    # the overall list stands behind the genres, where -1 finds it
    names, tracks = pa.array([*shelf.lists, OVERALL]), shelf.ids
    # as many digits as tell neighbours among the tracks apart; what threads add up differently lies beyond
    digits = max(6, len(str(len(shelf.track_ids))) + 1)
    columns = {
        "user_id": user_ids.take(pa.array(lists.row)),
        "list": names.take(pa.array(np.where(lists.genre == OVERALL_LIST, len(shelf.lists), lists.genre))),
        "track_id": tracks.take(pa.array(lists.item)),
        "method": pa.repeat(shelf.method, lists.row.size),
        "score": pa.array(lists.score.astype(np.float64).round(digits)),
        "percentile": pa.array(lists.percentile.astype(np.float64).round(digits)),
        "genre_share": pa.array(lists.genre_profile.astype(np.float64).round(6)),
        "reason_track_id": tracks.take(pa.array(said, mask=said < 0)),
    }
    return pa.record_batch([columns[field.name].cast(field.type) for field in SCHEMA], SCHEMA)


def run(ctx: JobContext) -> None:
    """Reads the recipe, its factors if it has some, history, listeners, genres and wishes; writes `candidates` and `scored`."""
    config: Config = ctx.config  # type: ignore[assignment]
    recipe, history, everybody = live_recipe(ctx), ctx.read_required("history"), ctx.read_required("eligible_users")
    model, tracks = build_model(ctx, recipe, history)
    if not tracks:
        ctx.write_empty("candidates", "candidate_fingerprints")
        return
    genres, method, least = ctx.genres.genres, recipe.method, recipe.settings.min_rating
    shares = genre_shares(ctx.read_required("track_genres"), genres, tracks)
    shelf = Shelf(model, catalogue_of(shares), tracks, genres, recipe.name, method.by_taste, least)
    together = 0 if shelf.searches(config) else config.users_per_block
    require_lists(shelf.bytes(config), len(tracks), together, "users_per_block under [jobs.candidates] in the sources file")
    shelf = indexed(shelf, config)
    # rated 0: passed over like a track that was only skipped, and without a say in the taste
    barred = forgotten_pairs(everybody, ctx.read("deletions", Partitions.ALL_CONTENT)).withColumn("rating", F.lit(0.0))
    heard = history.select("user_id", "track_id", "rating").unionByName(barred)
    tasks = max(1, -(-everybody.count() // config.users_per_task))
    listeners = build_listeners(heard, tracks, least, tasks).persist(StorageLevel.DISK_ONLY)
    try:
        with rows_per_batch(ctx.spark, exact_index.USER_BATCH):
            _write(ctx, listeners, shelf, config, recipe)
    finally:
        listeners.unpersist()


def _write(ctx: JobContext, listeners: DataFrame, shelf: Shelf, config: Config, recipe: Recipe) -> None:
    scored = ctx.write("candidate_fingerprints", build_scored(listeners))
    # all scores of a block are one product, whose last bits depend on the block: what does not search is scored whole
    before = scored_before(ctx) if shelf.searches(config) and recipe.method.factorised and not ctx.force else None
    if before is None:
        ctx.write("candidates", build_candidates(listeners, shelf, config))
        return
    same = unchanged(scored, before).persist()
    try:
        kept = before.candidates.join(same, "user_id", "left_semi")
        fresh = build_candidates(listeners.join(same, "user_id", "left_anti"), shelf, config)
        ctx.write("candidates", fresh.unionByName(kept))
    finally:
        same.unpersist()
