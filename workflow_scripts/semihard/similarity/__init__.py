"""Similarity: embedders, identity centers and bins."""
