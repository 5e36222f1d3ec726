"""Benchmarks: `make bench [ONLY=name]`. Each module measures one thing against a peer in the same run; see docs/performance.md."""
