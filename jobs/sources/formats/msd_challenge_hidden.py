"""The Million Song Dataset Challenge's hidden half of its listeners' songs: the answers, which no model may learn from.

year1_valid_triplets_hidden.txt, year1_test_triplets_hidden.txt (McFee et al., 2012). A table of its own keeps them
out of everything that reads play counts.
"""

from jobs.sources.formats.taste_profile import layout
from jobs.sources.layout import TextSnapshot

FORMAT = TextSnapshot("hidden_play_counts", layout)
