"""Storage below all products: schemas, partitions, manifests and digests."""
