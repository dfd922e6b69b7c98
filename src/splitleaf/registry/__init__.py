"""Which model versions exist: manifests, digests, catalogue, aliases."""
