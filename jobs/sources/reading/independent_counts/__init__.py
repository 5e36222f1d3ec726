"""Count lines, rows, members and records from raw bytes, without code of the readers."""
