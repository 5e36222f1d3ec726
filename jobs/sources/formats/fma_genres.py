"""FMA's genre tree (genres.csv; Defferrard et al., 2017): `genre_id,#tracks,parent,title,top_level`."""

from functools import partial

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.line_format import LineFormat, Rule, TextSnapshotFormat, with_namespace
from jobs.sources.reading.csv_records import cell, csv_line_format, read_records

HEADER = "genre_id"
NUMBER = "^[0-9]+$"


def line_format(source: Source) -> LineFormat:
    """Return how a record is read. Parent 0 marks a root. The number of tracks is ignored, as it can be counted."""
    genre, parent, title, top = (cell(n) for n in (0, 2, 3, 4))
    above = F.coalesce(parent.rlike(NUMBER) & top.rlike(NUMBER), F.lit(False))
    return csv_line_format(
        HEADER,
        5,
        Rule("bad_genre", "the genre's id is not a number", ~F.coalesce(genre.rlike(NUMBER), F.lit(False))),
        Rule("bad_parent", "parent or top level is not a number", ~above),
        Rule("missing_name", "the title is empty", title.isNull()),
        columns={
            "genre_id": with_namespace(source, genre),
            "parent_id": with_namespace(source, F.when(parent != "0", parent)),
            "title": title,
            "top_id": with_namespace(source, top),
        },
    )


FORMAT = TextSnapshotFormat("genres", line_format, read=partial(read_records, header=HEADER))
