"""What papers claim, to stand beside our own figures, each with why the two can be compared, or cannot."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One published figure."""

    model: str
    """Name of our contender of the same method."""
    metric: str
    """As `jobs/evaluate/metrics.py` names it, or as the paper does."""
    value: str
    data: str
    split: str
    """Our name of the split that is theirs: temporal, random, last, users; empty: none of these."""
    source: str


MSD = "MSD Taste Profile, 571,355 users x 41,140 songs"
MSD_LEARNED = (471_355, 41_140)
"""Users that Liang's models learn from (two times 50,000 are held out), and tracks."""
CLAIMS = (
    Claim("popularity", "R_liang@20", "0.043", MSD, "users", "Steck 2019, Table 1 (split of Liang 2018)"),
    Claim("ease", "R_liang@20", "0.333", MSD, "users", "Steck 2019, Table 1"),
    Claim("ease", "R_liang@50", "0.428", MSD, "users", "Steck 2019, Table 1"),
    Claim("ease", "NDCG@100", "0.389", MSD, "users", "Steck 2019, Table 1"),
    Claim("als", "R_liang@20", "0.305 to 0.309", MSD, "users", "Rendle et al. 2022 (iALS, d = 8192)"),
    Claim(
        "pmrs_cf",
        "confidence score",
        "> 0.9 in 5 of 7 genres",
        "4,000 MSD tracks, the 50 most active users",
        "",
        "PMRS, Figure 3",
    ),
)


def beside(model: str, split: str, users: int, tracks: int) -> list[dict[str, str]]:
    """The claims for a model, each with `comparable`: "yes", or "no: ..." with what differs.

    `users`, `tracks`: how many we learned from. Only the very numbers of the paper count as its data.
    """
    told = []
    for claim in (c for c in CLAIMS if c.model == model):
        differs = []
        if claim.split != split:
            differs.append(f"another split ({claim.split or 'undescribed'} there, {split} here)")
        if (users, tracks) != MSD_LEARNED or claim.data != MSD:
            differs.append(f"other data ({claim.data} there, {users:,} users x {tracks:,} tracks here)")
        comparable = "no: " + " and ".join(differs) if differs else "yes"
        told.append(
            {
                "metric": claim.metric,
                "value": claim.value,
                "source": claim.source,
                "data": claim.data,
                "comparable": comparable,
            }
        )
    return told
