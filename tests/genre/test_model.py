"""Which model a night trains and uses, the validation metrics of its card, and changes of the setting."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from jobs.context import JobContext, Night
from jobs.embeddings.config import EmbeddingsConfig
from jobs.errors import SourceError
from jobs.genre import score, train
from jobs.genre.config import GenreTrainConfig
from jobs.genre.model import model_name, validation_metrics
from jobs.lake.adapters.descriptors import NAMES, matrix
from jobs.lake.inputs import model_input
from jobs.lake.schemas import table
from jobs.registry import jobs_named
from jobs.runner import reusable
from jobs.settings import Settings
from jobs.sources.config import load_sources
from models import genre_logreg
from models.genre_logreg import GenreLogRegConfig
from tests.audio.conftest import DAY

LENGTHS = {"mfcc": 20, "mfcc_std": 20, "mfcc_delta_std": 20, "chroma": 12, "chroma_std": 12, "contrast": 7, "contrast_std": 7}
GENRES = ("Rock", "Trance")
TRACKS = 24
Described = Callable[..., Night]


def test_confusion_matrix_counts_validation_tracks() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0], [0.5, 0.1, 0.4]])
    metrics = validation_metrics(["a", "b", "c", "d"], np.eye(3)[[0, 1, 1, 2]], probabilities)
    assert metrics["val_confusion"] == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert metrics["val_accuracy"] == 0.5
    assert metrics["val_log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.4]).mean())
    assert validation_metrics([], np.empty((0, 3)), np.empty((0, 3))) == {"labels": "one", "val_tracks": []}


def test_multilabel_prediction_of_any_true_genre_is_correct() -> None:
    probabilities = np.array([[0.9, 0.8, 0.1], [0.2, 0.3, 0.7]])
    metrics = validation_metrics(["a", "b"], np.array([[0, 1, 0], [1, 0, 1]]), probabilities, multilabel=True)
    assert metrics["val_confusion"] == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert metrics["val_log_loss"] == pytest.approx(-np.log([0.1, 0.8, 0.9, 0.2, 0.7, 0.7]).mean())


@pytest.fixture
def make_night(spark: SparkSession, settings: Settings, tmp_path: Path) -> Described:
    """Return a function that builds the night `days` after DAY; the `audible` features separate the labels.

    Tracks n >= TRACKS have no label; t0 and twin have the same content.
    """

    def night(
        toml: str, tracks: int = TRACKS, days: int = 0, also: dict[str, list[str]] | None = None,
        audible: str = "descriptors", network: bytes = b"one",
    ) -> Night:  # fmt: skip
        file = tmp_path / "sources.toml"
        file.write_text(f'name = "said"\ngenres = "pmrs7"\n[[source]]\nformat = "app_log"\npath = "/logs"\n{toml}')
        one = Night(DAY + dt.timedelta(days), "r", load_sources(file), settings, spark)
        ctx = JobContext(one, "descriptors", GenreTrainConfig())
        rng = np.random.default_rng(3)
        shift = audible == "descriptors"
        numbers = [rng.normal(n % 2 if shift else 0, 0.3, 200).tolist() for n in range(tracks)]
        names = [*((f"t{n}", n) for n in range(tracks)), ("twin", 0)]
        labels = [(name, GENRES[n % 2] if n < TRACKS and name != "twin" else None) for name, n in names]
        rows = [sounding(name, n, numbers[n]) for name, n in names]
        schema = table("track_descriptors").read_schema
        ctx.write("track_descriptors", spark.createDataFrame([[row[field.name] for field in schema] for row in rows], schema))
        if audible == "embeddings":
            columns = table("track_embeddings").read_schema
            vectors = [rng.normal(n % 2, 0.3, 5).tolist() for n in range(tracks)]
            values = [
                {"track_id": name, "content_hash": f"c{n}", "producer_version": "e", "patches": 1,
                 **dict.fromkeys(("embedding", "embedding_max", "tags", "tags_max", "taggram"), vectors[n])}
                for name, n in names
            ]  # fmt: skip
            ctx.record(model_input("msd_musicnn"), one.models.register("msd_musicnn", network, {"tags": []}))
            ctx.config = EmbeddingsConfig()
            ctx.write(
                "track_embeddings", spark.createDataFrame([[row[field.name] for field in columns] for row in values], columns)
            )
        shape = table("tracks").read_schema
        rows_of_tracks: list[dict[str, Any]] = [
            {"track_id": name, "has_audio": True, "label_genre": one, "label_genres": (also or {}).get(name), "origin": "audio"}
            for name, one in labels
        ]
        ctx.write("tracks", spark.createDataFrame([[row.get(field.name) for field in shape] for row in rows_of_tracks], shape))
        ctx.commit()
        return one

    return night


def sounding(track: str, content: int, numbers: list[float]) -> dict[str, Any]:
    """Return a row of `track_descriptors` with numbers of its content."""
    row: dict[str, Any] = {"track_id": track, "content_hash": f"c{content}", "producer_version": "m"}
    left = iter(numbers)
    for name in NAMES:
        row[name] = [next(left) for _ in range(LENGTHS[name])] if name in LENGTHS else next(left)
    return row


def run_job(night: Night, job: Any, name: str) -> JobContext:
    ctx = JobContext(night, name, night.config_of(name))
    job.run(ctx)
    ctx.commit()
    return ctx


HEAD = '[jobs.genre_train]\nmodel = "logreg"\n'


def test_logreg_is_trained_and_scored_if_the_sources_file_selects_it(make_night: Described) -> None:
    night = make_night(HEAD)
    run_job(night, train, "genre_train")
    card = night.models.card("logreg-pmrs7-auto")
    assert card is not None
    assert card["genres"] == [*GENRES]
    assert len(card["val_tracks"]) == sum(map(sum, card["val_confusion"])) == 4, "0.15 of 12 tracks of each genre"
    assert card["val_accuracy"] == 1.0
    assert "temperature" in card["calibration"]
    ctx = run_job(night, score, "genre_score")
    rows = {row["track_id"]: row for row in ctx.read("genre_scores").collect()}
    assert len(rows) == TRACKS + 1
    assert rows["twin"]["probabilities"] == rows["t0"]["probabilities"]
    assert {row["model"] for row in rows.values()} == {card["digest"]}
    registered = night.models.load("logreg-pmrs7-auto")
    assert registered is not None
    model = genre_logreg.from_bytes(GenreLogRegConfig(**card["logreg"]), registered.weights)
    expected = model.predict(matrix(ctx.read("track_descriptors").where("track_id = 't3'").toArrow()))[0]
    positions = [night.genres.genres.index(genre) for genre in GENRES]
    np.testing.assert_allclose(np.array(rows["t3"]["probabilities"])[positions], expected, atol=1e-4)
    assert sum(rows["t3"]["probabilities"]) == pytest.approx(1, abs=1e-3)


def test_features_are_chosen_by_cross_validation(make_night: Described) -> None:
    night = make_night("", audible="embeddings")
    ctx = run_job(night, train, "genre_train")
    assert "track_embeddings|date" in ctx.inputs
    card = night.models.card("logreg-pmrs7-auto")
    assert card is not None
    assert card["features"] == "embeddings", "descriptors are noise here"
    assert card["val_accuracy"] == 1.0
    scores = run_job(night, score, "genre_score").read("genre_scores").collect()
    rock = night.genres.genres.index("Rock")
    assert {row["track_id"]: row["probabilities"][rock] > 0.5 for row in scores} == {
        **{f"t{n}": n % 2 == 0 for n in range(TRACKS)}, "twin": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("features", "tables"),
    [
        ("descriptors", {"track_descriptors"}), ("embeddings", {"track_embeddings"}),
        ("auto", {"track_descriptors", "track_embeddings"}),
    ],
)  # fmt: skip
def test_only_the_tables_of_the_chosen_features_are_inputs(make_night: Described, features: str, tables: set[str]) -> None:
    night = make_night(f'[jobs.genre_train]\nfeatures = "{features}"\n', audible="embeddings")
    ctx = run_job(night, train, "genre_train")
    inputs = {label.removesuffix("|date") for label in ctx.inputs}
    assert inputs & {"track_descriptors", "track_embeddings"} == tables
    card = night.models.card(f"logreg-pmrs7-{features}")
    assert card is not None
    assert bool(card["embeddings"]) == ("track_embeddings" in tables)


def test_night_that_cannot_use_the_model_is_scored_again_once_its_embeddings_change(make_night: Described) -> None:
    run_job(make_night("", audible="embeddings"), train, "genre_train")
    other = make_night("", audible="embeddings", days=1, network=b"other")
    ctx = run_job(other, score, "genre_score")
    assert not ctx.rows_of("genre_scores")
    assert "track_embeddings|date" in ctx.inputs


def test_model_is_trained_again_for_embeddings_of_another_network(make_night: Described) -> None:
    first = make_night("", audible="embeddings")
    run_job(first, train, "genre_train")
    before = first.models.card("logreg-pmrs7-auto")
    run_job(first, train, "genre_train")
    assert first.models.card("logreg-pmrs7-auto") == before, "the same embeddings"
    other = make_night("", audible="embeddings", days=1, network=b"other")
    assert not run_job(other, score, "genre_score").rows_of("genre_scores"), "a model on other embeddings is not used"
    run_job(other, train, "genre_train")
    after = other.models.card("logreg-pmrs7-auto")
    assert before is not None
    assert after is not None
    assert before["embeddings"] != after["embeddings"]
    assert run_job(other, score, "genre_score").rows_of("genre_scores") == TRACKS + 1
    without = make_night("", days=2)
    run_job(without, train, "genre_train")
    card = without.models.card("logreg-pmrs7-auto")
    assert card is not None
    assert (card["features"], card["embeddings"]) == ("descriptors", "")
    assert run_job(without, score, "genre_score").rows_of("genre_scores") == TRACKS + 1


def test_features_that_no_track_has_are_replaced_by_descriptors(make_night: Described) -> None:
    night = make_night('[jobs.genre_train]\nfeatures = "embeddings"\n')
    run_job(night, train, "genre_train")
    card = night.models.card("logreg-pmrs7-embeddings")
    assert card is not None
    assert card["features"] == "descriptors"


def test_tracks_of_several_genres_train_a_multilabel_logreg(make_night: Described) -> None:
    night = make_night(HEAD, also={f"t{n}": [*GENRES] for n in range(0, TRACKS, 4)})
    run_job(night, train, "genre_train")
    card = night.models.card("logreg-pmrs7-auto")
    assert card is not None
    assert (card["labels"], card["logreg"]["multi_label"]) == ("several", True)
    ctx = run_job(night, score, "genre_score")
    rows = {row["track_id"]: row["probabilities"] for row in ctx.read("genre_scores").collect()}
    rock, trance = (night.genres.genres.index(genre) for genre in GENRES)
    # every other Rock track is Trance as well, and nothing in the sound tells which
    rocks = [rows[f"t{n}"] for n in range(0, TRACKS, 2)]
    assert min(row[rock] for row in rocks) > 0.9
    assert 0.3 < float(np.mean([row[trance] for row in rocks])) < 0.7
    assert rows["t1"][trance] > 0.9
    assert rows["t1"][rock] < 0.1


def test_logreg_scores_only_new_contents(make_night: Described) -> None:
    night = make_night(HEAD)
    run_job(night, train, "genre_train")
    run_job(night, score, "genre_score")
    ctx = run_job(make_night(HEAD, TRACKS + 2, days=1), score, "genre_score")
    written = {manifest.table: manifest.rows for manifest in ctx.pending}
    assert written == {"audio_scores": 2, "genre_scores": TRACKS + 3}


def test_scores_are_not_reused_after_the_model_setting_changed(make_night: Described) -> None:
    night = make_night(HEAD)
    run_job(night, train, "genre_train")
    (job,) = jobs_named("genre_score")
    assert reusable(night, run_job(night, score, "genre_score"), job)
    other = make_night('[jobs.genre_train]\nmodel = "genre_cnn"\n')
    ctx = JobContext(other, "genre_score", other.config_of("genre_score"))
    assert not reusable(other, ctx, job), "the network, which nobody has trained"


def test_unknown_model_raises_an_error_with_the_existing_ones(make_night: Described) -> None:
    with pytest.raises(SourceError, match=r"'oracle'.*genre_cnn, short_chunk, logreg"):
        make_night('[jobs.genre_train]\nmodel = "oracle"\n')


@pytest.mark.parametrize("setting", ["workers = -1", 'workers = 2\nmodel = "logreg"'])
def test_invalid_worker_counts_are_refused(make_night: Described, setting: str) -> None:
    with pytest.raises(SourceError, match="workers"):
        make_night(f"[jobs.genre_train]\n{setting}\n")


def test_registry_name_contains_model_genre_set_and_preset() -> None:
    assert model_name("pmrs7", GenreTrainConfig(model="genre_cnn")) == "genre_cnn-pmrs7-pmrs-4s"
    assert model_name("pmrs7", GenreTrainConfig(model="logreg", features="both")) == "logreg-pmrs7-both"
