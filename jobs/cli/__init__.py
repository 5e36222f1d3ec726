"""The one command line: `pmrs`."""
