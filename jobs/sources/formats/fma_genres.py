"""FMA's tree of genres (genres.csv; Defferrard et al., 2017): `genre_id,#tracks,parent,title,top_level`."""

from functools import partial

from pyspark.sql import functions as F

from jobs.sources.contract import Source
from jobs.sources.layout import Fault, Layout, TextSnapshot, named
from jobs.sources.reading.records import cell, read_records, record_layout

HEADER = "genre_id"
NUMBER = "^[0-9]+$"


def layout(source: Source) -> Layout:
    """Parent 0 means that the genre is a root. The number of tracks is not read: it can be counted."""
    genre, parent, title, top = (cell(n) for n in (0, 2, 3, 4))
    above = F.coalesce(parent.rlike(NUMBER) & top.rlike(NUMBER), F.lit(False))
    return record_layout(
        HEADER,
        5,
        Fault("bad_genre", "the genre's id is not a number", ~F.coalesce(genre.rlike(NUMBER), F.lit(False))),
        Fault("bad_parent", "parent or top level is not a number", ~above),
        Fault("missing_name", "the title is empty", title.isNull()),
        columns={
            "genre_id": named(source, genre),
            "parent_id": named(source, F.when(parent != "0", parent)),
            "title": title,
            "top_id": named(source, top),
        },
    )


FORMAT = TextSnapshot("genres", layout, read=partial(read_records, header=HEADER))
