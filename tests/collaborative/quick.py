"""MLlib's ALS in few iterations: each takes Spark as long as it takes with a million ratings."""

from dataclasses import replace
from functools import partial

from jobs.collaborative import als
from jobs.collaborative.methods import METHODS, Method

FEW_ITERATIONS = 3
"""What ALS learns is held against the truth in tests/evaluate and tests/sample_night.py; where this is used it has to be there."""


def quick(name: str) -> Method:
    """A method that is by ALS, with other settings as shipped."""
    shipped = partial(als.Config, iterations=FEW_ITERATIONS, blocks=2)
    return replace(METHODS[name], settings=shipped)  # type: ignore[arg-type]
