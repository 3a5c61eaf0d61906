"""Verification: the protocol, a model on a benchmark, IJB's templates."""
