"""Reasons for the similarity of two tracks or artists, as sentences."""

from pyspark.sql import Column
from pyspark.sql import functions as F

MODALITIES = ("collaborative", "audio", "genre", "text")
"""Modalities of features and similarities, in the order of a reason."""


def similar(min_cosine: float) -> Column:
    """Return the reason, from the columns `top_modality`, `cos_...` and `shared_genre`.

    It has the phrase of `top_modality`, then of all other modalities with a cosine of at least `min_cosine`.
    """
    both = F.concat(F.lit("both "), "shared_genre")
    phrases = {
        "collaborative": F.lit("played by the same people"),
        "audio": F.lit("sounds similar"),
        "genre": F.coalesce(both, F.lit("similar in genre")),
        "text": F.lit("similar in title or tags"),
    }
    first = F.coalesce(*[F.when(F.col("top_modality") == modality, text) for modality, text in phrases.items()])
    # null if the cosine is smaller; concat_ws omits nulls
    others = [
        F.when((F.col("top_modality") != modality) & (F.col(f"cos_{modality}") >= min_cosine), text)
        for modality, text in phrases.items()
    ]
    return F.concat_ws(", ", first, *others)
