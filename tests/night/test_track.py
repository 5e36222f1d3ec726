"""`pmrs track` on a full night: tracks with and without audio."""

from pathlib import Path

import pytest
from pyspark.sql import functions as F

from jobs.cli.track import print_track
from jobs.context import JobContext, Night
from jobs.errors import LakeError
from jobs.job_config import NoSettings
from jobs.report.track import DEFAULT_PRESET, TrackDetails, no_audio_note, read_details, render, taggram, top_tags
from jobs.sources.config import load_sources
from tests.night.published_night import PublishedNight


def details_of(published: PublishedNight, track: str) -> TrackDetails:
    sources = load_sources(published.settings.sources_file)
    return read_details(
        JobContext(Night(published.date, "track", sources, published.settings, published.spark), "track", NoSettings()), track
    )


def test_details_of_a_track_with_audio(published: PublishedNight, capsys: pytest.CaptureFixture[str]) -> None:
    track = published.truth["unplayed_audio"][0]
    details = details_of(published, track)
    stored = published.table("track_genres").where(F.col("track_id") == track).collect()[0]
    assert (details.genre["genre"], details.genre["source"]) == (stored["genre"], "audio_model")
    assert details.predicted == stored["genre"]
    assert [share for _, share in details.probabilities] == stored["probabilities"]
    assert details.card is not None
    assert details.card["digest"] == stored["model"]
    assert {row["preset"] for row in details.mels} == {DEFAULT_PRESET}, "the genre model takes no clips"
    stored_tags = published.table("track_embeddings").where(F.col("track_id") == track).collect()[0]["tags"]
    assert details.embeddings is not None
    assert top_tags(details)[0][1] == max(stored_tags)
    assert taggram(details).startswith("<svg")
    assert taggram(details) in render(details)
    assert [row["clip"] for row in details.mels] == [*range(len(details.mels))]
    assert details.descriptors is not None
    louder = published.table("track_descriptors").where(F.col("loudness") < details.descriptors["loudness"]).count()
    assert details.quantiles["loudness"] == pytest.approx(louder / published.table("track_descriptors").count())
    assert "synthetic" in render(details)
    print_track(details, Path("page.html"))
    output = capsys.readouterr().out
    assert "the genre model's prediction from its audio" in output
    assert f"Tags of its audio: {top_tags(details)[0][0]}" in output
    assert "Page: page.html" in output


def test_details_of_a_track_without_audio(published: PublishedNight, capsys: pytest.CaptureFixture[str]) -> None:
    without_audio = published.table("tracks").where("NOT has_audio").orderBy("track_id").first()
    assert without_audio is not None
    details = details_of(published, without_audio["track_id"])
    assert no_audio_note(details) == "There is no audio of this track: no spectrogram, no descriptors."
    assert "<svg" not in render(details)
    print_track(details, Path("page.html"))
    assert "There is no audio of this track" in capsys.readouterr().out


def test_unknown_track_raises_with_suggestions(published: PublishedNight) -> None:
    with pytest.raises(LakeError, match=r"'TRnobody' is not in the catalogue of .* `pmrs top"):
        details_of(published, "TRnobody")
    with pytest.raises(LakeError, match=f"did you mean {published.truth['unplayed_audio'][0]}"):
        details_of(published, published.truth["unplayed_audio"][0].lower())
