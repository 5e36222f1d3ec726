"""Why two tracks or artists are near, in words."""

from pyspark.sql import Column
from pyspark.sql import functions as F

MODALITIES = ("collaborative", "audio", "genre", "text")
"""In which things are known and compared, in the order in which they are told."""


def similar(min_cosine: float) -> Column:
    """For `top_modality`, `by_...` and `shared_genre`: what carries the likeness, then what else has a cosine from `told` on."""
    both = F.concat(F.lit("both "), "shared_genre")
    phrases = {
        "collaborative": F.lit("heard by the same listeners"),
        "audio": F.lit("sounds alike"),
        "genre": F.coalesce(both, F.lit("described alike")),
        "text": F.lit("written about alike"),
    }
    first = F.coalesce(*[F.when(F.col("top_modality") == modality, text) for modality, text in phrases.items()])
    # null where it is not so, which concat_ws passes over
    others = [
        F.when((F.col("top_modality") != modality) & (F.col(f"cos_{modality}") >= min_cosine), text)
        for modality, text in phrases.items()
    ]
    return F.concat_ws(", ", first, *others)
