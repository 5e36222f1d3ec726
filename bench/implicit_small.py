"""Fit implicit's ALS to a small matrix, for tests/models/test_ials.py: `.venv-peers/bin/python bench/implicit_small.py`.

Hu's objective is solved exactly until convergence, from eight random starts. The result with the smallest loss is written.
"""

import json
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

USERS, ITEMS, FACTORS, LISTED = 60, 40, 5, 10
UNOBSERVED, REGULARISATION = 0.1, 0.5
"""a and lambda of models/ials.py; implicit's objective is ours times 1 / a."""
TARGET = Path(__file__).parents[1] / "tests" / "models" / "data" / "implicit_small.json"


def main() -> None:
    """Sample, fit and write."""
    rng = np.random.default_rng(11)
    affinity = rng.normal(size=(USERS, 3)) @ rng.normal(size=(3, ITEMS)) + 0.7 * rng.normal(size=(USERS, ITEMS))
    plays = np.where(affinity > 1.2, rng.integers(1, 9, (USERS, ITEMS)), 0)
    plays[np.arange(USERS), np.arange(USERS) % ITEMS] = 2
    liked = plays > 0
    weight = np.where(liked, 1 + (1 + np.log2(np.maximum(plays, 1))) / UNOBSERVED, 1.0)
    rows = []
    for seed in range(8):
        model = AlternatingLeastSquares(
            factors=FACTORS, regularization=REGULARISATION / UNOBSERVED, alpha=1.0, iterations=300, use_cg=False,
            random_state=seed, dtype=np.float64, num_threads=1,
        )  # fmt: skip
        model.fit(csr_matrix(np.where(liked, weight, 0)), show_progress=False)
        users, items = model.user_factors, model.item_factors
        scores = users @ items.T
        size = (users**2).sum() + (items**2).sum()
        loss = UNOBSERVED * float((weight * (liked - scores) ** 2).sum() + REGULARISATION / UNOBSERVED * size)
        best = np.argsort(-np.where(liked, -np.inf, scores), axis=1)[:, :LISTED]
        rows.append((loss, best.tolist()))
    loss, lists = min(rows)
    metadata = {
        "made_by": "bench/implicit_small.py",
        "factors": FACTORS,
        "unobserved": UNOBSERVED,
        "regularisation": REGULARISATION,
    }
    TARGET.write_text(json.dumps({**metadata, "loss": loss, "lists": lists, "plays": plays.tolist()}) + "\n")
    print([round(value, 6) for value, _ in rows])


if __name__ == "__main__":
    main()
