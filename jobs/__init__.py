"""The pipeline: one package per data product; docs/architecture.md lists them in the order of the data flow."""
