"""The Million Song Dataset Challenge's visible half of its listeners' songs: triplets as in the Taste Profile.

kaggle_visible_evaluation_triplets.txt, year1_valid_triplets_visible.txt, year1_test_triplets_visible.txt (McFee et al., 2012).
"""

from jobs.sources.formats.taste_profile import layout
from jobs.sources.layout import TextSnapshot

FORMAT = TextSnapshot("play_counts", layout)
