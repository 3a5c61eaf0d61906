"""Layouts of foreign weights, a file for a family: NAMES gives for each its `EmbedderSpec`, `renames` its names in ours."""
