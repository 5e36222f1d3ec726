"""Histories of plays, and domains of items, for rankers."""

from dataclasses import replace

import numpy as np
import pytest

from models.data.histories import HistoryDataset, last_plays
from models.data.items import number_categories
from models.data.sessions import PADDING, SessionQueries
from tests.models.rankers import LENGTH, training_queries


def test_last_plays_are_those_of_session_then_past() -> None:
    items = np.array([9, 8, 7, 1, PADDING, 2, 5])
    given = SessionQueries(
        items, np.zeros(7), np.full(3, 3), np.array([6, 4, 3]), np.array([0, 0, 3]), np.full(3, 3), np.zeros(3, np.int64)
    )
    plays, lengths = last_plays(given, 5)
    assert lengths.tolist() == [4, 4, 0]
    assert plays[0, 1:].tolist() == [8, 7, 1, 2]
    assert plays[1, 1:].tolist() == [9, 8, 7, 1]


def test_a_target_without_a_number_is_refused() -> None:
    given = replace(training_queries(), items=np.full(training_queries().items.size, PADDING))
    with pytest.raises(ValueError, match="unknown item"):
        HistoryDataset(given, LENGTH)


def test_categories_are_numbered_by_name() -> None:
    assert number_categories(["b", None, "a", "b"]).tolist() == [2, 0, 1, 2]
