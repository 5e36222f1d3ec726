"""The command line `pmrs`."""
