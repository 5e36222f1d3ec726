"""Labels of inputs: bytes of existing manifests, and their inverse."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.lake.inputs import (
    BACKFILL,
    DATE,
    DELETIONS,
    GENRES,
    NAMED,
    OPTIONS,
    READER,
    STAT,
    UNNAMED,
    Input,
    InputKind,
    config_input,
    file_input,
    model_input,
    table_input,
)  # fmt: skip
from jobs.lake.partitions import Partitions

NAMES = st.text(st.sampled_from("|/ab.é") | st.characters(codec="utf-8"), max_size=20)


@pytest.mark.parametrize(
    ("item", "label"),
    [
        (table_input("events", Partitions.UP_TO), "events|up_to"),
        (table_input("deletions", Partitions.ALL_CONTENT), "deletions|all_content"),
        (table_input("quarantine/mel", Partitions.DATE), "quarantine/mel|date"),
        (model_input("genre_cnn-pmrs7"), "model|genre_cnn-pmrs7"),
        (config_input("rank"), "config|rank"),
        (file_input("/logs/a|b.gz"), "file|/logs/a|b.gz"),
        (file_input("/logs/x|date"), "file|/logs/x|date"),
        (DATE, "date"),
        (GENRES, "genres|"),
        (BACKFILL, "backfill|"),
        (OPTIONS, "options|"),
        (STAT, "stat|"),
        (READER, "reader|"),
        (DELETIONS, "deletions|"),
    ],
)
def test_labels_are_those_of_existing_manifests(item: Input, label: str) -> None:
    assert item.label() == label
    assert Input.parse(label) == item


@given(st.sampled_from(InputKind), NAMES, st.sampled_from(Partitions))
def test_parse_inverts_label_for_every_kind_and_name(kind: InputKind, name: str, partitions: Partitions) -> None:
    is_table = kind == InputKind.TABLE
    assume(not is_table or name.partition("|")[0] not in NAMED)
    item = Input(kind, name if is_table or kind in NAMED else "", partitions if is_table else None)
    assert Input.parse(item.label()) == item


@given(st.sampled_from(InputKind), st.sampled_from(InputKind), NAMES, NAMES, st.sampled_from(Partitions))
def test_different_inputs_have_different_labels(
    first: InputKind, second: InputKind, name: str, other: str, partitions: Partitions
) -> None:
    items = []
    for kind, text in ((first, name), (second, other)):
        is_table = kind == InputKind.TABLE
        assume(not is_table or text.partition("|")[0] not in NAMED)
        items.append(Input(kind, "" if kind in UNNAMED or kind == InputKind.DATE else text, partitions if is_table else None))
    assert (items[0] == items[1]) == (items[0].label() == items[1].label())


@pytest.mark.parametrize(
    "arguments",
    [
        (InputKind.TABLE, "config", Partitions.DATE),
        (InputKind.TABLE, "file|x", Partitions.DATE),
        (InputKind.TABLE, "events"),
        (InputKind.MODEL, "x", Partitions.DATE),
        (InputKind.GENRES, "pmrs7"),
    ],
)
def test_an_input_without_a_label_of_its_own_is_refused(arguments: tuple[InputKind, str]) -> None:
    with pytest.raises(ValueError, match="input"):
        Input(*arguments)


@pytest.mark.parametrize("label", ["events|sometimes", "events", "", "genres|pmrs7"])
def test_a_text_that_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match="valid Partitions"):
        Input.parse(label)
