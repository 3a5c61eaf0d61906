"""CemiFace (NeurIPS 2024)."""
