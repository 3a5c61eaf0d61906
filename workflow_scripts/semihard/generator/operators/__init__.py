"""What is done to the conditions of images, a file each, named as the knob of SyntheticFaces that asks for it.

An operator's `change` takes the settings, the inquiries' unit embeddings `[Q, D]`, the images' identity and index `[n]` and
their condition, and gives the condition changed. Every draw is a function of (seed, identity, index) alone. One that
steers the denoising as well has `steer`.
"""
