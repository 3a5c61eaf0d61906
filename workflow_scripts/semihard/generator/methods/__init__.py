"""Methods of generation: a folder each, whose name is the `method` of a configuration."""
