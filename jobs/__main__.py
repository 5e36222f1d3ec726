"""`python -m jobs` is `pmrs`; spark-submit starts this file."""

from jobs.cli.main import main

if __name__ == "__main__":
    main()
