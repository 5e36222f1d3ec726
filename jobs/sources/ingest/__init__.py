"""Write parsed rows to the lake and account for every line: the jobs `events` and `snapshots` and their steps."""
