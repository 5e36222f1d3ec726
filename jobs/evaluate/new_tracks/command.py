"""`pmrs evaluate-new-tracks`: tracks are held out with all their plays, and listeners asked which of them they will like.

As van den Oord, Dieleman and Schrauwen (2013, section 5.3) ask: only new tracks are ranked, for each listener who likes one.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from jobs.evaluate.intervals import difference, intervals
from jobs.evaluate.new_tracks.known import Held, Known, Reals, dense, hold, read
from jobs.evaluate.new_tracks.ways import Way, ways
from jobs.evaluate.question import opened
from jobs.evaluate.tables import Told, keep
from jobs.lake.manifest import code_version
from jobs.settings import Settings
from models import ials
from models.ials import IALSConfig
from models.implicit_factors import ImplicitFactors

PLACES = 20
METRICS = ("AUC", f"R@{PLACES}")
RIVALS = ("random", "popularity", "metadata")
BLOCK = 500
"""Listeners asked at once."""
Say = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Config:
    """How tracks are held out; noted with every figure."""

    share: float = 0.2
    """Of the tracks that are held out; where there is audio, of those that have some."""
    seed: int = 7
    """Of the draw."""
    network: bool = False
    """Whether a network hears clips too: minutes, where the rest takes seconds."""
    preset: str = "pmrs-4s"
    """Of its clips."""


def run(settings: Settings, date: str, config: Config, say: Say) -> Told:
    """Reads what a night knows of plays, tracks and descriptors; the whole as a dictionary, also in MongoDB (`kind` new_tracks)."""
    ctx = opened(settings, date, config)
    say("reading", 0, 0)
    known = read(ctx, config.preset if config.network else "")
    rows, asked = build(known, config, say)
    sources = ctx.night.sources
    head = {
        "kind": "new_tracks", "sources": sources.name, "synthetic": sources.synthetic, "date": ctx.night.date.isoformat(),
        "protocol": f"{config.share:.0%} of the tracks held out with all their plays; listeners who like one of them, and another "
        "track, are asked; only the held out are ranked",
        "code": code_version(), "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), **asked,
    }  # fmt: skip
    told = {**head, "results": rows}
    keep(settings, told)
    return told


def build(known: Known, config: Config, say: Say) -> tuple[list[Told], Told]:
    """A row for each way, and what was asked of them. Raises EvaluationError where there is nothing to ask."""
    settings = IALSConfig()
    held = hold(known, config.share, settings.min_rating, config.seed)
    say("fitting factors of the others", 0, 0)
    model = ImplicitFactors(ials.fit(held.everybody, settings), settings.objective, settings.min_rating)
    listeners = model.fold_in(held.likes)
    per_user: dict[str, Reals] = {}
    rows: list[Told] = []
    for way in ways(known, held, model, config.seed):
        say(way.title, 0, 0)
        per_user[way.name] = asked_of(way, listeners, held)
        figures = intervals(per_user[way.name])
        rows.append({"model": way.name, "title": way.title, **{m: asdict(one) for m, one in zip(METRICS, figures, strict=True)}})
    for row in rows:
        mine = per_user[row["model"]][:, 1]
        row["against"] = {name: asdict(difference(mine, per_user[name][:, 1])) for name in RIVALS if name != row["model"]}
    users, new = held.truth.shape
    return rows, {"new_tracks": new, "other_tracks": held.new.size - new, "users": users, "likes": held.truth.nnz}


def asked_of(way: Way, listeners: np.ndarray, held: Held) -> Reals:
    """[Q, 2] AUC and recall of each listener's likes among the new tracks; ties count against the way."""
    found = []
    for start in range(0, held.truth.shape[0], BLOCK):
        block = slice(start, start + BLOCK)
        queries = listeners[block] if way.factors.shape[1] == listeners.shape[1] else np.ones((len(listeners[block]), 1))
        found.append(judged(queries @ way.factors.T, dense(held.truth[block]) > 0))
    return np.concatenate(found)


def judged(scores: Reals, liked: np.ndarray) -> Reals:
    """[B, 2] of scores [B, H]: AUC (a tie is worth a half), and the share of the likes among the first PLACES (a tie, nothing)."""
    order = np.sort(scores, axis=1)
    found = np.zeros((len(scores), 2))
    for row, (mine, ranks) in enumerate(zip(liked, order, strict=True)):
        good = scores[row, mine]
        below, upto = np.searchsorted(ranks, good, "left"), np.searchsorted(ranks, good, "right")
        count, others = good.size, ranks.size - good.size
        # of the ranks of the likes among all, what the likes themselves take is taken away
        area = ((below + upto - 1) / 2).sum() - count * (count - 1) / 2
        found[row, 0] = area / (count * others) if others else 0.5
        found[row, 1] = (ranks.size - below <= PLACES).mean()
    return found
