"""The jobs `pretrained` and `embeddings`: new contents are embedded once, and a night survives a missing or damaged package."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from pyspark.sql import DataFrame

from jobs.audio import mel
from jobs.audio.config import MelConfig
from jobs.cli.models import print_models
from jobs.context import JobContext, Night
from jobs.embeddings import embeddings, pretrained
from jobs.embeddings.config import EmbeddingsConfig
from jobs.job_config import JobConfig, NoSettings
from jobs.lake.partitions import Partitions
from jobs.report.cards import folder_of, write_pages
from jobs.training.pretrained import network_tags, patch_hop
from models import musicnn
from models.musicnn_tags import TAGS
from tests.audio.conftest import Ingested
from tests.audio.hostile import tone, wav


@dataclass
class Run:
    """A night after its jobs."""

    night: Night
    log: list[str]

    def rows(self, name: str, partitions: Partitions = Partitions.DATE) -> dict[str, dict[str, Any]]:
        frame = self.night.lake.read(self.night.spark, name, partitions, self.night.date.isoformat())
        return {row[frame.columns[0]]: row.asDict() for row in frame.collect()}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the warnings of the job `pretrained`, which are added as it logs them."""
    warnings: list[str] = []
    monkeypatch.setattr(pretrained.LOG, "warning", lambda text, **_: warnings.append(text), raising=False)
    return warnings


@pytest.fixture
def run(ingested: Ingested, log: list[str]) -> Callable[..., Run]:
    """Return a function that runs `mel`, `pretrained` and `embeddings` for these files on the night `days` after the first."""

    def run_night(files: dict[str, Path], days: int = 0) -> Run:
        night = ingested(files, days)
        run_job(night, mel, "mel", MelConfig(presets=("musicnn",)))
        register(night)
        embed(night)
        return Run(night, log)

    return run_night


def run_job(night: Night, job: ModuleType, name: str, config: JobConfig) -> None:
    ctx = JobContext(night, name, config)
    job.run(ctx)
    ctx.commit()


def register(night: Night) -> None:
    run_job(night, pretrained, "pretrained", NoSettings())


