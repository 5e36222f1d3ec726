"""Files and archives to records: bytes, lines, members, with their places, and nothing about what they mean."""
