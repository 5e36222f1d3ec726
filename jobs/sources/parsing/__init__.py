"""What one record says: pure functions of a page, an HDF5 file, an audio tag, a block of log lines."""
