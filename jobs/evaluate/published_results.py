"""Results that papers publish for our methods, each with the reason why ours can or cannot be compared with them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedResult:
    """One published figure."""

    model: str
    """Name of our model of the same method."""
    metric: str
    """As `jobs/evaluate/metrics.py` names it; else as the paper does."""
    value: str
    data: str
    split: str
    """Our name of the paper's split: temporal, random, last or users; empty if it is none of these."""
    source: str


MSD = "MSD Taste Profile, 571,355 users x 41,140 songs"
MSD_TRAINING_SIZE = (471_355, 41_140)
"""Training users (two times 50,000 are held out) and tracks of Liang 2018."""
PUBLISHED_RESULTS = (
    PublishedResult("popularity", "R_liang@20", "0.043", MSD, "users", "Steck 2019, Table 1 (split of Liang 2018)"),
    PublishedResult("ease", "R_liang@20", "0.333", MSD, "users", "Steck 2019, Table 1"),
    PublishedResult("ease", "R_liang@50", "0.428", MSD, "users", "Steck 2019, Table 1"),
    PublishedResult("ease", "NDCG@100", "0.389", MSD, "users", "Steck 2019, Table 1"),
    PublishedResult("als", "R_liang@20", "0.305 to 0.309", MSD, "users", "Rendle et al. 2022 (iALS, d = 8192)"),
    PublishedResult(
        "pmrs_cf",
        "confidence score",
        "> 0.9 in 5 of 7 genres",
        "4,000 MSD tracks, the 50 most active users",
        "",
        "PMRS, Figure 3",
    ),
)


def published_results_for(model: str, split: str, n_users: int, n_tracks: int) -> list[dict[str, str]]:
    """Return the published results of a model, each with `comparable`: "yes", or "no: ..." with the differences.

    `n_users`, `n_tracks`: size of our training data. It counts as the paper's data only if both numbers are equal.
    """
    rows = []
    for published in (p for p in PUBLISHED_RESULTS if p.model == model):
        differences = []
        if published.split != split:
            differences.append(f"another split ({published.split or 'undescribed'} there, {split} here)")
        if (n_users, n_tracks) != MSD_TRAINING_SIZE or published.data != MSD:
            differences.append(f"other data ({published.data} there, {n_users:,} users x {n_tracks:,} tracks here)")
        comparable = "no: " + " and ".join(differences) if differences else "yes"
        row = {"metric": published.metric, "value": published.value, "source": published.source, "data": published.data}
        rows.append({**row, "comparable": comparable})
    return rows
