"""KKBox's labelled plays (WSDM Cup 2018, train.csv): user, song, screen of the app, and whether the user played the
song again.

The file has no times but is in chronological order, so the row number is stored.
"""

from functools import partial

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, with_namespace
from jobs.sources.reading.csv_records import cell, csv_line_format, read_records

HEADER = "msno"


def line_format(source: Source) -> LineFormat:
    """Return how a record is read. A song of KKBox is a track. Rows count from 1 without the header. "null" is an
    unknown screen.
    """
    user, track = cell(0), cell(1)
    system_tab, screen, entry = (F.nullif(cell(n), F.lit("null")) for n in range(2, 5))
    target = cell(5).try_cast("int")
    return csv_line_format(
        HEADER,
        6,
        Rule("missing_user", "the user is empty", user.isNull()),
        Rule("missing_track", "the song is empty", track.isNull()),
        Rule("bad_target", "the target is not 0 or 1", ~F.coalesce(target.isin(0, 1), F.lit(False))),
        columns={
            "user_id": with_namespace(source, user),
            "track_id": with_namespace(source, track),
            "system_tab": system_tab,
            "screen": screen,
            "entry": entry,
            "target": target,
            "row_order": F.col("number"),
        },
    )


FORMAT = TextSnapshotFormat("labelled_pairs", line_format, read=partial(read_records, header=HEADER))
