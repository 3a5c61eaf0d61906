"""Margin heads, a file each, whose name is the `head` of a configuration."""
