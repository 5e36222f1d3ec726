"""Read input files into the lake.

Where to find what:
- contract.py: what every format implements
- formats/: one module per format. A new format is added here, with a small file in tests/sources/samples.py
- line_format.py, event_format.py: describe how a text line maps to a row, and the rules that it must follow
- reading/: readers of lines, CSV, SQLite, archives and web crawls, and the counters that check them
- parsing/: parsers of single records
- ingest/: the jobs `events` and `snapshots`, which write and account for the rows
- config.py: the sources file
"""
