"""Run `pmrs` as `python -m jobs`, and under spark-submit."""

from jobs.cli.main import main

if __name__ == "__main__":
    main()
