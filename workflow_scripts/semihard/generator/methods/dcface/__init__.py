"""DCFace (CVPR 2023)."""
