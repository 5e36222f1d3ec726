"""Parsed rows to the lake, every one accounted for: the jobs `events` and `snapshots` and their steps."""
