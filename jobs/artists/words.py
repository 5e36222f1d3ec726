"""Why two tracks or artists are near, in words."""

from pyspark.sql import Column
from pyspark.sql import functions as F

WAYS = ("collaborative", "audio", "genre", "text")
"""In which things are known and compared, in the order in which they are told."""


def similar(told: float) -> Column:
    """For `top_modality`, `by_...` and `shared_genre`: what carries the likeness, then what else has a cosine from `told` on."""
    both = F.concat(F.lit("both "), "shared_genre")
    said = {
        "collaborative": F.lit("heard by the same listeners"),
        "audio": F.lit("sounds alike"),
        "genre": F.coalesce(both, F.lit("described alike")),
        "text": F.lit("written about alike"),
    }
    first = F.coalesce(*[F.when(F.col("top_modality") == way, text) for way, text in said.items()])
    # null where it is not so, which concat_ws passes over
    others = [
        F.when((F.col("top_modality") != way) & (F.col(f"cos_{way}") >= told), text) for way, text in said.items()
    ]
    return F.concat_ws(", ", first, *others)
