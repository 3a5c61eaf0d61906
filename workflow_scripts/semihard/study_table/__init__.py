"""The study table, the published lines beside it, and its forms."""
