"""The Million Song Dataset Challenge's hidden half of the users' songs: test data, on which no model may train.

year1_valid_triplets_hidden.txt, year1_test_triplets_hidden.txt (McFee et al., 2012). It has a table of its own, which
nothing that uses play counts reads.
"""

from jobs.sources.formats.taste_profile import line_format
from jobs.sources.line_format import TextSnapshotFormat

FORMAT = TextSnapshotFormat("hidden_play_counts", line_format)
