"""Readers of verification pairs, a file each, named as the `source` of a benchmark: `read` gives images and pairs."""
