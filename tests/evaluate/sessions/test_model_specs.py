"""The session models of the comparison can be selected, fitted and asked for lists."""

from dataclasses import replace

import numpy as np
import pytest

from jobs.evaluate.sessions.model_specs import SESSION_MODELS, SessionModelSpec, select_session_models
from jobs.evaluate.sessions.networks import NetworkSettings
from jobs.evaluate.sessions.split import DAY, build_positions, split_sessions
from models.data.sessions import PADDING
from tests.evaluate.sessions.literal import random_sessions

SPLIT = split_sessions(random_sessions(12, 200), 10 * DAY, 4)


@pytest.mark.parametrize("spec", SESSION_MODELS, ids=lambda spec: spec.name)
def test_every_model_ranks_with_its_first_settings(spec: SessionModelSpec) -> None:
    config = spec.grid[0]
    if isinstance(config, NetworkSettings):
        config = replace(config, optimization=replace(config.optimization, epochs=1, threads=1))
    queries = build_positions(SPLIT, 0, 7, repeats=True).queries[:40]
    (model,) = spec.fit(SPLIT.train, config, spec.seeds[:1])
    lists = model.recommend(queries, 5)
    assert len(lists.items) == 40
    listed = lists.items != PADDING
    assert listed.any(1).mean() > 0.5
    assert np.isfinite(lists.scores[listed]).all()
    assert (np.diff(lists.scores, axis=1)[listed[:, 1:]] <= 0).all()


def test_networks_are_evaluated_only_if_they_are_named() -> None:
    names = {spec.name for spec in select_session_models(())}
    assert {"sr", "vsknn", "session_blend"} <= names
    assert not {"gru4rec", "narm", "sasrec"} & names
    assert [spec.name for spec in select_session_models(("sasrec", "sr"))] == ["sr", "sasrec"]
