"""`python -m bench [name ...]`: run the benchmarks (all of them, or those named), print their table, write bench/results/."""

import importlib
import sys

from bench.harness import save

NAMES = ("ingest", "counts", "incremental", "heavy", "factors", "factors_mllib", "approximate", "audio")


def main(names: list[str]) -> None:
    """Run the benchmarks of these names, by default all."""
    if unknown := sorted(set(names) - set(NAMES)):
        raise SystemExit(f"There is no benchmark {unknown[0]}; available are {', '.join(NAMES)}.")
    for name in names or NAMES:
        print(f"{name}:", file=sys.stderr, flush=True)
        save(name, importlib.import_module(f"bench.{name}").rows())


if __name__ == "__main__":
    main(sys.argv[1:])
