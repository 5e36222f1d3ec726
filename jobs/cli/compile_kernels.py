"""Compile the loops of librosa and of implicit ALS into numba's caches: `python -m jobs.cli.compile_kernels`.

Set-up runs it, so that no night spends the half minute of a core that this takes.
"""

import numpy as np
from scipy.sparse import csr_array

from jobs.audio import librosa_features
from models.ials import ALSModel, IALSConfig, fit


def main() -> None:
    """Describe a second of noise; fit, fold in and explain a model of two users and two tracks at the default rank."""
    librosa_features.warm_up()
    ratings, config = csr_array(np.array([[1.0, 0.0], [1.0, 1.0]], np.float32)), IALSConfig()
    model = ALSModel(fit(ratings, config), config.objective)
    model.fold_in(ratings)
    model.contributions(ratings, [np.array([1], np.int64), np.array([0], np.int64)])


if __name__ == "__main__":
    main()