def embed(night: Night, config: EmbeddingsConfig | None = None) -> None:
    run_job(night, embeddings, "embeddings", config or EmbeddingsConfig())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tones of 12 and 4 s, a tone that is shorter than a patch, and a copy of the first."""
    folder = tmp_path_factory.mktemp("sounds")
    paths = {name: folder / f"{name}.wav" for name in ("long", "short", "tiny", "copy")}
    for name, seconds in (("long", 12.0), ("short", 4.0), ("tiny", 1.0)):
        wav(paths[name], tone(seconds))
    shutil.copy(paths["long"], paths["copy"])
    return paths


def test_tracks_get_the_networks_outputs_for_their_patches(run: Callable[..., Run], files: dict[str, Path]) -> None:
    result = run(files)
    rows = result.rows("track_embeddings")
    assert {track: row["patches"] for track, row in rows.items()} == {"long": 7, "short": 1, "tiny": 1, "copy": 7}
    assert rows["copy"]["embedding"] == rows["long"]["embedding"]
    assert len(result.rows("audio_embeddings", Partitions.CACHE)) == 3, "equal contents are embedded once"
    registered = result.night.models.load("msd_musicnn")
    assert registered is not None
    stored = result.night.lake.read(result.night.spark, "mel", Partitions.CACHE, result.night.date.isoformat())
    clip = stored.where(f"preset = 'musicnn' AND content_hash = '{rows['long']['content_hash']}'").collect()[0]
    frames = torch.from_numpy(np.frombuffer(clip["mel"], np.float16).reshape(-1, 96).astype(np.float32))
    output = musicnn.from_bytes(registered.weights).forward_clip(frames)
    probabilities = torch.sigmoid(output.logits).numpy()
    np.testing.assert_allclose(rows["long"]["embedding"], output.penultimate.mean(0), atol=2e-4)
    np.testing.assert_allclose(rows["long"]["embedding_max"], output.penultimate.amax(0), atol=2e-4)
    np.testing.assert_allclose(rows["long"]["tags"], probabilities.mean(0), atol=1e-4)
    np.testing.assert_allclose(rows["long"]["tags_max"], probabilities.max(0), atol=1e-4)
    np.testing.assert_allclose(np.reshape(rows["long"]["taggram"], (7, 50)), probabilities, atol=1e-4)


def test_tags_and_hop_are_those_of_the_stored_rows(ingested: Ingested, files: dict[str, Path]) -> None:
    night = ingested({"long": files["long"]})
    run_job(night, mel, "mel", MelConfig(presets=("musicnn",)))
    register(night)
    embed(night, EmbeddingsConfig(hop=187))
    ctx = JobContext(night, "track", NoSettings())
    assert patch_hop(ctx) == 187
    assert set(ctx.inputs) == {"track_embeddings|date"}
    assert network_tags(ctx) == TAGS["MSD_musicnn"]


def test_only_new_contents_are_embedded(
    run: Callable[..., Run], files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run({"tiny": files["tiny"]}).rows("track_embeddings")
    embedded: list[int] = []
    build = embeddings.build_embeddings

    def counted(clips: DataFrame, *rest: Any) -> DataFrame:
        embedded.append(clips.count())
        return build(clips, *rest)

    monkeypatch.setattr(embeddings, "build_embeddings", counted)
    second = run({"tiny": files["tiny"], "short": files["short"]}, days=1).rows("track_embeddings")
    assert embedded == [1]
    assert second["tiny"] == first["tiny"]
    assert set(run({"tiny": files["tiny"]}, days=2).rows("track_embeddings")) == {"tiny"}
    assert embedded == [1], "a night without new audio needs no network"


def test_without_the_package_there_are_no_embeddings_until_it_is_installed(
    run: Callable[..., Run], files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pretrained, "package_folder", lambda: None)
        absent = run({"tiny": files["tiny"]})
    assert absent.rows("track_embeddings") == {}
    assert absent.log == [f"The package musicnn is not installed; {pretrained.REMEDY}. Until then tracks have no embeddings."]
    assert network_tags(JobContext(absent.night, "classify", NoSettings())) == ()
    register(absent.night)
    embed(absent.night)
    assert set(absent.rows("track_embeddings")) == {"tiny"}
    assert network_tags(JobContext(absent.night, "classify", NoSettings())) == TAGS["MSD_musicnn"]
    monkeypatch.setattr(pretrained, "package_folder", lambda: None)
    register(absent.night)
    assert absent.log[1:] == [
        f"The package musicnn is not installed; {pretrained.REMEDY}. Until then the registered network is used."
    ]
    embed(absent.night, EmbeddingsConfig(network="none"))
    assert absent.rows("track_embeddings") == {}


@pytest.mark.parametrize(
    ("name", "position", "message"),
    [
        (pretrained.DATA, 2, "the tensor batch_normalization/beta is damaged"),
        (pretrained.INDEX, 300, "the CRC of a block is wrong"),
    ],
)
def test_a_flipped_byte_in_the_package_is_named_and_registers_nothing(
    ingested: Ingested, log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, position: int, message: str
) -> None:
    folder = pretrained.package_folder()
    assert folder is not None
    shutil.copytree(folder / "MSD_musicnn", tmp_path / "MSD_musicnn")
    damaged = bytearray((tmp_path / "MSD_musicnn" / name).read_bytes())
    damaged[position] ^= 1
    (tmp_path / "MSD_musicnn" / name).write_bytes(damaged)
    monkeypatch.setattr(pretrained, "package_folder", lambda: tmp_path)
    night = ingested({})
    register(night)
    assert night.models.digest("msd_musicnn") is None
    assert len(log) == 1
    assert message in log[0]
    assert log[0].endswith(f"{pretrained.REMEDY}. Until then tracks have no embeddings.")


def test_registered_network_is_listed_and_has_a_page(ingested: Ingested, capsys: pytest.CaptureFixture[str]) -> None:
    night = ingested({})
    register(night)
    card = night.models.card("msd_musicnn")
    assert card is not None
    print_models([{**card, "live": True, "state": "live", "page": "cards/one.html"}])
    assert "musicnn" in capsys.readouterr().out
    write_pages(night.settings, night.sources.name, night.models)
    page = next(folder_of(night.settings, night.sources.name).glob("*.html")).read_text()
    assert "Pons and Serra 2019" in page


def test_damaged_registered_weights_are_converted_again(ingested: Ingested) -> None:
    night = ingested({})
    register(night)
    digest = night.models.digest("msd_musicnn")
    path = f"models/msd_musicnn/{digest}/weights.safetensors"
    night.lake.store.write_bytes(path, b"damaged" + night.lake.store.read_bytes(path)[7:])
    register(night)
    assert night.models.digest("msd_musicnn") == digest
    assert night.models.load("msd_musicnn") is not None
