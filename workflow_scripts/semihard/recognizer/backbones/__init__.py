"""Recognition networks, a file each for a family; its NAMES are the `backbone` of a configuration."""
