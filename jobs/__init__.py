"""What the pipeline computes: one folder per data product, in the order data flows (see docs/architecture.md)."""
