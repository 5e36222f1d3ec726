"""Read files of all kinds: text lines, CSV records, tables, archives, web crawls; and count them independently."""
