"""The Million Song Dataset Challenge's visible half of the users' songs: triplets like those of the Taste Profile.

kaggle_visible_evaluation_triplets.txt, year1_valid_triplets_visible.txt, year1_test_triplets_visible.txt (McFee et al.,
2012).
"""

from jobs.sources.formats.taste_profile import line_format
from jobs.sources.line_format import TextSnapshotFormat

FORMAT = TextSnapshotFormat("play_counts", line_format)
