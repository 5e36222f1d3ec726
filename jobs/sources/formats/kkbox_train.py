"""KKBox's labelled plays (WSDM Cup 2018, train.csv): user, song, where in the app it began, and whether the user came back.

The file has no times but is in their order, so each pair keeps its place in it.
"""

from functools import partial

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, named
from jobs.sources.reading.records import cell, read_records, record_layout

HEADER = "msno"


def layout(source: Source) -> Layout:
    """A song of KKBox's is a track; rows count from 1, the header left out. The word null is a screen that is not told."""
    user, track = cell(0), cell(1)
    system_tab, screen, entry = (F.nullif(cell(n), F.lit("null")) for n in range(2, 5))
    target = cell(5).try_cast("int")
    return record_layout(
        HEADER,
        6,
        Fault("missing_user", "the user is empty", user.isNull()),
        Fault("missing_track", "the song is empty", track.isNull()),
        Fault("bad_target", "the target is not 0 or 1", ~F.coalesce(target.isin(0, 1), F.lit(False))),
        columns={
            "user_id": named(source, user),
            "track_id": named(source, track),
            "system_tab": system_tab,
            "screen": screen,
            "entry": entry,
            "target": target,
            "row_order": F.col("number"),
        },
    )


FORMAT = TextSnapshot("labelled_pairs", layout, read=partial(read_records, header=HEADER))
