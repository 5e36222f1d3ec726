"""Parse single records: pure functions of a page, an HDF5 file, an audio tag or a block of log lines."""
