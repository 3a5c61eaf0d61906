"""Recognizers: networks, margin heads, augmentation and training."""
