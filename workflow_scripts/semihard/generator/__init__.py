"""Similarity-controlled diffusion: the network, its objective and training, inquiries, mixup, sampling, calibration."""
