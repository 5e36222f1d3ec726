"""Spans of positions in flat arrays."""

import numpy as np

from models.types import I64


def expand_spans(starts: I64, lengths: I64) -> tuple[I64, I64]:
    """Return the span of each position [N], numbered from 0, and the positions [N] of all spans, one span after the other.

    Span s has the positions `starts[s]` to `starts[s] + lengths[s] - 1`.
    """
    span = np.repeat(np.arange(lengths.size), lengths)
    return span, np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(span.size)
