"""What `pmrs track` reads of a whole night: tracks that are heard, and tracks that have no sound."""

from pathlib import Path

import pytest
from pyspark.sql import functions as F

from jobs.cli.track import print_track
from jobs.context import JobContext, Night
from jobs.errors import LakeError
from jobs.report.track import Config, Known, known, render, without_sound
from jobs.sources.config import load_sources
from tests.night.house import World


def looked_up(world: World, track: str) -> Known:
    sources = load_sources(world.settings.sources_file)
    return known(JobContext(Night(world.date, "track", sources, world.settings, world.spark), "track", Config()), track)


def test_a_track_that_was_heard_has_its_genre_its_clips_and_its_place_among_others(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    track = world.truth["unplayed_audio"][0]
    found = looked_up(world, track)
    stored = world.table("track_genres").where(F.col("track_id") == track).collect()[0]
    assert (found.genre["genre"], found.genre["source"]) == (stored["genre"], "audio_model")
    assert found.heard == stored["genre"]
    assert [share for _, share in found.probabilities] == stored["probabilities"]
    assert found.card is not None
    assert found.card["digest"] == stored["model"]
    assert {row["preset"] for row in found.pictures} == {found.card["preset"]}
    assert [row["clip"] for row in found.pictures] == [*range(len(found.pictures))]
    assert found.described is not None
    louder = world.table("track_descriptors").where(F.col("loudness") < found.described["loudness"]).count()
    assert found.among["loudness"] == pytest.approx(louder / world.table("track_descriptors").count())
    assert "synthetic" in render(found)
    print_track(found, Path("page.html"))
    told = capsys.readouterr().out
    assert "what the genre model hears in its audio" in told
    assert "Page: page.html" in told


def test_a_track_without_audio_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    silent = world.table("tracks").where("NOT has_audio").orderBy("track_id").first()
    assert silent is not None
    found = looked_up(world, silent["track_id"])
    assert without_sound(found) == "No audio of this track is known: no picture, no descriptors."
    assert "<svg" not in render(found)
    print_track(found, Path("page.html"))
    assert "No audio of this track is known" in capsys.readouterr().out


def test_an_unknown_track_is_named_with_what_to_do(world: World) -> None:
    with pytest.raises(LakeError, match=r"'TRnobody' is not in the catalogue of .* `pmrs top"):
        looked_up(world, "TRnobody")
    with pytest.raises(LakeError, match=f"did you mean {world.truth['unplayed_audio'][0]}"):
        looked_up(world, world.truth["unplayed_audio"][0].lower())
