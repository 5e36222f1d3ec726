"""Under all products: schemas, partitions, manifests and digests."""
